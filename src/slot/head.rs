//! What a session adds to the head of a response, whatever the framework calls a response.

use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::cookie::SetCookies;
use crate::session::Gone;

/// A framework's response, as far as sessions touch it.
pub(crate) trait Outgoing {
    fn status(&self) -> StatusCode;
    fn has(&self, name: &HeaderName) -> bool;
    /// The fields of this name, those that are text.
    fn fields(&self, name: &HeaderName) -> impl Iterator<Item = &str>;
    fn append(&mut self, name: HeaderName, value: HeaderValue);
    fn replace(&mut self, name: HeaderName, value: HeaderValue);
    /// Puts this into its extensions.
    fn mark(&mut self, mark: impl Clone + Send + Sync + 'static);
}

#[cfg(feature = "tower")]
impl<B> Outgoing for http::Response<B> {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers().contains_key(name)
    }

    fn fields(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.headers().get_all(name).into_iter().filter_map(|field| field.to_str().ok())
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers_mut().append(name, value);
    }

    fn replace(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers_mut().insert(name, value);
    }

    fn mark(&mut self, mark: impl Clone + Send + Sync + 'static) {
        self.extensions_mut().insert(mark);
    }
}

/// What the session adds to the response's head.
pub(crate) struct Head {
    cookies: SetCookies,
    /// The response may depend on the cookie.
    seen: bool,
    /// A CSRF token may stand in the response.
    has_token: bool,
    /// Another request had ended the session.
    is_gone: bool,
}

impl Head {
    pub(crate) const fn new(cookies: SetCookies, seen: bool, has_token: bool) -> Self {
        Self { cookies, seen, has_token, is_gone: false }
    }

    pub(super) fn of_gone(self, is_gone: bool) -> Self {
        Self { is_gone, ..self }
    }

    /// For the response that replaces one whose session could not be kept: no cookie, and not to be stored.
    pub(crate) fn refuse(response: &mut impl Outgoing) {
        vary_by_cookie(response);
        forbid_storing(response);
    }

    /// The same with cookies that have taken effect already.
    pub(crate) fn refuse_with(cookies: SetCookies, response: &mut impl Outgoing) {
        Self::refuse(response);
        for cookie in cookies {
            response.append(SET_COOKIE, cookie.into_header());
        }
    }

    /// Sets the cookies, and keeps caches from giving one visitor's page, cookie or token to another (S88).
    pub(crate) fn apply(self, response: &mut impl Outgoing) {
        if self.is_gone {
            response.mark(Gone);
        }
        if self.seen || !self.cookies.is_empty() {
            vary_by_cookie(response);
        }
        if self.has_token || !self.cookies.is_empty() {
            forbid_storing(response);
        }
        for cookie in self.cookies {
            response.append(SET_COOKIE, cookie.into_header());
        }
    }
}

fn vary_by_cookie(response: &mut impl Outgoing) {
    if !has_word(response.fields(&VARY), &["*", "cookie"]) {
        response.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Unless the handler has itself kept shared caches from storing the response.
fn forbid_storing(response: &mut impl Outgoing) {
    if !has_word(response.fields(&CACHE_CONTROL), &["private", "no-store"]) {
        response.replace(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Whether a comma-separated header has one of these members.
pub(super) fn has_word<'a>(fields: impl Iterator<Item = &'a str>, words: &[&str]) -> bool {
    let members = fields.flat_map(|field| field.split(','));
    // A member may have parameters: `prefetch;prerender`.
    let mut members = members.filter_map(|member| member.split(';').next());
    members.any(|member| words.iter().any(|word| member.trim().eq_ignore_ascii_case(word)))
}
