//! What can go wrong: [`ConfigError`] while a factory is built, [`Error`] while it serves.
//!
//! Messages name the key, the limit and the cure. They never contain a session's values, a cookie or a secret,
//! so that they can be logged (S87).

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::csrf::CsrfError;
use crate::session::Bound;
use crate::store::StoreError;

/// What `Box<dyn Error>` is called here.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request that could not be served as asked.
///
/// ```
/// use cloakroom::{Error, Session};
///
/// let session = Session::detached();
/// session.insert("n", "many").unwrap();
/// let error = session.get::<u32>("n").unwrap_err();
/// assert_eq!(error.kind(), "wrong_type");
/// assert_eq!(error.to_string(), r#"session value "n" is a JSON string, which cannot be read as u32"#);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The value handed in cannot be written as JSON, or not be read back as it was; nothing was changed.
    #[error("session value {key:?} of type {type_name} cannot be stored as JSON: {reason}")]
    Serialize {
        /// The key it was meant for.
        key: String,
        /// The Rust type of the value.
        type_name: &'static str,
        /// What is wrong, and at which field or item, without the value.
        reason: String,
    },
    /// The stored value is not of the asked type; it is still there.
    #[error("session value {key:?} is a JSON {found}, which cannot be read as {expected}")]
    WrongType {
        /// The key that was asked for; empty for a [`Value`](crate::Value) that has left its session.
        key: String,
        /// What is stored: `string`, `number`, `object`, …
        found: &'static str,
        /// The Rust type that was asked for.
        expected: &'static str,
    },
    /// The key is that of a [flash queue](crate::flash), on which no closure works: its messages may be other requests' by
    /// the time it runs again. Nothing was changed.
    #[error(
        "session value {key:?} is a flash queue, which no closure may change: use `flash_to` and `pop_flash`, or `remove` \
         to throw its messages away"
    )]
    Queue {
        /// The key that was asked for.
        key: String,
    },
    /// The value is nested more deeply than [`MAX_DEPTH`](crate::session::MAX_DEPTH); nothing was changed.
    #[error("session value {key:?} is nested {depth} deep; at most {limit} is allowed", limit = crate::session::MAX_DEPTH)]
    TooDeep {
        /// The key it was meant for.
        key: String,
        /// How deep it is.
        depth: usize,
    },
    /// The session does not fit where it has to be kept; the client's old cookie stays as it was.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The session would hold more than its factory's [`Bounds`](crate::session::Bounds) allow, or its owner's name would
    /// be too long; nothing was changed.
    #[error("{} {found} {}, at most {limit} are allowed. {}", .bound.subject(), .bound.unit(), Cure(*bound, largest))]
    OutOfBounds {
        /// Which bound.
        bound: Bound,
        /// How many there would be.
        found: usize,
        /// How many there may be.
        limit: usize,
        /// The largest keys with the bytes of their values as JSON, largest first, three at most; none for an owner's name.
        largest: Vec<(String, usize)>,
    },
    /// The response's head has left already, so that this write could not be kept (R23).
    #[error(
        "the session was closed when the response began, so this change would be lost: \
         write before the handler returns"
    )]
    Closed,
    /// The request came through no session layer.
    #[error(
        "no session here: this route has no SessionLayer; add \
         `.layer(cloakroom::SessionLayer::new(factory))` after the route is declared, \
         or `.wrap(…)` with actix-web"
    )]
    NoLayer,
    /// The operating system gave no random bytes.
    #[error("no randomness to be had")]
    Random {
        /// What the source said.
        source: BoxError,
    },
    /// A [`SessionFactory`](crate::SessionFactory) could not open or keep the session. Never an empty session.
    #[error("the session could not be {action}")]
    Factory {
        /// `opened` or `kept`.
        action: &'static str,
        /// What the factory said.
        source: BoxError,
    },
    /// The store did not do its part. It is not known to hold nothing, so this is never an empty session (S73).
    #[error("the session could not be {action}")]
    Store {
        /// `opened`, `kept`, `listed` or `revoked`.
        action: &'static str,
        /// What the store said.
        source: StoreError,
    },
    /// Other requests wrote the same session again and again, each a moment earlier; nothing of this one was kept.
    #[error(
        "the session was too busy: {attempts} attempts to keep it, and others were faster each time"
    )]
    Busy {
        /// How often it was tried.
        attempts: usize,
    },
    /// The request read this key and then set it, or decided by it in
    /// [`modify_strict`](crate::Session::modify_strict), and another request changed it in between; of this one's changes
    /// nothing was kept. [`Session::modify`](crate::Session::modify) does not have that problem.
    #[error(
        "session value {key:?} was changed by another request after this one had read it; \
         try again, or use `modify`"
    )]
    Overwrites {
        /// The key.
        key: String,
    },
    /// A closure given to [`Session::modify`](crate::Session::modify) panicked when it ran again, on what another
    /// request had left; nothing of this request's changes was kept.
    #[error("a closure that modifies session value {key:?} panicked when it ran again")]
    Panicked {
        /// The key.
        key: String,
    },
    /// A [`SessionHandle`](crate::session::SessionHandle) was used before the request that it was taken in has kept the
    /// session, which is new or is being given a new ticket; the handle's changes are still there.
    #[error(
        "this session handle was taken in a request that begins the session or renews its ticket: \
         use it once that request's response has begun"
    )]
    NotYet,
    /// The request may have come from another site, and was refused.
    #[error(transparent)]
    Csrf(#[from] CsrfError),
    /// The session is nobody's, so that there is no owner whose sessions could be ended.
    #[error(
        "this session has no owner, so it has no others that could be ended: call `set_owner` where the \
         visitor signs in, and offer this to visitors who are signed in"
    )]
    NoOwner,
    /// What was to be set for this session cannot be served; nothing was changed.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// The session's factory has no such thing.
    #[error("{what} needs a session that is kept on a server, in a request: use a `StoredFactory`")]
    NotSupported {
        /// What was asked for.
        what: &'static str,
    },
}

impl Error {
    /// For a factory that could not open the session a request names.
    pub fn opening(source: impl Into<BoxError>) -> Self {
        Self::Factory { action: "opened", source: source.into() }
    }

    /// For a factory that could not keep what changed.
    pub fn keeping(source: impl Into<BoxError>) -> Self {
        Self::Factory { action: "kept", source: source.into() }
    }

    /// One word for logs and metrics, stable across releases.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Serialize { .. } => "serialize",
            Self::WrongType { .. } => "wrong_type",
            Self::Queue { .. } => "queue",
            Self::TooDeep { .. } => "too_deep",
            Self::TooLarge(_) => "too_large",
            Self::OutOfBounds { .. } => "out_of_bounds",
            Self::Closed => "closed",
            Self::NoLayer => "no_layer",
            Self::Random { .. } => "random",
            Self::Factory { .. } => "factory",
            Self::Store { .. } => "store",
            Self::Busy { .. } => "busy",
            Self::Overwrites { .. } => "overwrites",
            Self::Panicked { .. } => "panicked",
            Self::NotYet => "not_yet",
            Self::Csrf(_) => "csrf",
            Self::NoOwner => "no_owner",
            Self::Setting(_) => "setting",
            Self::NotSupported { .. } => "not_supported",
        }
    }

    /// The status to answer with: 503 when a later try may succeed, 409 for a refused overwrite, 400 or 403 for a request
    /// that may have come from elsewhere, 403 for a visitor who would have to be signed in, else 500.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Factory { .. } | Self::Store { .. } | Self::Busy { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Overwrites { .. } => StatusCode::CONFLICT,
            Self::Csrf(refused) => refused.rule().status(),
            Self::NoOwner => StatusCode::FORBIDDEN,
            Self::NotYet
            | Self::OutOfBounds { .. }
            | Self::Panicked { .. }
            | Self::Serialize { .. }
            | Self::WrongType { .. }
            | Self::Queue { .. }
            | Self::TooDeep { .. }
            | Self::TooLarge(_)
            | Self::Closed
            | Self::NoLayer
            | Self::Setting(_)
            | Self::NotSupported { .. }
            | Self::Random { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Error {
    /// What a visitor is told, who can do nothing about keys, types and stores, and is not to learn of them (S90): a
    /// plain sentence by kind. It is the default page; the log has the whole text.
    #[must_use]
    pub const fn for_visitors(&self) -> &'static str {
        match self {
            Self::Serialize { .. }
            | Self::WrongType { .. }
            | Self::Queue { .. }
            | Self::TooDeep { .. }
            | Self::Closed
            | Self::NoLayer
            | Self::Random { .. }
            | Self::Setting(_)
            | Self::NotYet
            | Self::Panicked { .. }
            | Self::NotSupported { .. } => {
                "Something went wrong on our side. Please try again later."
            }
            Self::NoOwner => "You are not signed in. Please sign in and try again.",
            Self::TooLarge(_) | Self::OutOfBounds { .. } => {
                "That was more than we can keep for you, so nothing was changed. Please try it with less."
            }
            Self::Factory { .. } | Self::Store { .. } => {
                "We cannot show you this page right now. Please try again in a moment."
            }
            Self::Busy { .. } => {
                "Too much happened at once, so nothing was changed. Please try again."
            }
            Self::Overwrites { .. } => {
                "This was changed elsewhere in the meantime, so nothing was changed here. Please load the \
                 page again and look before you try once more."
            }
            Self::Csrf(refused) => refused.rule().for_visitors(),
        }
    }
}

/// What is behind an error, outermost first: for logs, and never for visitors.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Says that an error became a response. Whoever makes a response of one says so, once: it is all that is known of it
/// where the visitor is told little.
#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) fn tell_answered(error: &Error) {
    let (kind, cause) = (error.kind(), causes(error));
    if is_told(error) {
        tracing::debug!(kind, %error, cause, "session error answered");
    } else if error.status().is_server_error() {
        tracing::error!(kind, %error, cause, "session error answered");
    } else {
        tracing::warn!(kind, %error, "session error answered");
    }
}

/// Says that the changes of a request were not kept that nobody waits for.
#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) fn tell_not_kept(error: &Error) {
    let (kind, cause) = (error.kind(), causes(error));
    if is_told(error) {
        tracing::debug!(kind, %error, cause, "session not kept");
    } else {
        tracing::error!(kind, %error, cause, "session not kept");
    }
}

/// Whether the log has what there is to say: a store that is down would fill it with a line for each request.
#[cfg(any(feature = "tower", feature = "actix"))]
fn is_told(error: &Error) -> bool {
    matches!(error, Error::Store { source, .. } if source.is_left_alone())
}

impl Bound {
    const fn subject(self) -> &'static str {
        match self {
            Self::Bytes | Self::Keys | Self::KeyBytes | Self::Messages => "the session would hold",
            Self::OwnerBytes => "the owner's name would have",
        }
    }

    /// What it counts.
    const fn unit(self) -> &'static str {
        match self {
            Self::Bytes | Self::OwnerBytes => "bytes",
            Self::Keys => "keys",
            Self::KeyBytes => "bytes in a key",
            Self::Messages => "messages in a flash queue",
        }
    }
}

/// What to do about what goes beyond a bound.
struct Cure<'a>(Bound, &'a [(String, usize)]);

impl fmt::Display for Cure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Bound::OwnerBytes => f.write_str("Give what names the account, such as its number"),
            Bound::Bytes | Bound::Keys | Bound::KeyBytes | Bound::Messages => {
                write!(f, "Largest: {}. Keep less in it, or set other bounds", Largest(self.1))
            }
        }
    }
}

/// Keys with the sizes of their values.
struct Largest<'a>(&'a [(String, usize)]);

impl fmt::Display for Largest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, bytes)) in self.0.iter().enumerate() {
            let lead = if index == 0 { "" } else { ", " };
            write!(f, "{lead}{key:?} {} bytes", Grouped(*bytes))?;
        }
        Ok(())
    }
}

/// By how much a session is too large for its cookie, and which keys fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// Bytes that the cookie would have.
    pub bytes: usize,
    /// Bytes that it may have.
    pub limit: usize,
    /// The largest keys with the bytes of their values as JSON, largest first, three at most.
    pub largest: Vec<(String, usize)>,
}

impl std::error::Error for TooLarge {}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the session does not fit: {} bytes for a cookie of at most {}, {} too many.",
            Grouped(self.bytes),
            Grouped(self.limit),
            Grouped(self.bytes.saturating_sub(self.limit))
        )?;
        if !self.largest.is_empty() {
            write!(f, " Largest: {}.", Largest(&self.largest))?;
        }
        write!(f, " Keep less in the session, or use a factory that stores on the server.")
    }
}

/// A number with commas between the thousands.
struct Grouped(usize);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A setting that cannot be served; said when a factory is built, never later. Limits that a session is given for itself
/// are checked [there](crate::Session::set_limits).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The secret can be guessed.
    #[error(
        "the secret {reason}. Make one with `openssl rand -base64 48`, or in Rust with \
         `cloakroom::Secret::generate()`, keep it out of the code, and share it with nobody"
    )]
    WeakSecret {
        /// What is wrong with it, without the secret.
        reason: String,
    },
    /// The cookie's name is not one that a browser sends back unchanged.
    #[error("cookie name {name:?} {reason}")]
    CookieName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An attribute of the cookie is malformed, or contradicts another.
    #[error("cookie attribute {attribute}: {reason}")]
    CookieAttribute {
        /// Which one.
        attribute: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Sessions would end before they began: a limit counts to the microsecond.
    #[error("the {limit} limit is zero: give a span of time, or `None` for no limit")]
    Limit {
        /// `idle` or `absolute`.
        limit: &'static str,
    },
    /// A session would be over by the limits that it is given: it is older than its absolute limit.
    #[error(
        "the session is {age:?} old, and its absolute limit would be {limit:?}: give a longer one, or end the session \
         with `invalidate` first"
    )]
    Age {
        /// How old the session is.
        age: Duration,
        /// The limit that it would have.
        limit: Duration,
    },
    /// A setting has a value that cannot be served as given. Nothing is rounded or cut in silence.
    #[error("{setting} {reason}")]
    Setting {
        /// The method, or the key of a settings file, that sets it.
        setting: &'static str,
        /// What is wrong with the value, and what to give instead.
        reason: &'static str,
    },
    /// No web page has this origin, or it cannot be trusted.
    #[error("origin {origin:?} {reason}")]
    Origin {
        /// The origin.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No header can have this name.
    #[error("header name {name:?} has characters that no header's name can have")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// No randomness for a generated secret.
    #[error("no randomness to make a secret from")]
    Random,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8_too_large_says_by_how_much_and_what_is_largest() {
        let error =
            TooLarge { bytes: 4_411, limit: 4_064, largest: vec![("cart".into(), 1_003_902)] };
        assert_eq!(
            error.to_string(),
            "the session does not fit: 4,411 bytes for a cookie of at most 4,064, 347 too many. \
             Largest: \"cart\" 1,003,902 bytes. \
             Keep less in the session, or use a factory that stores on the server."
        );
    }
}
