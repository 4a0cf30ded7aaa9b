//! Making a `Set-Cookie`. The attributes are text that was put together once; a value only goes between.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;

use super::settings::MAX_AGE_LIMIT;

use crate::error::TooLarge;
use crate::{ConfigError, Error};

/// The most bytes that browsers keep of a cookie's name and value together (RFC 6265bis, S10).
pub const MAX_COOKIE_BYTES: usize = 4096;

/// Writes one cookie, with attributes that were checked when it was [built](super::CookieSettings::build).
#[derive(Debug, Clone)]
pub struct CookieWriter {
    name: String,
    /// `; Domain=…`, or nothing.
    domain: String,
    /// What follows it, in a cookie as the settings want it.
    kept: String,
    /// The same without `Max-Age`.
    session: String,
}

impl CookieWriter {
    /// The attributes in the order in which they are sent, each with its `; `.
    pub(super) fn new(name: String, domain: String, max_age: &str, rest: String) -> Self {
        Self { name, domain, kept: format!("{max_age}{rest}"), session: rest }
    }

    /// A cookie with the safest attributes, for a name that is known to be right.
    pub(crate) fn host_only(name: &'static str) -> Self {
        let rest = "; Path=/; Secure; HttpOnly; SameSite=Lax";
        Self::new(name.into(), String::new(), "", rest.into())
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
        self.check(value)?;
        self.line(value, "", &self.kept)
    }

    /// The cookie with this value, which the browser keeps for this long, in whole seconds, rounded up, and 400 days at
    /// most, whatever the settings say.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_for(&self, value: &str, max_age: Duration) -> Result<SetCookie, Error> {
        self.check(value)?;
        let max_age = max_age.min(MAX_AGE_LIMIT);
        // Rounded down, the last second of a session would remove its cookie.
        let seconds = max_age.as_secs() + u64::from(max_age.subsec_nanos() > 0);
        self.line(value, &format!("; Max-Age={seconds}"), &self.session)
    }

    /// What makes the browser forget the cookie. Name, path and domain are repeated, so that it is the same one (S14).
    ///
    /// # Errors
    /// None in practice: everything in it was checked when it was built.
    pub fn remove(&self) -> Result<SetCookie, Error> {
        self.line("", "; Max-Age=0", &self.session)
    }

    /// Whether the name leaves room for a value of so many bytes.
    pub(crate) fn check_room(&self, bytes: usize) -> Result<(), ConfigError> {
        if self.name.len() + bytes <= MAX_COOKIE_BYTES {
            return Ok(());
        }
        let reason = "is so long that no value fits beside it: browsers keep 4096 bytes of both";
        Err(ConfigError::CookieName { name: self.name.clone(), reason })
    }

    fn check(&self, value: &str) -> Result<(), Error> {
        let bytes = self.name.len() + value.len();
        if bytes > MAX_COOKIE_BYTES {
            let largest = Vec::new();
            return Err(TooLarge { bytes, limit: MAX_COOKIE_BYTES, largest }.into());
        }
        // Without a branch for each byte, so that many are looked at at once: a tenth of what writing 1 KB costs.
        let carried = |byte: u8| {
            (b'!'..=b'~').contains(&byte)
                & (byte != b'"')
                & (byte != b',')
                & (byte != b';')
                & (byte != b'\\')
        };
        if !value.bytes().fold(true, |all, byte| all & carried(byte)) {
            return Err(Error::keeping("the cookie's value holds a character that needs encoding"));
        }
        Ok(())
    }

    fn line(&self, value: &str, max_age: &str, rest: &str) -> Result<SetCookie, Error> {
        let parts = [&self.name, "=", value, &self.domain, max_age, rest];
        let line = parts.concat();
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

    /// What a browser knows it by: name, domain and path.
    fn identity(&self) -> (&str, String, &str) {
        let name = self.as_str().split('=').next().unwrap_or_default();
        let domain = self.attribute("Domain").unwrap_or_default().to_ascii_lowercase();
        let domain = domain.strip_prefix('.').map(str::to_owned).unwrap_or(domain);
        (name, domain, self.attribute("Path").unwrap_or_default())
    }

    fn is_removal(&self) -> bool {
        self.attribute("Max-Age") == Some("0")
    }

    /// In the spelling of [`CookieWriter`], which made it.
    fn attribute(&self, name: &str) -> Option<&str> {
        let mut attributes = self.as_str().split("; ").skip(1);
        attributes.find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix('='))
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
pub struct SetCookies {
    first: Option<SetCookie>,
    /// Apart, because one is usually all, and takes no memory of its own so.
    more: Vec<SetCookie>,
}

impl SetCookies {
    /// The client's cookie stays as it is.
    #[must_use]
    pub const fn none() -> Self {
        Self { first: None, more: Vec::new() }
    }

    /// This cookie goes out.
    #[must_use]
    pub const fn one(cookie: SetCookie) -> Self {
        Self { first: Some(cookie), more: Vec::new() }
    }

    /// This cookie goes out too. In place of one that is the same to a browser, by name, domain and path, if there is
    /// one; but a cookie that is set is not removed by the same response (S14).
    #[must_use]
    pub fn and(mut self, cookie: SetCookie) -> Self {
        let mut all = self.first.iter_mut().chain(&mut self.more);
        match all.find(|other| other.identity() == cookie.identity()) {
            Some(_) if cookie.is_removal() => {}
            Some(other) => *other = cookie,
            None => self.push(cookie),
        }
        self
    }

    fn push(&mut self, cookie: SetCookie) {
        match &self.first {
            None => self.first = Some(cookie),
            Some(_) => self.more.push(cookie),
        }
    }

    /// Whether nothing goes out.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl IntoIterator for SetCookies {
    type Item = SetCookie;
    type IntoIter =
        std::iter::Chain<std::option::IntoIter<SetCookie>, std::vec::IntoIter<SetCookie>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}
