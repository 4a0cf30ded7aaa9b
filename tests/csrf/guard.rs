//! The guard's own behaviour, apart from its judgement: what it tells, what it leaves alone, what it can be told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{any, get};
use cloakroom::csrf::Lookup;
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{CsrfLayer, Error, Session, SessionLayer, StoredFactory};

use crate::shop::{Shop, ask, get_page, post, post_form, routes, with};

#[tokio::test]
async fn s59_a_refusal_says_which_rule_it_was_and_how_it_depends() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let layer = CsrfLayer::new()
        .on_refused(move |refused| log.lock().unwrap().push(refused.rule().as_str()));
    let shop = Shop::new(layer);
    let (cookie, _) = shop.enter().await;
    for (request, status, rule) in [
        (with(post("/buy"), "sec-fetch-site", "cross-site"), 403, "fetch_site"),
        (with(post("/buy"), "origin", "https://evil.example"), 403, "origin"),
        (with(post("/buy"), "referer", "https://evil.example/"), 403, "referer"),
        (post("/buy"), 400, "token_missing"),
        (with(post("/buy"), "x-csrf-token", ""), 400, "token_missing"),
        (post_form("/buy", "csrf_token=junk"), 400, "token_wrong"),
        (post_form("/buy", &"a".repeat(70_000)), 400, "token_too_late"),
    ] {
        let reply = shop.send(with(request, "cookie", &cookie)).await;
        assert_eq!((reply.status(), reply.rule()), (status, Some(rule)));
        assert!(!reply.is_sold(), "the handler did not run");
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.starts_with("This was not done") && !text.contains(rule), "S90: {text}");
        let headers = reply.response.headers();
        let vary: Vec<_> = headers.get_all("vary").iter().map(|it| it.to_str().unwrap()).collect();
        assert!(vary.contains(&"Origin, Sec-Fetch-Site"), "{vary:?}");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(told.lock().unwrap().pop(), Some(rule));
    }
}

#[tokio::test]
async fn s59_a_refusal_leaves_no_trace_in_the_session() {
    let store = FaultyStore::new(MemoryStore::default());
    let sessions =
        StoredFactory::builder("shop", store.clone()).touch_after(std::time::Duration::ZERO);
    let sessions = SessionLayer::new(sessions.build().unwrap());
    let app = routes().layer(CsrfLayer::new()).layer(sessions);
    let cookie = ask(&app, get_page("/token")).await.cookie().unwrap();
    let writes =
        || [Call::Create, Call::Replace, Call::Touch, Call::Remove].map(|it| store.calls(it));
    let (before, loads) = (writes(), store.calls(Call::Load));
    let elsewhere = with(post("/buy"), "sec-fetch-site", "cross-site");
    assert_eq!(ask(&app, with(elsewhere, "cookie", &cookie)).await.status(), 403);
    assert_eq!(store.calls(Call::Load), loads, "the session was not even opened");
    for form in ["csrf_token=junk", ""] {
        let reply = ask(&app, with(post_form("/buy", form), "cookie", &cookie)).await;
        assert_eq!((reply.status(), reply.cookie()), (400, None));
    }
    assert_eq!(writes(), before, "not written, and its idle time goes on");
}

#[tokio::test]
async fn s60_report_only_lets_all_through_with_the_same_verdicts() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = told.clone();
    let layer = CsrfLayer::new().report_only();
    let shop = Shop::new(layer.on_refused(move |it| log.lock().unwrap().push(it.rule().as_str())));
    let (cookie, token) = shop.enter().await;
    for (request, rule) in [
        (with(post("/buy"), "sec-fetch-site", "cross-site"), Some("fetch_site")),
        (post_form("/buy", "item=1"), Some("token_missing")),
        (post_form("/buy", &format!("csrf_token={token}")), None),
    ] {
        let reply = shop.send(with(request, "cookie", &cookie)).await;
        assert!(reply.is_sold());
        assert_eq!(told.lock().unwrap().pop(), rule);
    }
}

#[tokio::test]
async fn s73_a_store_that_fails_is_no_refusal() {
    let store = FaultyStore::new(MemoryStore::default());
    let sessions = SessionLayer::new(StoredFactory::new("shop", store.clone()));
    let app = routes().layer(CsrfLayer::new()).layer(sessions);
    let cookie = ask(&app, get_page("/token")).await.cookie().unwrap();
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    let reply = ask(&app, with(post("/buy"), "cookie", &cookie)).await;
    assert_eq!((reply.status(), reply.rule(), reply.is_sold()), (503, None, false));
}

#[tokio::test]
async fn s58_an_exemption_is_of_a_route_and_not_of_a_text() {
    let shop = Shop::new(CsrfLayer::new().exempt("/hooks/{provider}"));
    let (cookie, _) = shop.enter().await;
    let send = async |path: &str| shop.send(with(post(path), "cookie", &cookie)).await;
    assert_eq!(send("/hooks/github").await.text(), "sold");
    assert_eq!(send("/buy").await.status(), 400);
    // A path that says it: the route is another one.
    assert_eq!(send("/buy/%2fhooks%2fgithub").await.status(), 400);
    for path in
        ["//hooks/github", "/hooks/github/", "/Hooks/github", "/hooks;a/github", "/hooks/a/b"]
    {
        assert_eq!(send(path).await.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn s58_an_exemption_holds_in_a_nested_router_by_its_whole_route() {
    let hooks = || Router::new().route("/{provider}", any(async || "hook"));
    let begin = get(async |session: Session| session.csrf_token().map(|_| ""));
    let guard = || CsrfLayer::new().exempt("/hooks/{provider}");
    let outside = Router::new().nest("/hooks", hooks()).layer(guard());
    let inside = Router::new().nest("/hooks", hooks().layer(guard()));
    let elsewhere = Router::new().nest("/other", hooks().layer(guard()));
    for (routes, path, status) in [
        (outside, "/hooks/github", 200),
        (inside, "/hooks/github", 200),
        (elsewhere, "/other/github", 400),
    ] {
        let sessions = SessionLayer::new(StoredFactory::new("shop", MemoryStore::default()));
        let app = routes.route("/begin", begin.clone()).layer(sessions);
        let cookie = ask(&app, get_page("/begin")).await.cookie().unwrap();
        assert_eq!(ask(&app, with(post(path), "cookie", &cookie)).await.status(), status, "{path}");
    }
}

#[tokio::test]
async fn r79_own_names_and_conditions_are_taken() {
    let lookup = Lookup::default().header("x-proof").unwrap().field("proof");
    let is_browser = |head: &http::request::Parts| !head.headers.contains_key("authorization");
    let shop = Shop::new(CsrfLayer::new().lookup(lookup).only_if(is_browser));
    let (cookie, token) = shop.enter().await;
    for (request, is_sold) in [
        (post_form("/buy", &format!("proof={token}")), true),
        (post_form("/buy", &format!("csrf_token={token}")), false),
        (with(post("/buy"), "x-proof", &token), true),
        (with(post("/buy"), "x-csrf-token", &token), false),
        (with(post("/buy"), "authorization", "Bearer abc"), true),
    ] {
        assert_eq!(shop.send(with(request, "cookie", &cookie)).await.is_sold(), is_sold);
    }
    assert!(Lookup::default().header("no header").is_err());
}

#[tokio::test]
async fn s46_weaker_settings_have_to_be_asked_for_by_name() {
    let foreign = |origin: &str, site: &str| {
        with(with(post("/buy"), "origin", origin), "sec-fetch-site", site)
    };
    for (layer, request) in [
        (
            CsrfLayer::new().insecure_allow_same_site(),
            foreign("https://b.shop.example", "same-site"),
        ),
        (CsrfLayer::new().insecure_trust_null_origin(), foreign("null", "cross-site")),
        (
            CsrfLayer::new().insecure_skip_origin_check(),
            foreign("https://evil.example", "cross-site"),
        ),
        (
            CsrfLayer::new().trust_subdomains("https://shop.example").unwrap(),
            foreign("https://b.shop.example", "same-site"),
        ),
    ] {
        let shop = Shop::new(layer);
        let (cookie, token) = shop.enter().await;
        let (head, body) = request.into_parts();
        let copy = || Request::from_parts(head.clone(), Body::empty());
        let without = shop.send(with(copy(), "cookie", &cookie)).await;
        assert_eq!(without.rule(), Some("token_missing"), "the token is needed all the same");
        let request = with(with(copy(), "cookie", &cookie), "x-csrf-token", &token);
        assert!(shop.send(request).await.is_sold());
        let (cookie, token) = {
            let strict = Shop::new(CsrfLayer::new());
            let (cookie, token) = strict.enter().await;
            let request = with(with(copy(), "cookie", &cookie), "x-csrf-token", &token);
            assert_eq!(strict.send(request).await.status(), 403, "and refused by default");
            (cookie, token)
        };
        drop((cookie, token, body));
    }
}

#[tokio::test]
async fn an_error_page_of_one_s_own_is_shown() {
    use axum::response::{IntoResponse, Response};
    let page =
        |error: &Error| -> Response { (error.status(), format!("<h1>{error}")).into_response() };
    let app = routes()
        .layer(CsrfLayer::new().on_error(page))
        .layer(SessionLayer::new(StoredFactory::new("shop", MemoryStore::default())));
    let reply = ask(&app, with(post("/buy"), "sec-fetch-site", "cross-site")).await;
    assert_eq!(reply.status(), 403);
    assert!(reply.body.starts_with(b"<h1>the request was refused: it was sent from another site"));
    assert_eq!(reply.rule(), Some("fetch_site"), "and the reason is in its extensions");
}

#[tokio::test]
async fn without_a_session_layer_a_visitor_with_cookies_is_told_what_is_missing() {
    let app = routes().layer(CsrfLayer::new());
    let reply = ask(&app, with(post("/buy"), "cookie", "theme=dark")).await;
    assert_eq!(reply.status(), 500);
    assert_eq!(reply.body, Error::NoLayer.for_visitors().as_bytes());
}

#[tokio::test]
async fn it_stands_beside_the_guard_of_tower_http() {
    let other = tower_http::csrf::CsrfLayer::new();
    let app = Router::new()
        .route("/buy", post_route())
        .route(
            "/token",
            get(async |session: Session| session.csrf_token().map(|it| it.to_string())),
        )
        .layer(CsrfLayer::new().trust_browser_headers())
        .layer(other)
        .layer(SessionLayer::new(StoredFactory::new("shop", MemoryStore::default())));
    let reply = ask(&app, get_page("/token")).await;
    let (cookie, token) = (reply.cookie().unwrap(), reply.text());
    for (headers, status) in [
        (&[("sec-fetch-site", "same-origin")][..], 200),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("x-csrf-token", token.as_str())], 200),
        // Nothing says where it comes from: that the other one lets through, and this one asks for the token.
        (&[], 400),
    ] {
        let request = headers.iter().fold(post("/buy"), |it, (name, value)| with(it, name, value));
        assert_eq!(
            ask(&app, with(request, "cookie", &cookie)).await.status(),
            status,
            "{headers:?}"
        );
    }
}

/// A service that may be called only after it said that it is ready, as those are that count what they can take.
struct Counted {
    is_ready: bool,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self { is_ready: false }
    }
}

impl<Q> tower::Service<Q> for Counted {
    type Response = http::Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.is_ready = true;
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Q) -> Self::Future {
        assert!(self.is_ready, "called without having been asked");
        std::future::ready(Ok(http::Response::new(String::new())))
    }
}

#[tokio::test]
async fn the_service_that_said_it_is_ready_is_the_one_that_is_called() {
    use tower::{Layer, ServiceExt};
    let guard = CsrfLayer::new().layer(Counted { is_ready: false });
    for request in [get_page("/"), post("/")] {
        assert_eq!(guard.clone().oneshot(request).await.unwrap().status(), 200);
    }
}

fn post_route() -> axum::routing::MethodRouter {
    axum::routing::post(async || "sold")
}
