//! axum-messages 0.8 on tower-sessions 0.14: a request that has a session and asks for no message.

use std::convert::Infallible;

use axum_messages::MessagesManagerLayer;
use tower::{Layer, service_fn};
use tower_sessions_0_14::{MemoryStore, Session, SessionManagerLayer};

use crate::measure::{Request, ask};
use crate::session::{Body, NUMBER, answer, cookie, next_number, request};

pub const NAME: &str = "axum-messages 0.8.0";
pub const SESSIONS: &str = "tower-sessions 0.14.0, memory";

#[must_use]
pub fn unused() -> Request {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let cookie = begin(&sessions);
    let handler = service_fn(async |_: http::Request<Body>| Ok::<_, Infallible>(answer()));
    let mut service = sessions.layer(MessagesManagerLayer.layer(handler));
    Box::new(move || drop(ask(&mut service, request(Some(&cookie)))))
}

/// The same without the layer for messages.
#[must_use]
pub fn sessions_alone() -> Request {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let cookie = begin(&sessions);
    let mut service =
        sessions.layer(service_fn(async |_: http::Request<Body>| Ok::<_, Infallible>(answer())));
    Box::new(move || drop(ask(&mut service, request(Some(&cookie)))))
}

fn begin(sessions: &SessionManagerLayer<MemoryStore>) -> http::HeaderValue {
    let mut begin = sessions.layer(service_fn(async |request: http::Request<Body>| {
        let session = request.extensions().get::<Session>().expect("a session").clone();
        session.insert(NUMBER, next_number()).await.expect("kept");
        Ok::<_, Infallible>(answer())
    }));
    cookie(ask(&mut begin, request(None)).headers())
}
