//! The routes under `/csrf` that a guard stands before, in each of its forms.

use ::axum::extract::{Request, WebSocketUpgrade};
use ::axum::http::header::CONTENT_TYPE;
use ::axum::response::Response;
use ::axum::routing::{get, post};
use ::axum::{Extension, Router};
use cloakroom::csrf::{self, Lookup};
use cloakroom::{ConfigError, CsrfLayer, Error, Session};
use http::HeaderMap;
use serde_json::json;

use super::respond;
use crate::answer::{Answer, Outcome};
use crate::options::{CsrfOptions, Guarding};
use crate::setup::Setup;

/// The routes, guarded as the options say.
pub(super) fn routes(options: &CsrfOptions, setup: &Setup) -> Result<Router, ConfigError> {
    let unguarded = Router::new()
        .route("/csrf/form", get(form))
        .route("/csrf/check", get(check).post(check))
        .route("/csrf/check-chapter", get(check_chapter).post(check_chapter))
        .route("/csrf/predicate", post(matched).layer(CsrfLayer::predicate()));
    let echoing = Router::new()
        .route("/csrf/guarded", get(echo).post(echo).put(echo).delete(echo))
        .route("/csrf/guarded/{item}", post(echo))
        .route("/csrf/exempt/{hook}", post(echo))
        .route("/csrf/socket", get(socket));
    let layer = options.origins.iter().try_fold(CsrfLayer::new(), |layer, url| layer.site(url))?;
    let layer = match options.guarding {
        Guarding::Off => return Ok(unguarded.merge(echoing)),
        Guarding::Token => layer.insecure_skip_origin_check(),
        Guarding::Origin => layer.trust_browser_headers(),
        Guarding::All => layer,
    };
    let stats = setup.stats.clone();
    let layer = layer
        .exempt("/csrf/exempt/{hook}")
        .on_refused(move |refused| stats.count_forged(refused.rule().as_str()))
        .on_error(|error: &Error| respond(Err(error.into())));
    Ok(unguarded.merge(echoing.layer(layer)))
}

/// A page whose form goes to `/csrf/guarded`, here or at a neighbour that shares the session.
async fn form(session: Session) -> Response {
    respond(session.csrf_token().map_err(Answer::from).map(|token| {
        // Plain, because Pyramid knows nothing of masks.
        let field = format!(r#"<input type="hidden" name="csrf_token" value="{}">"#, token.plain());
        Answer::html(format!(r#"<form method="post" action="/csrf/guarded">{field}</form>"#))
    }))
}

async fn check(request: Request) -> Response {
    let (_, checked) = csrf::check_request(request, &Lookup::default()).await;
    respond(valid(checked))
}

async fn check_chapter(request: Request) -> Response {
    let (_, checked) = csrf::check_request(request, &Lookup::parameter_then_header()).await;
    respond(valid(checked))
}

fn valid(checked: Result<(), Error>) -> Outcome {
    checked?;
    Answer::json(&json!({"valid": true}))
}

async fn matched() -> Response {
    respond(Answer::json(&json!({"matched": true})))
}

async fn echo(setup: Extension<Setup>, headers: HeaderMap, body: String) -> Response {
    setup.stats.count_step();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    respond(Answer::json(&json!({
        "body": body,
        "content_type": content_type,
    })))
}

async fn socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(|socket| async { drop(socket) })
}
