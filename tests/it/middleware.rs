//! Middleware of axum beside the session layer, the layer inside of itself and of others, and routes that may have none.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use cloakroom::cookie::{CookieHeader, CookieSettings, SetCookie};
use cloakroom::csrf::{Csrf, DoubleSubmit};
use cloakroom::factory::{Former, FormerSessions, MovingFactory};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{CsrfLayer, Error, Secret, Session, SessionLayer, StoredFactory};
use http::HeaderMap;
use http::header::{COOKIE, SET_COOKIE};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::site::builder;

fn named(name: &str) -> SessionLayer {
    SessionLayer::new(builder().cookie_name(name).build().unwrap())
}

async fn ask(app: &Router, path: &str, cookie: &str) -> (u16, HeaderMap, String) {
    let request = Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap();
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// The names of the cookies that are set.
fn names(headers: &HeaderMap) -> Vec<&str> {
    let cookies = headers.get_all(SET_COOKIE).into_iter().map(|value| value.to_str().unwrap());
    cookies.map(|cookie| cookie.split('=').next().unwrap()).collect()
}

/// Counts itself in its session, before the handler and after it.
async fn passes(request: Request, next: Next) -> Result<Response, Error> {
    let session = Session::of(&request).await?;
    session.modify("passed", |n: &mut u32| *n += 1)?;
    let response = next.run(request).await;
    session.modify("passed", |n: &mut u32| *n += 1)?;
    Ok(response)
}

async fn handler(session: Session) -> Result<(), Error> {
    session.modify("passed", |n: &mut u32| *n += 1)
}

async fn passed(session: Session) -> Result<String, Error> {
    Ok(format!("{:?}", session.get::<u32>("passed")?))
}

/// What visitors had before: nothing.
#[derive(Clone)]
struct NothingElsewhere;

impl FormerSessions for NothingElsewhere {
    type Id = ();

    async fn find(&self, _: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        Ok(None)
    }

    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        Err(Error::keeping("there is none"))
    }
}

#[tokio::test]
async fn r4_a_layer_inside_of_itself_has_one_session_and_one_cookie() {
    let stored = StoredFactory::builder("shop", MemoryStore::default());
    let stored = stored.cookie(CookieSettings::new("session")).build().unwrap();
    let moving = MovingFactory::new(stored.clone(), NothingElsewhere);
    let signed = named("session");
    // Next to each other, and with another's between them.
    for (outer, inner, between) in [
        (signed.clone(), signed.clone(), None),
        (signed.clone(), signed, Some(named("other"))),
        (SessionLayer::new(stored.clone()), SessionLayer::new(stored), None),
        (SessionLayer::new(moving.clone()), SessionLayer::new(moving), Some(named("other"))),
    ] {
        let mut app = Router::new().route("/", get(handler)).route("/passed", get(passed));
        app = app.layer(from_fn(passes)).layer(inner);
        if let Some(between) = between {
            app = app.layer(between);
        }
        let app = app.layer(from_fn(passes)).layer(outer);
        let (_, headers, _) = ask(&app, "/", "").await;
        assert_eq!(names(&headers), ["session"]);
        let cookie = headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
        // The middleware comes by once more on the way to the second handler.
        assert_eq!(ask(&app, "/passed", cookie).await.2, "Some(7)");
    }
}

#[tokio::test]
async fn r3_each_of_two_layers_serves_what_is_inside_of_it() {
    let app = Router::new()
        .route("/", get(handler))
        .route("/passed", get(passed))
        .layer(named("inner"))
        .layer(from_fn(passes))
        .layer(named("outer"));
    let (_, headers, _) = ask(&app, "/", "").await;
    assert_eq!(names(&headers), ["inner", "outer"], "the middleware keeps the session that it has");
    let cookies: Vec<&str> =
        headers.get_all(SET_COOKIE).into_iter().map(|it| it.to_str().unwrap()).collect();
    let first = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    let both = format!("{}; {}", first(cookies[0]), first(cookies[1]));
    assert_eq!(ask(&app, "/passed", &both).await.2, "Some(1)");
}

#[tokio::test]
async fn r23_a_layer_does_not_go_on_with_a_session_that_was_closed() {
    // A request that was answered is sent through the layer again with all that it had.
    let kept = Arc::new(Mutex::new(None));
    let service = service_fn(|request: http::Request<()>| {
        let kept = kept.clone();
        async move {
            Session::of(&request).await?.insert("k", 1)?;
            *kept.lock().unwrap() = Some(request);
            Ok::<_, Error>(http::Response::new(String::new()))
        }
    });
    let mut service = named("session").layer(service);
    for _ in 0..2 {
        let request = kept.lock().unwrap().take().unwrap_or_else(|| http::Request::new(()));
        let response = service.call(request).await.unwrap();
        assert_eq!(names(response.headers()), ["session"]);
    }
}

#[tokio::test]
async fn r11_middleware_of_axum_finds_session_and_token_of_its_request() {
    async fn with_parts(request: Request, next: Next) -> Result<Response, Error> {
        let session = Session::of_parts(request.extensions(), request.headers()).await?;
        session.modify("passed", |n: &mut u32| *n += 1)?;
        let csrf = Csrf::of_parts(request.extensions(), request.headers()).await?;
        csrf.token()?;
        Ok(next.run(request).await)
    }
    async fn with_token(mut request: Request, next: Next) -> Result<Response, Error> {
        let token = Csrf::of(&request).await?.token()?;
        request.extensions_mut().insert(token);
        Ok(next.run(request).await)
    }
    let sessions = SessionLayer::new(StoredFactory::new("shop", MemoryStore::default()));
    let app = Router::new()
        .route("/passed", get(passed))
        .layer(from_fn(with_token))
        .layer(from_fn(with_parts))
        .layer(from_fn(passes));
    assert_eq!(ask(&app.clone().layer(sessions), "/passed", "").await.2, "Some(2)");
    let (status, _, text) = ask(&app, "/passed", "").await;
    assert_eq!(status, 500);
    assert!(text.contains("Something went wrong"), "{text}");
}

#[tokio::test]
async fn r2_a_session_that_may_be_missing_is_none_without_a_layer_and_an_error_if_it_fails() {
    async fn optional(session: Option<Session>, csrf: Option<Csrf>) -> String {
        format!("{} {}", session.is_some(), csrf.is_some())
    }
    async fn result(session: Result<Session, Error>, csrf: Result<Csrf, Error>) -> String {
        format!("{:?} {:?}", session.err().map(|it| it.kind()), csrf.err().map(|it| it.kind()))
    }
    let app = Router::new().route("/optional", get(optional)).route("/result", get(result));
    assert_eq!(ask(&app, "/optional", "").await.2, "false false");
    assert_eq!(ask(&app, "/result", "").await.2, r#"Some("no_layer") Some("no_layer")"#);
    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::new(StoredFactory::new("shop", store.clone()));
    let behind = app.clone().layer(layer);
    assert_eq!(ask(&behind, "/optional", "").await.2, "true true");
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    let cookie = format!("__Host-Http-session={}", "A".repeat(64));
    assert_eq!(ask(&behind, "/optional", &cookie).await.0, 503);
    assert_eq!(ask(&behind, "/result", &cookie).await.2, r#"Some("store") Some("store")"#);
    let keeper = DoubleSubmit::new(Secret::generate().unwrap()).unwrap();
    let without = app.layer(CsrfLayer::new().without_sessions(keeper));
    assert_eq!(ask(&without, "/optional", "").await.2, "false true");
}
