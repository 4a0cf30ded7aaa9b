//! The signed cookie: the whole session in the visitor's browser, signed so that nobody can change it.
//!
//! Byte for byte the format of Pyramid's `SignedCookieSessionFactory`, so that Python and Rust can share a session.
//! Anyone who has the cookie can read it, an old copy can be replayed until it times out, and nothing on the server
//! can revoke it: keep nothing confidential in it. Layout: FORMATS.md. Rules: R5-R9, R52-R72.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::plan::{Arrival, Due, Plan, Wish, plan};
use super::pyramid_json::{self, Triple};
use super::{Commit, Opened, Origin, Refused, SessionFactory};
use crate::cookie::{
    Ambiguous, CookieHeader, CookieSettings, CookieWriter, Judged, MAX_COOKIE_BYTES, SameSite,
    SetCookies, unquoted,
};
use crate::csrf::TokenSource;
use crate::error::TooLarge;
use crate::keyring::{HashAlg, MacKey, TagKey};
use crate::random::{Random, SystemRandom};
use crate::session::Accesses;
use crate::time::{Clock, SystemClock};
use crate::{ConfigError, Entries, Error, Secret, Timestamp};

mod builder;

pub use builder::SignedCookieBuilder;

/// Keeps each session in a signed cookie. Clones are the same factory.
///
/// | | Pyramid | here |
/// |---|---|---|
/// | `HttpOnly` | off | **on** |
/// | `Secure` | off | **on**; browsers accept it on `http://localhost` |
/// | reissue time | 0 | **a tenth of the timeout**, so that a reader seldom overwrites a parallel writer |
/// | cookie name, path, `SameSite` | `session`, `/`, `Lax` | the same |
/// | timeout | 1200 s | the same |
/// | hash, salt | SHA-512, `pyramid.session.` | the same |
/// | max age, domain | none | the same |
/// | set on exception | yes | the same |
/// | secrets | any, one | 32 bytes or more, one signs and several verify |
/// | base64 and JSON when reading | lenient | strict; [`lenient`](SignedCookieBuilder::lenient) is a switch |
///
/// A response carries a cookie when a method that writes was called, or when the session was looked at and its
/// cookie was older than the reissue time then. It carries the time of the last look or write. A new session that nothing was put into gets none.
///
/// ```
/// use cloakroom::{Secret, SignedCookieFactory};
/// use std::time::Duration;
///
/// # let secret = Secret::generate()?;
/// let factory = SignedCookieFactory::builder(secret)
///     .timeout(Duration::from_secs(60 * 60))
///     .cookie_name("__Host-session")
///     .build()?;
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct SignedCookieFactory {
    inner: Arc<Inner>,
}

/// What all clones share.
struct Inner {
    keys: Vec<MacKey>,
    form_keys: Arc<[TagKey]>,
    hash: HashAlg,
    cookie: CookieWriter,
    timeout: Option<Duration>,
    reissue_time: Option<Duration>,
    set_on_exception: bool,
    lenient: bool,
    clock: Arc<dyn Clock>,
    /// The clock in whole seconds, which is what a cookie carries.
    access_time: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Random>,
    on_refused: Box<dyn Fn(Refused) + Send + Sync>,
}

const MAX_VALUE: usize = 4064;

/// What the request's cookie said.
#[derive(Debug)]
pub struct Base {
    /// When the cookie was made; for a request without one, when it was opened.
    renewed: Timestamp,
}

impl SignedCookieFactory {
    /// The most characters a cookie's value may have: Pyramid's own limit (R8), so that both refuse the same session.
    pub const MAX_VALUE: usize = MAX_VALUE;

    /// With the default settings and this secret: a [`Secret`], or text that would make a good one.
    ///
    /// # Errors
    /// [`ConfigError::WeakSecret`] if the secret can be guessed.
    pub fn new(
        secret: impl TryInto<Secret, Error: Into<ConfigError>>,
    ) -> Result<Self, ConfigError> {
        Self::builder(secret).build()
    }

    /// For other settings.
    pub fn builder(secret: impl TryInto<Secret, Error: Into<ConfigError>>) -> SignedCookieBuilder {
        SignedCookieBuilder::new(secret.try_into().map_err(Into::into))
    }

    /// What a cookie's value holds, expired or not: for care from outside of requests.
    ///
    /// # Errors
    /// Why it would not be accepted.
    pub fn read_value(&self, value: &str) -> Result<SignedValue, Refused> {
        let inner = &self.inner;
        let Triple { renewed, created, entries } = inner.verified(unquoted(value.as_bytes()))?;
        let end = inner.timeout.map_or(Timestamp::MAX, |span| renewed.saturating_add(span));
        let expires_at = end.min(Timestamp::MAX);
        let is_expired = inner.has_expired(renewed, inner.clock.now());
        Ok(SignedValue { renewed, created, expires_at, is_expired, entries })
    }
}

impl Inner {
    /// The cookie that counts among the candidates (S13).
    fn accept(&self, cookies: CookieHeader<'_>, now: Timestamp) -> Judged<Triple> {
        let judged = cookies.named(self.cookie.name()).judge(|text| self.judge(text, now));
        judged.unwrap_or_else(|Ambiguous| self.refuse(Refused::Ambiguous))
    }

    fn judge(&self, text: &[u8], now: Timestamp) -> Judged<Triple> {
        match self.verified(text) {
            Ok(triple) if self.has_expired(triple.renewed, now) => Judged::Expired(triple),
            Ok(triple) => Judged::Live(triple),
            Err(reason) => self.refuse(reason),
        }
    }

    /// Whether more than the timeout has passed since then (R62).
    fn has_expired(&self, renewed: Timestamp, now: Timestamp) -> bool {
        self.timeout.is_some_and(|timeout| now.since(renewed) > timeout)
    }

    fn verified(&self, text: &[u8]) -> Result<Triple, Refused> {
        let frame = self.decode(text).ok_or(Refused::Malformed)?;
        let (signature, json) = frame.split_at(self.hash.digest_bytes());
        if !self.keys.iter().any(|key| key.verifies(json, signature)) {
            return Err(Refused::Forged);
        }
        pyramid_json::read(json, self.lenient).ok_or(Refused::Unreadable)
    }

    /// The bytes of a cookie that is long enough to hold a signature.
    fn decode(&self, text: &[u8]) -> Option<Vec<u8>> {
        if text.len() > MAX_COOKIE_BYTES {
            return None;
        }
        let frame = if self.lenient {
            decode_leniently(text)
        } else {
            BASE64_URL_SAFE_NO_PAD.decode(text).ok()
        };
        frame.filter(|frame| frame.len() >= self.hash.digest_bytes())
    }

    fn refuse<T>(&self, reason: Refused) -> Judged<T> {
        tracing::debug!(reason = reason.as_str(), "session cookie refused");
        (self.on_refused)(reason);
        Judged::Refused
    }

    fn write(&self, triple: &Triple, renewed_is_int: bool) -> Result<SetCookies, Error> {
        let json = pyramid_json::write(triple, renewed_is_int)?;
        let mut frame = Vec::with_capacity(self.hash.digest_bytes() + json.len());
        self.keys[0].sign(json.as_bytes(), &mut frame);
        frame.extend_from_slice(json.as_bytes());
        let text = BASE64_URL_SAFE_NO_PAD.encode(frame);
        let name = self.cookie.name().len();
        if text.len() > MAX_VALUE {
            return Err(too_large(text.len(), MAX_VALUE, &triple.entries));
        }
        if name + text.len() > MAX_COOKIE_BYTES {
            return Err(too_large(name + text.len(), MAX_COOKIE_BYTES, &triple.entries));
        }
        Ok(SetCookies::one(self.cookie.set(&text)?))
    }

    /// Whether a request that only looked is to get a cookie anyway, if it looked `accessed` last (R63).
    fn is_reissue_due(&self, accessed: Timestamp, renewed: Timestamp) -> bool {
        self.reissue_time.is_some_and(|span| accessed.since(renewed) > span)
    }

    /// How the session notes when it was used last (R63, R64), and until when looks alone change nothing.
    fn accesses(&self, origin: Origin, renewed: Timestamp) -> Accesses {
        let rest_until = match (origin, self.reissue_time) {
            (Origin::Absent | Origin::Superseded | Origin::Unreadable, _) | (_, None) => {
                Timestamp::MAX
            }
            (Origin::Live | Origin::Expired, Some(span)) => renewed.saturating_add(span),
        };
        Accesses { time: self.access_time.clone(), rest_until }
    }

    /// The present as a cookie can say it, so that a session has begun at the same time in all its requests.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_secs_f64(now.as_secs_f64()).unwrap_or(now)
    }
}

/// What is in a signed cookie.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedValue {
    /// When the cookie was written, which is when the idle timeout began.
    pub renewed: Timestamp,
    /// When the session began.
    pub created: Timestamp,
    /// Until when the cookie is accepted, by the factory's timeout; [`Timestamp::MAX`] for ever.
    pub expires_at: Timestamp,
    /// Whether that is past.
    pub is_expired: bool,
    /// What it holds.
    pub entries: Entries,
}

impl SessionFactory for SignedCookieFactory {
    type Base = Base;

    async fn open(&self, cookies: CookieHeader<'_>) -> Result<Opened<Base>, Error> {
        let inner = &*self.inner;
        let now = inner.now();
        let opened = match inner.accept(cookies, now) {
            Judged::Live(Triple { renewed, created, entries }) => {
                let idle = now.since(renewed);
                Opened::live(now, created, entries, Base { renewed })
                    .idle_left(inner.timeout.map(|timeout| timeout.saturating_sub(idle)))
            }
            Judged::Expired(Triple { renewed, created, .. }) => {
                Opened::expired(now, created, Base { renewed }).idle_left(inner.timeout)
            }
            Judged::Unknown(_) | Judged::Refused => {
                Opened::absent(now, Base { renewed: now }).idle_left(inner.timeout)
            }
        };
        let accesses = inner.accesses(opened.facts.origin, opened.base.renewed);
        let csrf = TokenSource::Value { form_keys: inner.form_keys.clone() };
        Ok(opened.random(inner.random.clone()).csrf(csrf).accesses(accesses).rests(true))
    }

    async fn commit(&self, base: &Base, mut commit: Commit) -> Result<SetCookies, Error> {
        let inner = &*self.inner;
        let accessed = commit.accessed();
        let mut due = match accessed {
            Some(last) if inner.is_reissue_due(last, base.renewed) => Due::Touch,
            Some(_) | None => Due::Nothing,
        };
        if commit.has_failed() && !inner.set_on_exception {
            commit.drop_changes();
            due = Due::Nothing;
        }
        match planned(&commit, due) {
            Plan::Leave | Plan::Gone | Plan::Confirm => Ok(SetCookies::none()),
            Plan::Refuse => Err(Error::opening("the cookie cannot be read")),
            Plan::Remove | Plan::ForgetCookie | Plan::Abandon => {
                Ok(SetCookies::one(inner.cookie.remove()?))
            }
            Plan::Touch
            | Plan::Rotate
            | Plan::Create
            | Plan::Recreate
            | Plan::AbandonAndCreate
            | Plan::Replace
            | Plan::ReplaceAndRotate
            | Plan::ReplaceAndTell
            | Plan::Renew
            | Plan::Restart => {
                let renewed = accessed.unwrap_or(base.renewed);
                let entries = std::mem::take(commit.entries_mut());
                let triple = Triple { renewed, created: commit.created(), entries };
                inner.write(&triple, accessed.is_some())
            }
        }
    }
}

/// What the request comes to. A cookie is written as a whole, so here whatever wrote has changed it, and one that has
/// expired is written again when it is looked at (R64, R69).
fn planned(commit: &Commit, due: Due) -> Plan {
    let (arrival, is_changed) = match commit.origin() {
        Origin::Absent => {
            let holds_something = !commit.entries().is_empty() || commit.is_marked_changed();
            (Arrival::Absent, commit.was_written() && holds_something)
        }
        Origin::Expired => (Arrival::Expired, commit.was_written() || due != Due::Nothing),
        Origin::Superseded => (Arrival::Superseded, commit.was_written()),
        // Not here: a cookie that cannot be read is not genuine.
        Origin::Unreadable => (Arrival::Unreadable, commit.was_written()),
        Origin::Live => (Arrival::Live, commit.was_written()),
    };
    plan(arrival, Wish::of(commit, is_changed), commit.ending(), due)
}

impl fmt::Debug for SignedCookieFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("SignedCookieFactory")
            .field("cookie", &inner.cookie)
            .field("hash", &inner.hash)
            .field("timeout", &inner.timeout)
            .field("reissue_time", &inner.reissue_time)
            .field("secrets", &inner.keys.len())
            .finish_non_exhaustive()
    }
}

/// Base64 as Python decodes it: padded by the text's length, both alphabets, anything else skipped, the first
/// padding that completes a group of four ends it, spare bits ignored.
fn decode_leniently(text: &[u8]) -> Option<Vec<u8>> {
    let padding = std::iter::repeat_n(b'=', text.len().wrapping_neg() % 4);
    let (mut digits, mut padded) = (Vec::with_capacity(text.len()), 0);
    for byte in text.iter().copied().chain(padding) {
        match byte {
            b'+' => digits.push(b'-'),
            b'/' => digits.push(b'_'),
            b'-' | b'_' => digits.push(byte),
            b'=' if digits.len() % 4 >= 2 => {
                padded += 1;
                if digits.len() % 4 + padded >= 4 {
                    return PYTHON.decode(digits).ok();
                }
            }
            _ if byte.is_ascii_alphanumeric() => digits.push(byte),
            _ => {}
        }
    }
    (digits.len() % 4 == 0).then(|| PYTHON.decode(digits).ok())?
}

const PYTHON: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// By how much it is too large, with the three largest keys.
fn too_large(bytes: usize, limit: usize, entries: &Entries) -> Error {
    let mut largest: Vec<(String, usize)> =
        entries.iter().map(|(key, value)| (key.to_owned(), value.as_json().len())).collect();
    largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    largest.truncate(3);
    TooLarge { bytes, limit, largest }.into()
}
