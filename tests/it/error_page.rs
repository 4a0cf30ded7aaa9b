//! What a visitor reads where no page of the application's own is made of an error, on axum and bare tower; actix-web's
//! part is in `tests/actix/`.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use cloakroom::testing::errors;
use cloakroom::{CsrfLayer, Error, Session, SessionLayer};
use http::header::{CONTENT_TYPE, COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};

use crate::failing::Failing;
use crate::log::Log;

/// The page of this error has its status and the sentence for visitors, and the log says all of it, once.
async fn check(app: Router, request: Request<Body>, error: &(StatusCode, String, &str)) {
    let log = Log::default();
    let guard = log.listen();
    let (head, body) = app.oneshot(request).await.unwrap().into_parts();
    drop(guard);
    let body = body.collect().await.unwrap().to_bytes();
    let (status, text, page) = error;
    assert_eq!((head.status, &*body), (*status, page.as_bytes()), "{text}");
    assert_eq!(head.headers[CONTENT_TYPE], "text/plain; charset=utf-8");
    let said = log.take();
    assert!(said.len() == 1 && said[0].contains(text), "{text}: {said:?}");
}

fn facts(error: &Error) -> (StatusCode, String, &'static str) {
    (error.status(), error.to_string(), error.for_visitors())
}

fn from_elsewhere(method: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri("/").header(COOKIE, "a=1");
    request.header("x-csrf-token", "x").body(Body::empty()).unwrap()
}

#[test]
fn s90_no_page_names_a_key_a_type_or_a_part_of_the_program() {
    let secrets = [
        "session",
        "cookie",
        "csrf",
        "token",
        "json",
        "type",
        "key",
        "store",
        "factory",
        "layer",
        "rule",
        "server",
        "cart",
        "shop",
        "hunter2",
        "postgres",
        "error",
        "request",
        "random",
        "route",
        "limit",
        "cloakroom",
        "`",
        "\"",
        "{",
        "_",
        "::",
    ];
    for error in errors() {
        let page = error.for_visitors();
        let lower = page.to_ascii_lowercase();
        assert!(!secrets.iter().any(|word| lower.contains(word)), "{}: {page}", error.kind());
        assert!(!page.contains(|c: char| c.is_ascii_digit()), "{page}");
        assert!(page.ends_with('.') && page.contains("try"), "what can a visitor do? {page}");
    }
}

#[test]
fn s90_every_kind_of_error_is_among_those_that_the_tests_look_at() {
    let kinds: HashSet<_> = errors().iter().map(Error::kind).collect();
    assert_eq!(kinds.len(), 19, "{kinds:?}");
    let refused = errors().iter().filter(|error| error.kind() == "csrf").count();
    assert_eq!((errors().len(), refused), (25, 7), "and every rule");
}

#[tokio::test]
async fn s90_a_handler_s_error_is_a_plain_sentence_and_stands_in_the_log() {
    for error in errors() {
        let facts = facts(&error);
        let error = Arc::new(Mutex::new(Some(error)));
        let fail = async move || Err::<(), Error>(error.lock().unwrap().take().unwrap());
        let request = Request::get("/").body(Body::empty()).unwrap();
        check(Router::new().route("/", get(fail)), request, &facts).await;
    }
}

#[tokio::test]
async fn s90_so_is_one_of_opening_or_keeping_a_session() {
    for (opening, keeping) in errors().into_iter().zip(errors()) {
        let facts = facts(&opening);
        let request = || Request::get("/").body(Body::empty()).unwrap();
        let handle = async |session: Session| drop(session.insert("a", 1));
        let app = |factory: Failing| {
            Router::new().route("/", get(handle)).layer(SessionLayer::new(factory))
        };
        let factory = Failing { open: Mutex::new(Some(opening)), ..Failing::default() };
        check(app(factory), request(), &facts).await;
        let factory = Failing { commit: Mutex::new(Some(keeping)), ..Failing::default() };
        check(app(factory), request(), &facts).await;
    }
}

#[tokio::test]
async fn s90_so_is_one_that_a_guard_or_a_predicate_cannot_go_on_after() {
    for (one, two) in errors().into_iter().zip(errors()) {
        if one.kind() == "csrf" {
            continue; // that is no failure of theirs
        }
        let facts = facts(&one);
        let failing = |error| Failing { open: Mutex::new(Some(error)), ..Failing::default() };
        let guarded = Router::new().route("/", post(async || "done")).layer(CsrfLayer::new());
        let app = guarded.layer(SessionLayer::new(failing(one)));
        check(app, from_elsewhere("POST"), &facts).await;
        let only = post(async || "done").layer(CsrfLayer::predicate());
        let app = Router::new().route("/", only).layer(SessionLayer::new(failing(two)));
        check(app, from_elsewhere("POST"), &facts).await;
    }
}

#[tokio::test]
async fn s90_a_refusal_is_a_plain_sentence_and_the_log_has_its_rule() {
    let log = Log::default();
    let guard = log.listen();
    let app = Router::new().route("/", post(async || "done")).layer(CsrfLayer::new());
    let mut request = from_elsewhere("POST");
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    let response = app.oneshot(request).await.unwrap();
    drop(guard);
    assert_eq!(response.status(), 403);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        body.starts_with(
            b"This was not done, because it seems to have been sent from another site."
        )
    );
    let said = log.take();
    assert!(said.len() == 1 && said[0].contains("fetch_site"), "{said:?}");
}

#[tokio::test]
async fn s90_on_bare_tower_too() {
    for error in errors() {
        let (status, _, page) = facts(&error);
        let factory = Failing { commit: Mutex::new(Some(error)), ..Failing::default() };
        let service = service_fn(async |request: Request<()>| {
            Session::of(&request).await.unwrap().changed().unwrap();
            Ok::<_, Infallible>(Response::new(String::from("done")))
        });
        let service = SessionLayer::new(factory).layer(service);
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert_eq!((response.status(), &**response.body()), (status, page));
    }
}
