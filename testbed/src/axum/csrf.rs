//! The routes under `/csrf` that a guard stands before, in each of its forms.

use ::axum::body::Bytes;
use ::axum::extract::ws::rejection::WebSocketUpgradeRejection;
use ::axum::extract::{Request, WebSocketUpgrade};
use ::axum::handler::Handler;
use ::axum::http::header::CONTENT_TYPE;
use ::axum::response::Response;
use ::axum::routing::{get, post};
use ::axum::{Extension, Router};
use cloakroom::csrf::{self, Lookup};
use cloakroom::{ConfigError, CsrfLayer, Error, Session};
use http::HeaderMap;

use super::{nowhere, respond};
use crate::guarded;
use crate::options::CsrfOptions;
use crate::setup::Setup;

/// The routes, guarded as the options say.
pub(super) fn routes(options: &CsrfOptions, setup: &Setup) -> Result<Router, ConfigError> {
    let predicate = CsrfLayer::predicate().or(nowhere.with_state(()));
    let unguarded = Router::new()
        .route("/csrf/form", get(form))
        .route("/csrf/check", get(check).post(check))
        .route("/csrf/check-chapter", get(check_chapter).post(check_chapter))
        .route("/csrf/predicate", post(matched).layer(predicate));
    let echoing = Router::new()
        .route("/csrf/guarded", get(echo).post(echo).put(echo).delete(echo))
        .route("/csrf/guarded/{item}", post(echo))
        .route("/csrf/exempt/{hook}", post(echo))
        .route("/csrf/socket", get(socket));
    let guarded = match guarded::layer(options, setup)? {
        None => echoing,
        Some(layer) => echoing.layer(layer.on_error(|error: &Error| respond(Err(error.into())))),
    };
    Ok(unguarded.merge(guarded))
}

async fn form(session: Session) -> Response {
    respond(guarded::form(&session))
}

async fn check(request: Request) -> Response {
    let (_, checked) = csrf::check_request(request, &Lookup::default()).await;
    respond(guarded::valid(checked))
}

async fn check_chapter(request: Request) -> Response {
    let (_, checked) = csrf::check_request(request, &Lookup::parameter_then_header()).await;
    respond(guarded::valid(checked))
}

async fn matched() -> Response {
    respond(guarded::matched())
}

async fn echo(setup: Extension<Setup>, headers: HeaderMap, body: Bytes) -> Response {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    respond(guarded::echo(&setup, content_type, &body))
}

async fn socket(upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>) -> Response {
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(|socket| async { drop(socket) }),
        Err(_) => respond(Err(guarded::no_handshake())),
    }
}
