//! What the measured sessions hold, and what is done with them.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a handler does with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Nothing.
    Leave,
    /// Reads one number.
    Read,
    /// Sets one number to what it never was.
    Write,
}

/// How much a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A number and a short text.
    Small,
    /// A number and nine texts, 1 KB in all.
    Kilobyte,
}

/// The key of the number.
pub const NUMBER: &str = "n";

impl Size {
    /// The texts beside the number.
    #[must_use]
    pub fn texts(self) -> Vec<(String, String)> {
        match self {
            Self::Small => vec![("theme".into(), "dark".into())],
            Self::Kilobyte => (0..9).map(|at| (format!("text-{at}"), "x".repeat(100))).collect(),
        }
    }
}

/// A number that was not there before.
pub fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1_000_000);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// `name=value` of the session cookie in a response's headers.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn cookie(headers: &http::HeaderMap) -> http::HeaderValue {
    let cookie = headers.get("set-cookie").expect("a cookie").to_str().expect("text");
    let pair = cookie.split(';').next().expect("a pair");
    pair.parse().expect("a header's value")
}

/// A request with this cookie.
#[must_use]
pub fn request(cookie: Option<&http::HeaderValue>) -> http::Request<Body> {
    let mut request = http::Request::new(Body::new());
    // A server puts something into the extensions of each request, so that there is a table for them.
    request.extensions_mut().insert(FromServer);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(http::header::COOKIE, cookie.clone());
    }
    request
}

#[derive(Clone)]
struct FromServer;

/// The body of the measured requests, which have none.
pub type Body = http_body_util::Empty<bytes::Bytes>;
