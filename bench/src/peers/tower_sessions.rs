//! tower-sessions 0.15 with its `MemoryStore`.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response};
use tower::{Layer, service_fn};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use crate::measure::{Cost, ask, cost};
use crate::ours::bare;
use crate::session::{Body, NUMBER, Op, Size, cookie, next_number, request};

pub type Sessions = SessionManagerLayer<MemoryStore>;

#[must_use]
pub fn memory() -> Sessions {
    SessionManagerLayer::new(MemoryStore::default())
}

#[must_use]
pub fn begin(sessions: &Sessions, size: Size) -> HeaderValue {
    let mut service = sessions.layer(service_fn(move |request: Request<Body>| async move {
        let session = request.extensions().get::<Session>().expect("a session").clone();
        session.insert(NUMBER, next_number()).await.expect("kept");
        for (key, text) in size.texts() {
            session.insert(&key, text).await.expect("kept");
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    cookie(ask(&mut service, request(None)).headers())
}

#[must_use]
pub fn handled(sessions: &Sessions, cookie: Option<&HeaderValue>, op: Op) -> Cost {
    let mut service = sessions.layer(service_fn(move |request: Request<Body>| async move {
        let session = request.extensions().get::<Session>().expect("a session").clone();
        match op {
            Op::Leave => {}
            Op::Read => {
                std::hint::black_box(session.get::<u64>(NUMBER).await.expect("read"));
            }
            Op::Write => session.insert(NUMBER, next_number()).await.expect("kept"),
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    cost(|| drop(ask(&mut service, request(cookie)))).beyond(bare(cookie))
}
