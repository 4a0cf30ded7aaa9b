//! A handler that is there only for requests with a token.

use axum::Router;
use axum::handler::{Handler, HandlerWithoutStateExt};
use axum::routing::{any, get, post};
use cloakroom::csrf::{CsrfPredicate, Lookup};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{CsrfLayer, Session, SessionLayer, StoredFactory};

use crate::shop::{Reply, ask, get_page, post_form, with};

async fn delete() -> &'static str {
    "deleted"
}

async fn confirm(body: String) -> String {
    format!("asked again after {body}")
}

async fn token(session: Session) -> String {
    session.csrf_token().unwrap().to_string()
}

fn app() -> Router {
    let chapter = CsrfPredicate::new().lookup(Lookup::parameter_then_header());
    Router::new()
        .route("/token", get(token))
        .route("/router", post(delete).layer(CsrfLayer::predicate()))
        .route("/handler", post(delete.layer(CsrfLayer::predicate().or(confirm.into_service()))))
        .route("/chapter", any(delete).layer(chapter))
}

async fn visit(app: &Router) -> (String, String) {
    let reply = ask(app, get_page("/token")).await;
    (reply.cookie().unwrap(), reply.text())
}

fn in_memory() -> Router {
    app().layer(SessionLayer::new(StoredFactory::new("shop", MemoryStore::default())))
}

#[tokio::test]
async fn r49_r50_a_miss_goes_to_another_handler_or_is_a_404() {
    let app = in_memory();
    let (cookie, token) = visit(&app).await;
    let send = async |path: &str, form: &str| -> Reply {
        ask(&app, with(post_form(path, form), "cookie", &cookie)).await
    };
    let good = format!("item=1&csrf_token={token}");
    assert_eq!(send("/router", &good).await.text(), "deleted");
    assert_eq!(send("/router", "item=1").await.status(), 404);
    assert_eq!(send("/router", "csrf_token=junk").await.status(), 404);
    assert_eq!(send("/handler", &good).await.text(), "deleted");
    assert_eq!(send("/handler", "item=1").await.text(), "asked again after item=1");
}

#[tokio::test]
async fn r51_it_holds_for_whatever_methods_the_handler_serves() {
    let app = in_memory();
    let (cookie, token) = visit(&app).await;
    let ask_for = async |path: &str| ask(&app, with(get_page(path), "cookie", &cookie)).await;
    assert_eq!(ask_for(&format!("/chapter?csrf_token={token}")).await.text(), "deleted");
    assert_eq!(ask_for("/chapter").await.status(), 404);
}

#[tokio::test]
async fn s73_a_store_that_fails_is_no_miss() {
    let store = FaultyStore::new(MemoryStore::default());
    let app = app().layer(SessionLayer::new(StoredFactory::new("shop", store.clone())));
    let (cookie, token) = visit(&app).await;
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    for path in ["/router", "/handler"] {
        let form = post_form(path, &format!("csrf_token={token}"));
        assert_eq!(ask(&app, with(form, "cookie", &cookie)).await.status(), 503, "{path}");
    }
    let calls = store.all_calls();
    let without = with(post_form("/router", ""), "content-type", "text/plain");
    assert_eq!(ask(&app, with(without, "cookie", &cookie)).await.status(), 404);
    assert_eq!(store.all_calls(), calls, "nobody had to ask the store");
}
