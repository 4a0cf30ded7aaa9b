//! Tokens without sessions: a signed cookie that numbers the visitor, and a token derived from that number.
//!
//! The number proves nothing and names nobody. Who plants a cookie of his own in another's browser could forge that
//! one's forms, which is what `__Host-` in the name is for: a browser takes such a cookie from this host only (S50).
//! Layouts: FORMATS.md, "CSRF token".

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;
use subtle::ConstantTimeEq;

use super::secret::Form;
use super::token::{CsrfToken, TokenBytes};
use crate::cookie::{CookieHeader, CookieSettings, CookieWriter, Judged, SetCookies};
use crate::keyring::TagKey;
use crate::random::{Random, SystemRandom};
use crate::{ConfigError, Error, Secret};

/// The cookie's name; only the host itself, over https, can set one of this name.
const NAME: &str = "__Host-csrf";
/// The same for plain http, where the prefix cannot be.
const PLAIN_NAME: &str = "csrf";
const NUMBER_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

type Number = [u8; NUMBER_BYTES];

/// A token in a cookie of its own, for sites without sessions: the signed double submit cookie (S50).
///
/// It is bound to the browser and to nothing else: where visitors sign in, give them a
/// [new one](super::Csrf::new_token) then. For [`CsrfLayer::without_sessions`](crate::CsrfLayer::without_sessions). The cookie is
/// `__Host-csrf; Path=/; Secure; HttpOnly; SameSite=Lax` unless said otherwise.
///
/// ```
/// use cloakroom::csrf::{CsrfLayer, DoubleSubmit};
/// # let secret = cloakroom::Secret::generate()?;
/// let layer = CsrfLayer::new().without_sessions(DoubleSubmit::new(secret)?);
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct DoubleSubmit {
    cookie: CookieWriter,
    cookie_key: TagKey,
    token_key: TagKey,
    random: Arc<dyn Random>,
}

impl DoubleSubmit {
    /// With this secret: a [`Secret`], or text that would make a good one. It may be the one of a session factory.
    ///
    /// # Errors
    /// [`ConfigError::WeakSecret`] if it can be guessed.
    pub fn new(
        secret: impl TryInto<Secret, Error: Into<ConfigError>>,
    ) -> Result<Self, ConfigError> {
        let secret = secret.try_into().map_err(Into::into)?;
        Ok(Self {
            cookie: CookieWriter::host_only(NAME),
            cookie_key: TagKey::derived(&secret, "cloakroom csrf cookie"),
            token_key: TagKey::derived(&secret, "cloakroom csrf token"),
            random: Arc::new(SystemRandom),
        })
    }

    /// Another cookie.
    ///
    /// # Errors
    /// [`ConfigError`] for one that browsers would refuse.
    pub fn cookie(mut self, cookie: &CookieSettings) -> Result<Self, ConfigError> {
        self.cookie = cookie.build()?;
        self.cookie.check_room((NUMBER_BYTES + TAG_BYTES) / 3 * 4)?;
        Ok(self)
    }

    /// Serves plain http, for development on another name than `localhost`: the cookie is called `csrf`, without
    /// `Secure`.
    ///
    /// # Errors
    /// None that is known; the settings are checked like others.
    pub fn insecure_plain_http(self) -> Result<Self, ConfigError> {
        self.cookie(&CookieSettings::new(PLAIN_NAME).secure(false))
    }

    /// Another source of numbers, for tests.
    #[must_use]
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// The number that the request's cookie carries, if this site wrote it.
    fn number(&self, cookies: CookieHeader<'_>) -> Option<Number> {
        let judge = |text| self.parse(text).map_or(Judged::Refused, Judged::Live);
        match cookies.named(self.cookie.name()).judge(judge) {
            Ok(Judged::Live(number)) => Some(number),
            _ => None,
        }
    }

    fn parse(&self, text: &[u8]) -> Option<Number> {
        let mut bytes = [0; NUMBER_BYTES + TAG_BYTES];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (number, tag) = bytes.split_at(NUMBER_BYTES);
        let is_ours =
            length == bytes.len() && bool::from(self.cookie_key.tag(&[number]).ct_eq(tag));
        if is_ours { number.try_into().ok() } else { None }
    }

    fn text(&self, number: &Number) -> String {
        BASE64_URL_SAFE_NO_PAD.encode([&number[..], &self.cookie_key.tag(&[number])].concat())
    }

    fn token(&self, number: &Number, form: Option<Form<'_>>) -> TokenBytes {
        TokenBytes::Derived(match form {
            None => self.token_key.tag(&[b"csrf/global", number]),
            Some(form) => form.tag(&self.token_key, number),
        })
    }
}

impl fmt::Debug for DoubleSubmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoubleSubmit").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

/// One request's visitor, in the request's extensions. Clones are the same one.
#[derive(Clone)]
pub(super) struct Visitor(Arc<Inner>);

struct Inner {
    settings: Arc<DoubleSubmit>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    is_read: bool,
    number: Option<Number>,
    /// The number was made during this request, and has to be sent.
    is_new: bool,
    has_token: bool,
    is_closed: bool,
}

/// What a visitor's cookie adds to the response's head.
pub(super) struct Sent {
    pub(super) cookies: SetCookies,
    pub(super) is_read: bool,
    pub(super) has_token: bool,
}

impl Visitor {
    /// For a request that comes to a guard with `outer` in its extensions. `None` if that is of the same keeper, as
    /// inside of a clone of the guard: then the outer guard sends the cookie, one for a request.
    pub(super) fn enter(settings: &Arc<DoubleSubmit>, outer: Option<&Self>) -> Option<Self> {
        let is_same = |outer: &Self| Arc::ptr_eq(&outer.0.settings, settings);
        if outer.is_some_and(|outer| is_same(outer) && !outer.lock().is_closed) {
            return None;
        }
        Some(Self(Arc::new(Inner { settings: settings.clone(), state: Mutex::default() })))
    }

    /// Reads the cookie, if nobody has yet.
    pub(super) fn read(&self, headers: &HeaderMap) {
        let mut state = self.lock();
        if !state.is_read {
            state.is_read = true;
            state.number = self.0.settings.number(CookieHeader::new(headers));
        }
    }

    pub(super) fn token(&self, form: Option<Form<'_>>) -> Result<CsrfToken, Error> {
        let mut state = self.lock();
        let number = match state.number {
            Some(number) => number,
            None => self.make(&mut state)?,
        };
        state.has_token = true;
        CsrfToken::new(&self.0.settings.token(&number, form), &*self.0.settings.random)
    }

    pub(super) fn new_token(&self) -> Result<CsrfToken, Error> {
        self.make(&mut self.lock())?;
        self.token(None)
    }

    pub(super) fn accepts(&self, supplied: &[u8], form: Option<Form<'_>>) -> bool {
        let Some(number) = self.lock().number else { return false };
        let token = |form| self.0.settings.token(&number, form);
        token(None).accepts(supplied)
            || form.is_some_and(|form| token(Some(form)).accepts(supplied))
    }

    pub(super) fn has_token(&self) -> bool {
        self.lock().number.is_some()
    }

    /// Ends the time for making tokens, and says what the response has to carry.
    pub(super) fn close(&self) -> Result<Sent, Error> {
        let mut state = self.lock();
        state.is_closed = true;
        let (settings, new) = (&self.0.settings, state.number.filter(|_| state.is_new));
        let cookies = match new {
            Some(number) => SetCookies::one(settings.cookie.set(&settings.text(&number))?),
            None => SetCookies::none(),
        };
        Ok(Sent { cookies, is_read: state.is_read, has_token: state.has_token })
    }

    fn make(&self, state: &mut State) -> Result<Number, Error> {
        if state.is_closed {
            return Err(Error::Closed);
        }
        let mut number = [0; NUMBER_BYTES];
        self.0.settings.random.fill(&mut number)?;
        state.number = Some(number);
        state.is_new = true;
        Ok(number)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so a panic cannot leave half a change behind.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor(..)")
    }
}
