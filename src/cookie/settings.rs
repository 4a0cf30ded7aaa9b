//! The name and the attributes of a cookie, checked for contradictions before the first request.

use std::time::Duration;

use super::write::CookieWriter;
use crate::ConfigError;

/// When browsers send a cookie along with requests that other sites cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// Only with requests from the same site.
    Strict,
    /// Also when a visitor follows a link here from another site. The default.
    #[default]
    Lax,
    /// With every request; the browser demands `Secure` for this.
    None,
}

/// Browsers forget a cookie after 400 days, whatever it says (RFC 6265bis).
pub(super) const MAX_AGE_LIMIT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Browsers ignore an attribute whose value has more bytes (RFC 6265bis).
const LONGEST_ATTRIBUTE: usize = 1024;

/// How a session's cookie is called and which attributes it has.
///
/// The default attributes are `Path=/; Secure; HttpOnly; SameSite=Lax`. `SameSite` is always sent, because
/// browsers treat a cookie without it more loosely for its first two minutes (S16).
///
/// ```
/// use cloakroom::cookie::CookieSettings;
///
/// let cookie = CookieSettings::new("__Host-session").build()?;
/// assert_eq!(
///     cookie.set("abc")?.as_str(),
///     "__Host-session=abc; Path=/; Secure; HttpOnly; SameSite=Lax"
/// );
/// assert!(CookieSettings::new("__Host-session").path("/shop").build().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CookieSettings {
    name: String,
    path: String,
    domain: Option<String>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    max_age: Option<Duration>,
}

impl CookieSettings {
    /// A cookie of this name that the browser keeps until it is closed.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: "/".into(),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            max_age: None,
        }
    }

    /// Another name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The part of the site it is sent to; default `/`.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sent to this domain and all below it; by default only to the host that set it, which is safer.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether it is sent only over https, and to `http://localhost`; default true.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether scripts cannot read it; default true.
    #[must_use]
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Which requests caused by other sites it goes with; default [`SameSite::Lax`].
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// How long the browser keeps it, in whole seconds, 400 days at most; default until it is closed.
    #[must_use]
    pub fn max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.max_age = max_age.into();
        self
    }

    /// Checks all of it and prepares the writing.
    ///
    /// # Errors
    /// [`ConfigError::CookieName`] or [`ConfigError::CookieAttribute`] for what a browser would refuse or change
    /// (S9).
    pub fn build(&self) -> Result<CookieWriter, ConfigError> {
        self.check_name()?;
        self.check_attributes()?;
        // In Pyramid's order: Domain, Max-Age, Path, Secure, HttpOnly, SameSite. `Max-Age` alone is enough for every
        // browser in use, so there is no `Expires`.
        let domain =
            self.domain.as_ref().map_or_else(String::new, |name| format!("; Domain={name}"));
        let seconds = self.max_age.map(|age| age.as_secs());
        let max_age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        Ok(CookieWriter::new(self.name.clone(), domain, &max_age, self.rest()))
    }

    fn check_name(&self) -> Result<(), ConfigError> {
        let refuse = |reason| Err(ConfigError::CookieName { name: self.name.clone(), reason });
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if self.name.is_empty() || !self.name.bytes().all(token) {
            return refuse("is not a token: letters, digits and !#$%&'*+-.^_`|~ only (RFC 6265)");
        }
        let name = self.name.to_ascii_lowercase();
        if name.starts_with("__host__") || name.starts_with("__secure__") {
            return refuse(
                "looks like a prefix but protects nothing; write `__Host-` or `__Secure-`",
            );
        }
        if name.starts_with("__host-")
            && (self.domain.is_some() || self.path != "/" || !self.secure)
        {
            return refuse("needs Secure, Path=/ and no Domain, or browsers drop it");
        }
        if (name.starts_with("__secure-") || name.starts_with("__http-")) && !self.secure {
            return refuse("needs Secure, or browsers drop it");
        }
        if (name.starts_with("__http-") || name.starts_with("__host-http-")) && !self.http_only {
            return refuse("needs HttpOnly, or browsers drop it");
        }
        Ok(())
    }

    fn check_attributes(&self) -> Result<(), ConfigError> {
        let refuse = |attribute, reason| Err(ConfigError::CookieAttribute { attribute, reason });
        let plain =
            |text: &str| text.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b';');
        if self.path.len() > LONGEST_ATTRIBUTE {
            return refuse("Path", "1024 bytes at most; browsers ignore a longer one");
        }
        if !self.path.starts_with('/') || !plain(&self.path) {
            return refuse(
                "Path",
                "must begin with `/` and hold no space, `;` or control character",
            );
        }
        if self.domain.as_deref().is_some_and(|domain| !is_host_name(domain)) {
            return refuse(
                "Domain",
                "must be a host name: letters, digits, `-` and dots, without scheme, port or path",
            );
        }
        if self.same_site == SameSite::None && !self.secure {
            return refuse("SameSite", "None needs Secure, or browsers drop the cookie");
        }
        match self.max_age {
            Some(age) if age > MAX_AGE_LIMIT => {
                refuse("Max-Age", "400 days at most; browsers cut it there")
            }
            Some(age) if age.as_secs() == 0 => {
                refuse("Max-Age", "less than a second would delete the cookie at once")
            }
            Some(age) if age.subsec_nanos() != 0 => {
                refuse("Max-Age", "whole seconds only: the attribute has no fraction")
            }
            _ => Ok(()),
        }
    }

    fn rest(&self) -> String {
        let mut text = format!("; Path={}", self.path);
        text.push_str(if self.secure { "; Secure" } else { "" });
        text.push_str(if self.http_only { "; HttpOnly" } else { "" });
        text.push_str(match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        });
        text
    }
}

/// Whether it is one, with a dot before it perhaps, which browsers pass over.
fn is_host_name(domain: &str) -> bool {
    let domain = domain.strip_prefix('.').unwrap_or(domain);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_letter);
    domain.len() <= 253 && domain.split('.').all(is_label)
}
