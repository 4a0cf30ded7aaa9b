//! ruts 0.13 with its moka store, which keeps each field by itself.

use std::convert::Infallible;
use std::sync::Arc;

use axum_core::extract::FromRequestParts;
use http::HeaderValue;
use ruts::store::Ttl;
use ruts::store::moka::{MokaStore, MokaStoreBuilder};
use ruts::{CookieOptions, Session, SessionLayer};
use tower::{Layer, service_fn};
use tower_cookies::CookieManagerLayer;

use crate::measure::{Request, ask};
use crate::session::{Body, NUMBER, Op, Size, answer, cookie, next_number, request};

pub const NAME: &str = "ruts 0.13.0, moka";

#[must_use]
pub fn in_memory(size: Option<Size>, op: Op) -> Request {
    let store = Arc::new(MokaStoreBuilder::new().build());
    let cookie = size.map(|size| begin(&store, size));
    let handler = service_fn(move |request: http::Request<Body>| async move {
        match op {
            Op::Leave => {}
            Op::Read => {
                let session = session_of(request).await;
                std::hint::black_box(session.get::<u64>(NUMBER).await.expect("read"));
            }
            Op::Write => {
                let session = session_of(request).await;
                session.set(NUMBER, &next_number(), hour(), None).await.expect("kept");
            }
        }
        Ok::<_, Infallible>(answer())
    });
    let mut service = CookieManagerLayer::new().layer(sessions(&store).layer(handler));
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

fn begin(store: &Arc<MokaStore>, size: Size) -> HeaderValue {
    let handler = service_fn(move |request: http::Request<Body>| async move {
        let session = session_of(request).await;
        session.set(NUMBER, &next_number(), hour(), None).await.expect("kept");
        for (key, text) in size.texts() {
            session.set(&key, &text, hour(), None).await.expect("kept");
        }
        Ok::<_, Infallible>(answer())
    });
    let mut service = CookieManagerLayer::new().layer(sessions(store).layer(handler));
    cookie(ask(&mut service, request(None)).headers())
}

fn sessions(store: &Arc<MokaStore>) -> SessionLayer<MokaStore> {
    let cookie = CookieOptions::build().name("session").http_only(true).max_age(3600).path("/");
    SessionLayer::new(store.clone()).with_cookie_options(cookie)
}

async fn session_of(request: http::Request<Body>) -> Session<MokaStore> {
    let (mut parts, _) = request.into_parts();
    Session::from_request_parts(&mut parts, &()).await.expect("a session")
}

fn hour() -> Ttl {
    Ttl::new(3600).expect("a time to live")
}
