//! Points in time and where they come from.
//!
//! Everything in the crate takes time as an argument; only [`SystemClock`] asks the machine. A test hands in
//! a clock of its own.

use std::time::{Duration, SystemTime};

const NANOS_PER_SEC: u32 = 1_000_000_000;
const MICROS_PER_SEC: i64 = 1_000_000;
/// The last second of the year 9999: a time further away than this is no time of a session.
const MAX_SECS: f64 = 253_402_300_799.0;

/// A point in time: seconds and nanoseconds since 1970-01-01 UTC.
///
/// ```
/// use cloakroom::Timestamp;
/// use std::time::Duration;
///
/// let created = Timestamp::from_secs(1_700_000_000);
/// assert_eq!(created.saturating_add(Duration::from_secs(60)).as_secs(), 1_700_000_060);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// The point `seconds` after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The point `seconds` after 1970-01-01 UTC, or `None` if that is not a number or not within ±9999 years.
    ///
    /// Exact to the nanosecond, so that a time near today survives the way to `f64` and back unchanged.
    #[must_use]
    pub fn from_secs_f64(seconds: f64) -> Option<Self> {
        if seconds.is_nan() || seconds.abs() > MAX_SECS {
            return None;
        }
        let whole = seconds.floor();
        let nanos = ((seconds - whole) * f64::from(NANOS_PER_SEC)).round() as u32;
        Some(Self {
            seconds: whole as i64 + i64::from(nanos / NANOS_PER_SEC),
            nanos: nanos % NANOS_PER_SEC,
        })
    }

    /// The end of the year 9999: for what has no end.
    pub const MAX: Self = Self::from_secs(MAX_SECS as i64);

    /// The point `micros` microseconds after 1970-01-01 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        let nanos = micros.rem_euclid(MICROS_PER_SEC) as u32 * 1_000;
        Self { seconds: micros.div_euclid(MICROS_PER_SEC), nanos }
    }

    /// Microseconds since 1970-01-01 UTC, rounded down, for stores and formats; the nearest there is if that is too
    /// far away for 64 bits.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.seconds.saturating_mul(MICROS_PER_SEC).saturating_add((self.nanos / 1_000) as i64)
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.seconds
    }

    /// Seconds since 1970-01-01 UTC with their fraction.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) / f64::from(NANOS_PER_SEC)
    }

    /// This point without its fraction of a second.
    #[must_use]
    pub const fn floor(self) -> Self {
        Self::from_secs(self.seconds)
    }

    /// How long after `earlier` this is; zero if it is before.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier {
            return Duration::ZERO;
        }
        let borrow = self.nanos < earlier.nanos;
        let seconds = self.seconds.saturating_sub(earlier.seconds) - i64::from(borrow);
        let nanos = self.nanos + if borrow { NANOS_PER_SEC } else { 0 } - earlier.nanos;
        Duration::new(seconds.unsigned_abs(), nanos)
    }

    /// The point `span` later; the end of time if that is too far away.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        let nanos = self.nanos + span.subsec_nanos();
        let seconds = i64::try_from(span.as_secs())
            .ok()
            .and_then(|secs| self.seconds.checked_add(secs))
            .and_then(|secs| secs.checked_add(i64::from(nanos / NANOS_PER_SEC)));
        seconds.map_or(Self { seconds: i64::MAX, nanos: 0 }, |seconds| Self {
            seconds,
            nanos: nanos % NANOS_PER_SEC,
        })
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self::from_secs(0).saturating_add(after),
            Err(before) => {
                let before = before.duration();
                let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
                match before.subsec_nanos() {
                    0 => Self::from_secs(-seconds),
                    nanos => Self { seconds: -seconds - 1, nanos: NANOS_PER_SEC - nanos },
                }
            }
        }
    }
}

/// Says what time it is. Factories ask once or a few times per request; [`SignedCookieFactory`](crate::SignedCookieFactory)
/// at each look at a session and each write, too, because its cookie carries the time of the last one.
///
/// ```
/// use cloakroom::{Timestamp, time::Clock};
///
/// let stopped = || Timestamp::from_secs(1_700_000_000);
/// assert_eq!(stopped.now().as_secs(), 1_700_000_000);
/// ```
pub trait Clock: Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that asks the machine
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_time_survives_the_round_trip() {
        for seconds in [0.0, 1.0, -0.25, 1_700_000_000.123_456_7, 1_699_990_000.125, 4e9 + 0.1] {
            let back = Timestamp::from_secs_f64(seconds).map(Timestamp::as_secs_f64);
            assert_eq!(back, Some(seconds));
        }
    }

    #[test]
    fn s25_no_time_at_all_is_refused_and_the_far_future_saturates() {
        for bad in [f64::NAN, f64::INFINITY, -f64::INFINITY, 1e300] {
            assert_eq!(Timestamp::from_secs_f64(bad), None);
        }
        let end = Timestamp::from_secs(i64::MAX - 1).saturating_add(Duration::MAX);
        assert_eq!(end.as_secs(), i64::MAX);
        assert_eq!(Timestamp::from_secs(i64::MIN).since(end), Duration::ZERO);
        assert_eq!(end.since(Timestamp::from_secs(i64::MIN)).as_secs(), i64::MAX as u64);
    }

    #[test]
    fn microseconds_survive_the_round_trip_and_saturate() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, -1_000_001, i64::MAX] {
            assert_eq!(Timestamp::from_micros(micros).as_micros(), micros);
        }
        assert_eq!(Timestamp::from_secs(i64::MAX).as_micros(), i64::MAX);
        assert_eq!(Timestamp::from_secs(i64::MIN).as_micros(), i64::MIN);
    }

    #[test]
    fn a_difference_borrows_from_the_seconds() {
        let late = Timestamp { seconds: 5, nanos: 100 };
        let early = Timestamp { seconds: 3, nanos: 200 };
        assert_eq!(late.since(early), Duration::new(1, 999_999_900));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
