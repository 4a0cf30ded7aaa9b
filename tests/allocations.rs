//! What a request costs in allocations, counted exactly.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::cookie::{Candidates, CookieHeader};
use cloakroom::{Session, SessionLayer, SignedCookieFactory};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECRET: &str = "a-secret-for-tests-0123456789-ABCDEFGHIJ-abcdefghij";

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// As every request behind a router has: an extension is there already.
fn request(cookie: &str) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(());
    request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    request
}

/// The future is driven by hand, so that nothing but the service is counted.
fn count<S>(service: &mut S, request: Request<()>) -> u64
where
    S: Service<Request<()>, Response = Response<String>, Error = Infallible>,
{
    let counted = allocation_counter::measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_ready());
    });
    counted.count_total
}

#[test]
fn an_untouched_request_allocates_twice_at_most_and_checks_no_signature() {
    let refused = Arc::new(AtomicUsize::new(0));
    let told = refused.clone();
    let factory = SignedCookieFactory::builder(SECRET)
        .on_refused(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap();
    let sessions = SessionLayer::new(factory);
    let cookie = format!("session={}", "A".repeat(2000)); // forged: checking it would be told
    let handler =
        |_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(String::new())));

    let bare = count(&mut service_fn(handler), request(&cookie));
    let behind = count(&mut sessions.layer(service_fn(handler)), request(&cookie));
    assert!(behind - bare <= 2, "{behind} allocations, {bare} without the layer");
    assert_eq!(refused.load(Ordering::Relaxed), 0, "a signature was checked");

    let touching = service_fn(async |request: Request<()>| {
        Session::of(&request).await.unwrap();
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    block_on(sessions.layer(touching).oneshot(request(&cookie))).unwrap();
    assert_eq!(refused.load(Ordering::Relaxed), 1, "the test would not have noticed a check");
}

#[test]
fn s81_scanning_64_kib_of_cookies_allocates_nothing() {
    let mut header = "a=1; ".repeat(64 * 1024 / 5);
    header.push_str("session=ours");
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(&header).unwrap());
    let counted = allocation_counter::measure(|| {
        assert_eq!(CookieHeader::new(&headers).named("session"), Candidates::One(b"ours"));
        assert_eq!(CookieHeader::new(&headers).named("b"), Candidates::None);
    });
    assert_eq!(counted.count_total, 0);
}
