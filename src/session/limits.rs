//! How long a session lives: arithmetic on times, nothing else.

use std::time::Duration;

use crate::{ConfigError, Timestamp};

/// How long a session lives without being used, and how long at all.
///
/// A factory has limits for all its sessions; [`Session::set_limits`](crate::Session::set_limits) gives one session
/// its own. Spans count to the microsecond; `None` is no limit, and so is what goes beyond the year 9999.
///
/// ```
/// use cloakroom::session::Limits;
/// use std::time::Duration;
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// let remembered = Limits { idle: Some(14 * DAY), absolute: Some(90 * DAY), persistent: true };
/// # cloakroom::Session::detached().set_limits(remembered).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the session lives without being used. A request uses it when it first looks at it, and when it keeps
    /// what it wrote; later looks of a long request do not count.
    pub idle: Option<Duration>,
    /// How long the session lives however much it is used, from [`created`](crate::Session::created) on.
    pub absolute: Option<Duration>,
    /// Whether the browser keeps the cookie when it is closed: until the absolute limit, and for 400 days at most, which is
    /// what browsers keep cookies for.
    pub persistent: bool,
}

impl Limits {
    /// 20 minutes without being used, 24 hours at most, gone when the browser is closed.
    pub const DEFAULT: Self = Self {
        idle: Some(Duration::from_secs(20 * 60)),
        absolute: Some(Duration::from_secs(24 * 60 * 60)),
        persistent: false,
    };

    /// When a session ends that was used `now` (S22, S24).
    pub(crate) fn end(&self, created: Timestamp, now: Timestamp) -> Timestamp {
        let idle = self.idle.map_or(Timestamp::MAX, |idle| now.saturating_add(idle));
        idle.min(self.latest_end(created))
    }

    /// How long a session lives that was used `now`, if it has any limit.
    pub(crate) fn left(&self, created: Timestamp, now: Timestamp) -> Option<Duration> {
        let is_limited = self.idle.is_some() || self.absolute.is_some();
        is_limited.then(|| self.end(created, now).since(now))
    }

    /// Whether sessions could live at all.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (limit, span) in [("idle", self.idle), ("absolute", self.absolute)] {
            // What is kept of a span is whole microseconds.
            if span.is_some_and(|span| span.as_micros() == 0) {
                return Err(ConfigError::Limit { limit });
            }
        }
        Ok(())
    }

    /// Whether a session that began then can live on `now`.
    pub(crate) fn check_age(&self, created: Timestamp, now: Timestamp) -> Result<(), ConfigError> {
        match self.absolute {
            Some(limit) if self.latest_end(created) <= now => {
                Err(ConfigError::Age { age: now.since(created), limit })
            }
            _ => Ok(()),
        }
    }

    /// When a session ends however much it is used.
    pub(crate) fn latest_end(&self, created: Timestamp) -> Timestamp {
        let end = self.absolute.map_or(Timestamp::MAX, |absolute| created.saturating_add(absolute));
        end.min(Timestamp::MAX)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
