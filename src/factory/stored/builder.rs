//! The settings of server-side sessions, one method each, checked together when they are built.

use std::sync::Arc;
use std::time::Duration;

use super::breaker;
use super::{
    Bounds, Clock, ConfigError, Event, Inner, Limits, Random, Settings, Store, StoredFactory,
};
use crate::cookie::{CookieSettings, CookieWriter};
use crate::random::SystemRandom;
use crate::ticket::{Namespace, Ticket};
use crate::time::SystemClock;

/// The cookie's name. The prefix has browsers refuse one that another host, plain http or a script has set (S9).
pub(crate) const NAME: &str = "__Host-Http-session";
/// The same for plain http, where the prefix cannot be.
const PLAIN_NAME: &str = "session";
/// After a periodic renewal: long enough for requests that are under way, as short as a thief's use for it.
const MAX_GRACE: Duration = Duration::from_secs(30);
const FLASH_LEASE: Duration = Duration::from_secs(300);
const IO_TIMEOUT: Duration = Duration::from_secs(3);

/// What happens when a request read a key and then sets it, and another request changed it in between.
///
/// [`modify`](crate::Session::modify) does not have that problem. A single key can refuse for itself:
/// [`Key::strict`](crate::Key::strict).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overwrite {
    /// The last one wins; an [`Event::Overwritten`] and a warning in the log name the key.
    #[default]
    LastWins,
    /// The request fails with [`Error::Overwrites`](crate::Error::Overwrites), 409, and nothing of it is kept.
    Refuse,
}

/// Makes a [`StoredFactory`].
#[must_use = "nothing is made before `build` is called"]
pub struct StoredBuilder<S> {
    store: S,
    cookie: Option<CookieSettings>,
    is_plain_http: bool,
    settings: Settings,
}

impl<S> StoredBuilder<S> {
    pub(crate) fn new(namespace: &str, store: S) -> Self {
        Self { store, cookie: None, is_plain_http: false, settings: Self::defaults(namespace) }
    }

    /// The same settings for another store.
    #[cfg(feature = "settings")]
    pub(crate) fn over<T>(self, store: T) -> StoredBuilder<T> {
        let Self { store: _, cookie, is_plain_http, settings } = self;
        StoredBuilder { store, cookie, is_plain_http, settings }
    }

    pub(super) fn defaults(namespace: &str) -> Settings {
        Settings {
            namespace: Namespace::new(namespace),
            cookie: CookieWriter::host_only(NAME),
            limits: Limits::DEFAULT,
            bounds: Bounds::DEFAULT,
            touch_after: None,
            renew_every: None,
            grace: MAX_GRACE,
            flash_lease: FLASH_LEASE,
            csrf_grace: Duration::ZERO,
            io_timeout: Some(IO_TIMEOUT),
            fail_fast_after: Some(breaker::FAILURES),
            keep_on_error: true,
            overwrite: Overwrite::LastWins,
            clock: Box::new(SystemClock),
            random: Arc::new(SystemRandom),
            on_event: Box::new(|_| ()),
        }
    }

    /// How long sessions live; default [`Limits::DEFAULT`]. A session may have
    /// [limits of its own](crate::Session::set_limits).
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// How long a session lives without being used; `None` is for as long as the absolute limit lets it. Default 20
    /// minutes.
    pub fn idle_limit(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle = idle.into();
        self
    }

    /// How long a session lives however much it is used; `None` is for ever. Default 24 hours.
    pub fn absolute_limit(mut self, absolute: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.absolute = absolute.into();
        self
    }

    /// How much of the idle limit must have passed for a request that only looks to begin it anew, which is a write.
    /// `None` is never: only writes keep a session alive then. Default a tenth of the limit; of limits that a session has
    /// for itself a tenth at most.
    pub fn touch_after(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.settings.touch_after = Some(span.into().unwrap_or(Duration::MAX));
        self
    }

    /// Renews tickets that are this old, with a call that is made anyway; `None`, the default, never does.
    ///
    /// For a [`grace`](Self::grace) the old ticket opens the session too, for requests that were sent together. A
    /// response that is lost on the way takes the new ticket with it, and its visitor has to sign in again: weigh
    /// that against what a stolen ticket is worth.
    pub fn renew_every(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.settings.renew_every = span.into();
        self
    }

    /// How long a ticket opens its session after it was renewed periodically; at most and by default 30 seconds, and no
    /// longer than [`renew_every`](Self::renew_every). [`renew`](crate::Session::renew) leaves none.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Sets how much one session may hold; [`Bounds::DEFAULT`] unless said.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.settings.bounds = bounds;
        self
    }

    /// How long flash messages that a request has taken wait for its response before another may show them; default 5
    /// minutes. A request that lives longer has its lease prolonged, unless [`io_timeout`](Self::io_timeout) is off; so it
    /// matters after a crash only. Clocks of servers
    /// may differ by less than half of it.
    pub fn flash_lease(mut self, lease: Duration) -> Self {
        self.settings.flash_lease = lease;
        self
    }

    /// How long after a login the CSRF token from before it is accepted too, for a form that stood open in another tab;
    /// default not at all (S51). [`new_csrf_token`](crate::Session::new_csrf_token) leaves nothing in any case.
    pub fn csrf_grace(mut self, grace: Duration) -> Self {
        self.settings.csrf_grace = grace;
        self
    }

    /// How long the store calls that open a session may take together, and again those that keep it, waiting for other
    /// writers of the same session included; `None` is for ever. Default 3 seconds. Needs a Tokio runtime with time.
    pub fn io_timeout(mut self, budget: impl Into<Option<Duration>>) -> Self {
        self.settings.io_timeout = budget.into();
        self
    }

    /// After how many calls in a row that could not reach the store, or had no answer in time, requests fail at once
    /// instead of waiting; `None` is never. Default 10. Once a second one is let through to see whether the store is back
    /// (S75).
    pub fn fail_fast_after(mut self, failures: impl Into<Option<u32>>) -> Self {
        self.settings.fail_fast_after = failures.into();
        self
    }

    /// Whether changes are kept when the handler answered 5xx or panicked; default true (S72). Logouts always
    /// are, and renewals with whatever response there is (S27).
    pub fn keep_on_error(mut self, keep: bool) -> Self {
        self.settings.keep_on_error = keep;
        self
    }

    /// What happens to a write that overwrites another unseen; default [`Overwrite::LastWins`].
    pub fn on_overwrite(mut self, policy: Overwrite) -> Self {
        self.settings.overwrite = policy;
        self
    }

    /// Another cookie. By default `__Host-Http-session` with `Path=/; Secure; HttpOnly; SameSite=Lax`, kept until the
    /// browser is closed; the session's [limits](Limits) say whether it is kept longer.
    pub fn cookie(mut self, cookie: CookieSettings) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Serves plain http, for development on another name than `localhost`: drops `Secure`, and the default cookie is
    /// called `session`.
    pub fn insecure_plain_http(mut self) -> Self {
        self.is_plain_http = true;
        self
    }

    /// Is told of what happens behind the answers, for counting. Runs in the request: keep it short.
    pub fn on_event(mut self, told: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.settings.on_event = Box::new(told);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Box::new(clock);
        self
    }

    /// Another source of tickets, for tests.
    pub fn random(mut self, random: impl Random) -> Self {
        self.settings.random = Arc::new(random);
        self
    }

    /// Checks all settings.
    ///
    /// # Errors
    /// [`ConfigError`] for a cookie that browsers would refuse, for a limit or a bound of zero, and for every other setting
    /// that cannot be served as it is given.
    pub fn build(mut self) -> Result<StoredFactory<S>, ConfigError>
    where
        S: Store,
    {
        self.settings.cookie = self.check()?;
        Ok(StoredFactory { inner: Arc::new(Inner::new(self.store, self.settings)) })
    }

    /// What [`build`](Self::build) checks, and the cookie that it has made then.
    pub(crate) fn check(&self) -> Result<CookieWriter, ConfigError> {
        self.settings.check()?;
        let default = if self.is_plain_http { PLAIN_NAME } else { NAME };
        let mut cookie = self.cookie.clone().unwrap_or_else(|| CookieSettings::new(default));
        if self.is_plain_http {
            cookie = cookie.secure(false);
        }
        let cookie = cookie.build()?;
        cookie.check_room(Ticket::TEXT_BYTES)?;
        Ok(cookie)
    }
}

impl Settings {
    /// Whether each can be served, and all together (R54).
    fn check(&self) -> Result<(), ConfigError> {
        self.limits.check()?;
        refuse(
            matches!((self.touch_after, self.limits.idle), (Some(after), Some(idle))
                if after >= idle && after != Duration::MAX),
            "touch_after",
            "is not shorter than the idle limit, so that no look would keep a session alive: give a \
             part of the limit, or `None` if only writes are to",
        )?;
        refuse(
            self.renew_every.is_some_and(is_nothing),
            "renew_every",
            "is zero, so that every request would have another ticket: give a span of time, or \
             `None` for never",
        )?;
        refuse(
            self.grace > MAX_GRACE,
            "grace",
            "is longer than 30 seconds, which is for how long a ticket that was renewed may open its \
             session: give that or less",
        )?;
        refuse(
            self.renew_every.is_some_and(|every| every < self.grace),
            "renew_every",
            "is shorter than the grace, which is 30 seconds unless set, so that tickets would be \
             renewed before the one before is dead: give a longer span, or a shorter grace",
        )?;
        refuse(
            is_nothing(self.flash_lease),
            "flash_lease",
            "is zero, so that two requests could show one message: give the time that a page takes",
        )?;
        refuse(
            self.io_timeout.is_some_and(|budget| budget.is_zero()),
            "io_timeout",
            "is zero, so that no store could answer in time: give a span of time, or `None` to wait \
             for ever",
        )?;
        let Bounds { bytes, keys, key_bytes, messages } = self.bounds;
        refuse(
            [bytes, keys, key_bytes, messages].contains(&0),
            "bounds",
            "have a zero, so that some writes could never be kept: give how much a session may hold, or take \
             the rest from `Bounds::DEFAULT`",
        )?;
        refuse(
            self.fail_fast_after == Some(0),
            "fail_fast_after",
            "is zero, so that a store would be left alone that never failed: give how many failures \
             in a row it takes, or `None` for never",
        )
    }
}

fn refuse(is_wrong: bool, setting: &'static str, reason: &'static str) -> Result<(), ConfigError> {
    if is_wrong { Err(ConfigError::Setting { setting, reason }) } else { Ok(()) }
}

/// Times are kept in whole microseconds.
const fn is_nothing(span: Duration) -> bool {
    span.as_micros() == 0
}
