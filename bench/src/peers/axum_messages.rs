//! axum-messages 0.8 on tower-sessions 0.14: what it costs a request that has a session and no message.

use std::convert::Infallible;

use axum_messages::MessagesManagerLayer;
use http::{Request, Response};
use tower::{Layer, service_fn};
use tower_sessions_0_14::{MemoryStore, Session, SessionManagerLayer};

use crate::measure::{Cost, ask, cost};
use crate::ours::bare;
use crate::session::{Body, NUMBER, cookie, next_number, request};

#[must_use]
pub fn unused() -> Cost {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let mut begin = sessions.layer(service_fn(async |request: Request<Body>| {
        let session = request.extensions().get::<Session>().expect("a session").clone();
        session.insert(NUMBER, next_number()).await.expect("kept");
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let cookie = cookie(ask(&mut begin, request(None)).headers());
    let handler =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut service = sessions.layer(MessagesManagerLayer.layer(handler));
    cost(|| drop(ask(&mut service, request(Some(&cookie))))).beyond(bare(Some(&cookie)))
}
