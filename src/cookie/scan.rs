//! Finding a cookie in the request: one pass, no allocation, nothing decoded.
//!
//! Names are compared byte for byte. Only space and tab are trimmed; a quoted string, `$Version`, percent signs and
//! bytes that are not text have no meaning here (S11). A pair without `=` has no name and so is nobody's (S12). What
//! surrounds a value as a whole is no part of it: one pair of quotes is taken off, before values are compared (R56).

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};
use memchr::{memchr, memchr_iter};

/// The `Cookie` fields of a request. HTTP/2 may send several (S12).
#[derive(Debug, Clone, Copy)]
pub struct CookieHeader<'a> {
    headers: &'a HeaderMap,
}

/// What the request holds under one cookie name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates<'a> {
    /// No such cookie.
    None,
    /// One value, however often it was sent.
    One(&'a [u8]),
    /// Two different values, in the order in which they were sent.
    Two(&'a [u8], &'a [u8]),
    /// More than two different values: somebody is tossing cookies, none of them is to be looked at (S13).
    TooMany,
}

impl<'a> CookieHeader<'a> {
    /// What it is called.
    pub(crate) const NAME: HeaderName = COOKIE;

    /// Looks at these headers.
    #[must_use]
    pub const fn new(headers: &'a HeaderMap) -> Self {
        Self { headers }
    }

    /// Whether the request carries no cookie at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.headers.contains_key(Self::NAME)
    }

    /// The values of the cookie called `name`, without a pair of quotes around them, equal ones counted once.
    ///
    /// ```
    /// use cloakroom::cookie::{Candidates, CookieHeader};
    /// use http::{HeaderMap, HeaderValue, header::COOKIE};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert(COOKIE, HeaderValue::from_static("a=1; session=xyz; b=2"));
    /// assert_eq!(CookieHeader::new(&headers).named("session"), Candidates::One(b"xyz"));
    /// assert_eq!(CookieHeader::new(&headers).named("Session"), Candidates::None);
    /// ```
    #[must_use]
    pub fn named(&self, name: &str) -> Candidates<'a> {
        let mut found = Candidates::None;
        for value in self.headers.get_all(Self::NAME) {
            for value in values(value.as_bytes(), name.as_bytes()) {
                found = match found {
                    Candidates::None => Candidates::One(value),
                    Candidates::One(one) if one != value => Candidates::Two(one, value),
                    Candidates::Two(one, two) if one != value && two != value => {
                        return Candidates::TooMany;
                    }
                    other => other,
                };
            }
        }
        found
    }
}

/// The value of each pair in `header` whose name is `name`.
fn values<'a>(header: &'a [u8], name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let ends = memchr_iter(b';', header).chain(std::iter::once(header.len()));
    let mut start = 0;
    ends.filter_map(move |end| {
        let pair = trim(&header[start..end]);
        start = end + 1;
        let equals = memchr(b'=', pair)?;
        (&pair[..equals] == name).then(|| unquoted(&pair[equals + 1..]))
    })
}

/// Proxies and clients have been seen to add quotes. Inside of them nothing has a meaning.
pub(crate) fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value)
}

fn trim(mut pair: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = pair {
        pair = rest;
    }
    pair
}
