//! What the cookie holds: anyone who has it can read it, as this page does.

use askama::Template;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cloakroom::cookie::{Candidates, CookieHeader};
use cloakroom::{Session, SignedCookieFactory};

use crate::error::AppError;
use crate::page::{Frame, show};

/// The signature comes first; SHA-512 makes 64 bytes of it.
const SIGNATURE_BYTES: usize = 64;

#[derive(Template)]
#[template(path = "cookie.html")]
struct Cookie {
    frame: Frame,
    text: Option<String>,
    decoded: Option<String>,
    limit: usize,
    created: i64,
    minutes_old: i64,
    minutes_left: u64,
}

pub(crate) async fn page(session: Session, headers: HeaderMap) -> Result<Response, AppError> {
    let frame = Frame::of("/cookie", &session).await?;
    let sent = match CookieHeader::new(&headers).named("session") {
        Candidates::One(text) => std::str::from_utf8(text).ok(),
        _ => None,
    };
    let created = session.created().as_secs();
    let now = cloakroom::time::Clock::now(&cloakroom::time::SystemClock).as_secs();
    let page = Cookie {
        frame,
        text: sent.map(str::to_owned),
        decoded: sent.and_then(decode),
        limit: SignedCookieFactory::MAX_VALUE,
        created,
        minutes_old: (now - created) / 60,
        minutes_left: session.expires_in().map_or(0, |left| left.as_secs() / 60),
    };
    Ok(show(&page)?)
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
