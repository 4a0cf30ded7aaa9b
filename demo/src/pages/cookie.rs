//! What the browser has: a signed cookie, which anyone who has it can read, or a ticket, which says nothing.

use askama::Template;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom::SignedCookieFactory;
use cloakroom::cookie::{Candidates, CookieHeader};
use cloakroom::time::{Clock, SystemClock};

use crate::error::AppError;
use crate::page::{Frame, Visit, roughly, show};

/// The signature comes first; SHA-512 makes 64 bytes of it.
const SIGNATURE_BYTES: usize = 64;

#[derive(Template)]
#[template(path = "cookie.html")]
struct Signed {
    frame: Frame,
    text: Option<String>,
    decoded: Option<String>,
    limit: usize,
    lifetime: Lifetime,
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct Ticket {
    frame: Frame,
    text: Option<String>,
    /// What names the session on the server, once it is kept there.
    id: Option<String>,
    keys: Vec<String>,
    is_remembered: bool,
    lifetime: Lifetime,
}

struct Lifetime {
    began: String,
    left: String,
}

pub(crate) async fn page(visit: Visit, headers: HeaderMap) -> Result<Response, AppError> {
    let frame = Frame::of("/cookie", &visit).await?;
    let session = &visit.session;
    let text = sent(&headers);
    let lifetime = Lifetime {
        began: roughly(SystemClock.now().since(session.created())),
        left: roughly(session.expires_in().unwrap_or_default()),
    };
    if visit.site.is_stored() {
        let is_remembered = session.limits().is_some_and(|limits| limits.persistent);
        let (id, keys) = (session.id(), session.keys());
        return Ok(show(&Ticket { frame, text, id, keys, is_remembered, lifetime })?);
    }
    let decoded = text.as_deref().and_then(decode);
    Ok(show(&Signed { frame, text, decoded, limit: SignedCookieFactory::MAX_VALUE, lifetime })?)
}

/// The cookie's value.
fn sent(headers: &HeaderMap) -> Option<String> {
    match CookieHeader::new(headers).named("session") {
        Candidates::One(text) => std::str::from_utf8(text).ok().map(str::to_owned),
        _ => None,
    }
}

/// The JSON behind the signature, indented. No secret is needed for this.
fn decode(text: &str) -> Option<String> {
    let frame = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let json: serde_json::Value = serde_json::from_slice(frame.get(SIGNATURE_BYTES..)?).ok()?;
    serde_json::to_string_pretty(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_signature_is_shown() {
        let frame = [&[0; SIGNATURE_BYTES][..], b"[1, 1.0, {\"a\": 1}]"].concat();
        let decoded = decode(&BASE64_URL_SAFE_NO_PAD.encode(frame)).unwrap();
        assert!(decoded.contains("\"a\": 1"), "{decoded}");
        assert_eq!(decode("too short"), None);
    }
}
