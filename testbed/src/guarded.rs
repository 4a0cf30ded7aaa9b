//! What the routes under `/csrf` answer, and the guard that the options put before some of them. No framework in here.

use cloakroom::{ConfigError, CsrfLayer, Error, Session};
use serde_json::json;

use crate::answer::{Answer, Outcome};
use crate::operation;
use crate::options::{CsrfOptions, Guarding};
use crate::setup::Setup;

/// The guard, unless there is to be none.
pub(crate) fn layer(
    options: &CsrfOptions,
    setup: &Setup,
) -> Result<Option<CsrfLayer>, ConfigError> {
    let layer = options.origins.iter().try_fold(CsrfLayer::new(), |layer, url| layer.site(url))?;
    let layer = match options.guarding {
        Guarding::Off => return Ok(None),
        Guarding::Token => layer.insecure_skip_origin_check(),
        Guarding::Origin => layer.trust_browser_headers(),
        Guarding::All => layer,
    };
    let stats = setup.stats.clone();
    let count =
        move |refused: &_| stats.count_forged(cloakroom::csrf::CsrfError::rule(refused).as_str());
    Ok(Some(layer.exempt("/csrf/exempt/{hook}").on_refused(count)))
}

/// A page whose form goes to `/csrf/guarded`, here or at a neighbour that shares the session.
pub(crate) fn form(session: &Session) -> Outcome {
    let token = session.csrf_token()?;
    // Plain, because Pyramid knows nothing of masks.
    let field = format!(r#"<input type="hidden" name="csrf_token" value="{}">"#, token.plain());
    Ok(Answer::html(format!(r#"<form method="post" action="/csrf/guarded">{field}</form>"#)))
}

pub(crate) fn valid(checked: Result<(), Error>) -> Outcome {
    checked?;
    Answer::json(&json!({"valid": true}))
}

pub(crate) fn matched() -> Outcome {
    Answer::json(&json!({"matched": true}))
}

/// What came past the guard.
pub(crate) fn echo(setup: &Setup, content_type: Option<&str>, body: &[u8]) -> Outcome {
    setup.stats.count_step();
    let body = operation::text(body)?;
    Answer::json(&json!({"body": body, "content_type": content_type}))
}

/// What is no handshake of a socket.
pub(crate) fn no_handshake() -> Answer {
    Answer::bad_request("this is for sockets")
}
