//! Making a `Set-Cookie`. The attributes are text that was put together once; a value only goes between.

use std::fmt;

use http::HeaderValue;

use crate::Error;
use crate::error::TooLarge;

/// The most bytes that browsers keep of a cookie's name and value together (RFC 6265bis, S10).
pub const MAX_COOKIE_BYTES: usize = 4096;

/// Writes one cookie, with attributes that were checked when it was [built](super::CookieSettings::build).
#[derive(Debug, Clone)]
pub struct CookieWriter {
    name: String,
    kept: String,
    removed: String,
}

impl CookieWriter {
    /// `kept` and `removed` are the attributes of a cookie that stays and of one that goes, each with its `; `.
    pub(super) const fn new(name: String, kept: String, removed: String) -> Self {
        Self { name, kept, removed }
    }

    /// The cookie's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cookie with this value.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if name and value have more than [`MAX_COOKIE_BYTES`]; [`Error::Factory`] if the value
    /// holds a character that a cookie cannot carry unencoded (S18).
    pub fn set(&self, value: &str) -> Result<SetCookie, Error> {
        let bytes = self.name.len() + value.len();
        if bytes > MAX_COOKIE_BYTES {
            let largest = Vec::new();
            return Err(TooLarge { bytes, limit: MAX_COOKIE_BYTES, largest }.into());
        }
        let carried = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        if !value.bytes().all(carried) {
            return Err(Error::keeping("the cookie's value holds a character that needs encoding"));
        }
        self.line(value, &self.kept)
    }

    /// What makes the browser forget the cookie. Name, path and domain are repeated, so that it is the same one (S14).
    ///
    /// # Errors
    /// None in practice: everything in it was checked when it was built.
    pub fn remove(&self) -> Result<SetCookie, Error> {
        self.line("", &self.removed)
    }

    fn line(&self, value: &str, attributes: &str) -> Result<SetCookie, Error> {
        let mut line = String::with_capacity(self.name.len() + value.len() + attributes.len() + 1);
        for part in [&self.name, "=", value, attributes] {
            line.push_str(part);
        }
        HeaderValue::try_from(line).map(SetCookie).map_err(Error::keeping)
    }
}

/// One `Set-Cookie` header, as [`CookieWriter`] made it.
#[derive(Clone, PartialEq, Eq)]
pub struct SetCookie(HeaderValue);

impl SetCookie {
    /// The header's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Made from text in `CookieWriter::line`.
        self.0.to_str().unwrap_or_default()
    }

    /// The header.
    #[must_use]
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

impl fmt::Debug for SetCookie {
    /// Without the value: whoever has it has the session (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetCookie(..)")
    }
}

/// What a factory answers with when the session is kept: usually nothing or one cookie.
#[derive(Debug, Clone, Default)]
pub struct SetCookies(Vec<SetCookie>);

impl SetCookies {
    /// The client's cookie stays as it is.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// This cookie goes out.
    #[must_use]
    pub fn one(cookie: SetCookie) -> Self {
        Self(vec![cookie])
    }

    /// This cookie goes out too.
    #[must_use]
    pub fn and(mut self, cookie: SetCookie) -> Self {
        self.0.push(cookie);
        self
    }

    /// Whether nothing goes out.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for SetCookies {
    type Item = SetCookie;
    type IntoIter = std::vec::IntoIter<SetCookie>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
