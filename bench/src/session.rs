//! What the measured sessions hold, what is done with them, and the requests and answers around them.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use tower::service_fn;

use crate::measure::{self, ask};

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

/// What a session holds: a number, and so many texts of such a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub texts: usize,
    pub length: usize,
}

/// The key of the number.
pub const NUMBER: &str = "n";

impl Size {
    /// Two keys.
    pub const SMALL: Self = Self { texts: 1, length: 4 };
    /// Ten keys, 1 KB.
    pub const KB_1: Self = Self { texts: 9, length: 100 };
    /// Ten keys, 2.2 KB.
    pub const KB_2: Self = Self { texts: 9, length: 230 };
    /// Ten keys, 3.5 KB.
    pub const KB_3: Self = Self { texts: 9, length: 370 };

    /// The texts beside the number.
    #[must_use]
    pub fn texts(self) -> Vec<(String, String)> {
        (0..self.texts).map(|at| (format!("text-{at}"), "x".repeat(self.length))).collect()
    }
}

/// A number that was not there before.
pub fn next_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(1_000_000);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// `name=value` of the cookies in a response's headers.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn cookie(headers: &HeaderMap) -> HeaderValue {
    let cookies = headers.get_all("set-cookie").iter();
    let pairs: Vec<&str> = cookies
        .map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair"))
        .collect();
    assert!(!pairs.is_empty(), "no cookie");
    pairs.join("; ").parse().expect("a header's value")
}

/// A request with this cookie.
#[must_use]
pub fn request(cookie: Option<&HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::new());
    // A server puts something into the extensions of each request, so that there is a table for them.
    request.extensions_mut().insert(FromServer);
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.clone());
    }
    request
}

/// A handler's answer. Any that has a body says what that is, so that there is a table of headers.
#[must_use]
pub fn answer() -> Response<Answer> {
    let mut response = Response::new(Answer::default());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// The same request where there is no session.
#[must_use]
pub fn bare(with_cookie: bool) -> measure::Request {
    let mut service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(answer()));
    let cookie = with_cookie.then(|| HeaderValue::from_static("session=anything"));
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

#[derive(Clone)]
struct FromServer;

/// The body of the measured requests, which have none.
pub type Body = http_body_util::Empty<bytes::Bytes>;
/// The body of the answers.
pub type Answer = http_body_util::Full<bytes::Bytes>;
