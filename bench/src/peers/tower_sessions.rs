//! tower-sessions 0.15 with its `MemoryStore`.

use std::convert::Infallible;

use http::HeaderValue;
use tower::{Layer, service_fn};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use crate::measure::{Request, ask};
use crate::session::{Body, NUMBER, Op, Size, answer, cookie, next_number, request};

pub const NAME: &str = "tower-sessions 0.15.0, memory";

#[must_use]
pub fn in_memory(size: Option<Size>, op: Op) -> Request {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let cookie = size.map(|size| begin(&sessions, size));
    let mut service = sessions.layer(service_fn(move |request: http::Request<Body>| async move {
        match op {
            Op::Leave => {}
            Op::Read => {
                let session = session_of(&request);
                std::hint::black_box(session.get::<u64>(NUMBER).await.expect("read"));
            }
            Op::Write => {
                let session = session_of(&request);
                session.insert(NUMBER, next_number()).await.expect("kept");
            }
        }
        Ok::<_, Infallible>(answer())
    }));
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

fn begin(sessions: &SessionManagerLayer<MemoryStore>, size: Size) -> HeaderValue {
    let mut service = sessions.layer(service_fn(move |request: http::Request<Body>| async move {
        let session = session_of(&request);
        session.insert(NUMBER, next_number()).await.expect("kept");
        for (key, text) in size.texts() {
            session.insert(&key, text).await.expect("kept");
        }
        Ok::<_, Infallible>(answer())
    }));
    cookie(ask(&mut service, request(None)).headers())
}

fn session_of(request: &http::Request<Body>) -> Session {
    request.extensions().get::<Session>().expect("a session").clone()
}
