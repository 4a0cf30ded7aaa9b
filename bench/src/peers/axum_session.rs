//! axum_session 0.22 without a database: sessions in this process's memory.

use std::convert::Infallible;

use axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};
use http::HeaderValue;
use tower::{Layer, service_fn};

use crate::measure::{Request, ask, at_once};
use crate::session::{Body, NUMBER, Op, Size, answer, cookie, next_number, request};

pub const NAME: &str = "axum_session 0.22.1, memory";

#[must_use]
pub fn in_memory(size: Option<Size>, op: Op) -> Request {
    let store = at_once(SessionStore::<SessionNullPool>::new(None, SessionConfig::default()));
    let sessions = SessionLayer::new(store.expect("a store"));
    let cookie = size.map(|size| begin(&sessions, size));
    let mut service = sessions.layer(service_fn(move |request: http::Request<Body>| async move {
        match op {
            Op::Leave => {}
            Op::Read => {
                std::hint::black_box(session_of(&request).get::<u64>(NUMBER));
            }
            Op::Write => session_of(&request).set(NUMBER, next_number()),
        }
        Ok::<_, Infallible>(answer())
    }));
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

fn begin(sessions: &SessionLayer<SessionNullPool>, size: Size) -> HeaderValue {
    let mut service = sessions.layer(service_fn(move |request: http::Request<Body>| async move {
        let session = session_of(&request);
        session.set(NUMBER, next_number());
        for (key, text) in size.texts() {
            session.set(&key, text);
        }
        Ok::<_, Infallible>(answer())
    }));
    cookie(ask(&mut service, request(None)).headers())
}

fn session_of(request: &http::Request<Body>) -> Session<SessionNullPool> {
    request.extensions().get::<Session<SessionNullPool>>().expect("a session").clone()
}
