//! The settings of a signed cookie, one method each, checked together when they are built.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Clock, ConfigError, CookieSettings, HashAlg, Inner, MacKey, Random, Refused, SameSite, Secret,
    SignedCookieFactory, SystemClock, SystemRandom, TagKey,
};

/// Pyramid's default idle timeout.
const TIMEOUT: Duration = Duration::from_secs(1200);
/// Unless said otherwise a read renews the cookie after this part of the timeout.
const REISSUE_PART: u32 = 10;

/// Makes a [`SignedCookieFactory`]. Spans of time are whole seconds, because a cookie counts in them (R54).
#[must_use = "nothing is made before `build` is called"]
pub struct SignedCookieBuilder {
    secrets: Vec<Result<Secret, ConfigError>>,
    salt: String,
    hash: HashAlg,
    cookie: CookieSettings,
    timeout: Option<Duration>,
    reissue_time: Reissue,
    set_on_exception: bool,
    lenient: bool,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    on_refused: Box<dyn Fn(Refused) + Send + Sync>,
}

/// Bytes of `[1700000000, 1700000000.0, {"a": 1}]`.
const SMALLEST_DOCUMENT: usize = 37;

/// When a read renews the cookie.
enum Reissue {
    PartOfTimeout,
    After(Option<Duration>),
}

impl SignedCookieBuilder {
    pub(super) fn new(secret: Result<Secret, ConfigError>) -> Self {
        Self {
            secrets: vec![secret],
            salt: "pyramid.session.".into(),
            hash: HashAlg::Sha512,
            cookie: CookieSettings::new("session"),
            timeout: Some(TIMEOUT),
            reissue_time: Reissue::PartOfTimeout,
            set_on_exception: true,
            lenient: false,
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            on_refused: Box::new(|_| ()),
        }
    }

    /// A former secret: cookies signed with it are accepted, new ones are signed with the first.
    pub fn also_verify(mut self, secret: impl TryInto<Secret, Error: Into<ConfigError>>) -> Self {
        self.secrets.push(secret.try_into().map_err(Into::into));
        self
    }

    /// What goes before the secret, to keep the sessions of two applications apart; default `pyramid.session.`.
    pub fn salt(mut self, salt: impl Into<String>) -> Self {
        self.salt = salt.into();
        self
    }

    /// The hash to sign with; default SHA-512.
    pub fn hash(mut self, hash: HashAlg) -> Self {
        self.hash = hash;
        self
    }

    /// How long a session lives without being used; `None` and `Duration::MAX` are for ever. Default 1200 seconds.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = ended(timeout.into());
        self
    }

    /// How old a cookie must be for a request that only looks to renew it, less than the timeout; `None` and
    /// `Duration::MAX` are never. Default a tenth of the timeout.
    ///
    /// Zero, Pyramid's default, renews at most once a second. Each renewal writes the whole session as that request
    /// saw it, over what a parallel request may have written.
    pub fn reissue_time(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.reissue_time = Reissue::After(ended(span.into()));
        self
    }

    /// How long the browser keeps the cookie, 400 days at most; default until it is closed.
    pub fn max_age(mut self, max_age: impl Into<Option<Duration>>) -> Self {
        self.cookie = self.cookie.max_age(max_age);
        self
    }

    /// The cookie's name; default `session`.
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie = self.cookie.name(name);
        self
    }

    /// The part of the site the cookie is sent to; default `/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.cookie = self.cookie.path(path);
        self
    }

    /// Share the cookie with all hosts of this domain; default only the host that set it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie = self.cookie.domain(domain);
        self
    }

    /// Whether the cookie is sent only over https and to `http://localhost`; default true.
    pub fn secure(mut self, secure: bool) -> Self {
        self.cookie = self.cookie.secure(secure);
        self
    }

    /// Whether scripts cannot read the cookie; default true.
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.cookie = self.cookie.http_only(http_only);
        self
    }

    /// Which requests caused by other sites the cookie goes with; default [`SameSite::Lax`].
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.cookie = self.cookie.same_site(same_site);
        self
    }

    /// Whether the session is kept when the handler answered 5xx; default true (R24). A logout always is.
    pub fn set_on_exception(mut self, keep: bool) -> Self {
        self.set_on_exception = keep;
        self
    }

    /// Accepts other spellings of what Pyramid writes: padding, the standard alphabet, characters to be skipped,
    /// times as text. One session then has many cookies; leave it off unless something rewrites yours.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Serves plain http, for development on another name than `localhost`: drops `Secure`.
    pub fn insecure_plain_http(self) -> Self {
        self.secure(false)
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another source of CSRF tokens, for tests.
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Is told whenever a cookie is refused, for counting; a `tracing` event at `DEBUG` says it too.
    pub fn on_refused(mut self, told: impl Fn(Refused) + Send + Sync + 'static) -> Self {
        self.on_refused = Box::new(told);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// [`ConfigError`] for a weak secret, a cookie that browsers would refuse, and a span of time that cannot be served
    /// as it is given.
    pub fn build(self) -> Result<SignedCookieFactory, ConfigError> {
        check_timeout(self.timeout)?;
        if let Reissue::After(Some(span)) = self.reissue_time {
            check_reissue_time(span, self.timeout)?;
        }
        let cookie = self.cookie.build()?;
        cookie.check_room((self.hash.digest_bytes() + SMALLEST_DOCUMENT) * 4 / 3)?;
        let secrets = self.secrets.into_iter().collect::<Result<Vec<Secret>, ConfigError>>()?;
        let key = |secret| MacKey::pyramid(self.hash, &self.salt, secret);
        let form_key = |secret| TagKey::derived(secret, "cloakroom csrf form");
        let clock = self.clock;
        let of_access = clock.clone();
        let inner = Inner {
            keys: secrets.iter().map(key).collect(),
            form_keys: secrets.iter().map(form_key).collect(),
            hash: self.hash,
            cookie,
            timeout: self.timeout,
            reissue_time: match self.reissue_time {
                Reissue::PartOfTimeout => {
                    self.timeout.map(|timeout| whole_seconds(timeout / REISSUE_PART))
                }
                Reissue::After(span) => span,
            },
            set_on_exception: self.set_on_exception,
            lenient: self.lenient,
            access_time: Arc::new(move || of_access.now().floor()),
            clock,
            random: self.random,
            on_refused: self.on_refused,
        };
        Ok(SignedCookieFactory { inner: Arc::new(inner) })
    }
}

fn whole_seconds(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs())
}

/// A span that comes to an end.
fn ended(span: Option<Duration>) -> Option<Duration> {
    span.filter(|span| *span != Duration::MAX)
}

fn check_timeout(timeout: Option<Duration>) -> Result<(), ConfigError> {
    let setting = "timeout";
    let reason = match timeout {
        Some(Duration::ZERO) => {
            "is zero, so that sessions would end at once: give whole seconds, or `None` for no timeout"
        }
        Some(span) if span.subsec_nanos() != 0 => {
            "has a fraction of a second: give whole seconds, which is what a signed cookie counts in"
        }
        _ => return Ok(()),
    };
    Err(ConfigError::Setting { setting, reason })
}

fn check_reissue_time(span: Duration, timeout: Option<Duration>) -> Result<(), ConfigError> {
    let setting = "reissue_time";
    let reason = if span.subsec_nanos() != 0 {
        "has a fraction of a second: give whole seconds, which is what a signed cookie counts in"
    } else if timeout.is_some_and(|timeout| span >= timeout) {
        "is not shorter than the timeout, so that no look would keep a session alive: give a part of \
         the timeout, or `None` if only writes are to"
    } else {
        return Ok(());
    };
    Err(ConfigError::Setting { setting, reason })
}
