//! Points in time and where they come from.
//!
//! Everything in the crate takes time as an argument; only [`SystemClock`] asks the machine. A test hands in
//! a clock of its own.

use std::fmt;
use std::time::{Duration, SystemTime};

const NANOS_PER_SEC: u32 = 1_000_000_000;
const MICROS_PER_SEC: i64 = 1_000_000;
const SECS_PER_DAY: i64 = 24 * 60 * 60;
/// The last second of the year 9999: a time further away than this is no time of a session.
const MAX_SECS: f64 = 253_402_300_799.0;

/// A point in time: seconds and nanoseconds since 1970-01-01 UTC.
///
/// Prints as RFC 3339 has it, in UTC and with as much of a fraction as there is.
///
/// ```
/// use cloakroom::Timestamp;
/// use std::time::{Duration, SystemTime};
///
/// let created = Timestamp::from_secs(1_700_000_000);
/// assert_eq!(created.saturating_add(Duration::from_secs(60)).as_secs(), 1_700_000_060);
/// assert_eq!(created.to_string(), "2023-11-14T22:13:20Z");
/// assert_eq!(SystemTime::from(created), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
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

    /// This point without what is finer than microseconds.
    #[must_use]
    pub(crate) const fn floor_micros(self) -> Self {
        Self { seconds: self.seconds, nanos: self.nanos / 1_000 * 1_000 }
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
        // Both are less than a second.
        let (carried, nanos) =
            if nanos < NANOS_PER_SEC { (0, nanos) } else { (1, nanos - NANOS_PER_SEC) };
        let seconds = i64::try_from(span.as_secs())
            .ok()
            .and_then(|secs| self.seconds.checked_add(secs))
            .and_then(|secs| secs.checked_add(carried));
        seconds.map_or(Self { seconds: i64::MAX, nanos: 0 }, |seconds| Self { seconds, nanos })
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => Self {
                seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
                nanos: after.subsec_nanos(),
            },
            Err(before) => {
                let before = before.duration();
                let seconds = 0_i64.saturating_sub_unsigned(before.as_secs());
                match before.subsec_nanos() {
                    0 => Self::from_secs(seconds),
                    nanos => match seconds.checked_sub(1) {
                        Some(seconds) => Self { seconds, nanos: NANOS_PER_SEC - nanos },
                        None => Self::from_secs(i64::MIN),
                    },
                }
            }
        }
    }
}

impl From<Timestamp> for SystemTime {
    /// The same point, or the nearest one that the machine's clock can show.
    fn from(time: Timestamp) -> Self {
        let whole = Duration::from_secs(time.seconds.unsigned_abs());
        let nanos = Duration::from_nanos(time.nanos.into());
        if time.seconds < 0 {
            // The fraction counts forwards, and what is clamped has none.
            let start = Self::UNIX_EPOCH.checked_sub(whole);
            return start.map_or_else(|| furthest(Self::checked_sub), |start| start + nanos);
        }
        let end = Self::UNIX_EPOCH.checked_add(whole).and_then(|time| time.checked_add(nanos));
        end.unwrap_or_else(|| furthest(Self::checked_add))
    }
}

/// The last point that whole seconds lead to from 1970: these are fewer on some machines than on others.
fn furthest(go: fn(&SystemTime, Duration) -> Option<SystemTime>) -> SystemTime {
    let steps = (0..64).rev().map(|bit| Duration::from_secs(1 << bit));
    steps.fold(SystemTime::UNIX_EPOCH, |time, step| go(&time, step).unwrap_or(time))
}

impl fmt::Display for Timestamp {
    /// RFC 3339, in UTC: `2026-11-27T15:39:43Z`, with a fraction only if there is one. A year that has not four
    /// digits, which RFC 3339 does not know, has a sign: `+10000-01-01T00:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(SECS_PER_DAY));
        let of_day = self.seconds.rem_euclid(SECS_PER_DAY);
        match year {
            0..=9999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+05}")?,
        }
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos > 0 {
            write!(f, ".{}", format!("{:09}", self.nanos).trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01.
const fn date(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day is the last of its year, and eras of 400 years, which all have
    // as many days, in March of the year 0.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    // One leap day each 4 years, none each 100, one at the end of the era.
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    // Five months have 153 days, over and over.
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    (era * 400 + year + is_next_year as i64, month, day)
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
    fn a_time_prints_as_rfc_3339_has_it() {
        for (seconds, nanos, printed) in [
            (1_795_793_983, 0, "2026-11-27T15:39:43Z"),
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 0, "1969-12-31T23:59:59Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400, 250_000_000, "2000-02-29T00:00:00.25Z"),
            (951_868_800, 1_000, "2000-03-01T00:00:00.000001Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (-11_644_473_600, 0, "1601-01-01T00:00:00Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00Z"),
            (-62_167_219_201, 0, "-0001-12-31T23:59:59Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59Z"),
            (253_402_300_800, 0, "+10000-01-01T00:00:00Z"),
            (i64::MAX, 0, "+292277026596-12-04T15:30:07Z"),
            (i64::MIN, 0, "-292277022657-01-27T08:29:52Z"),
        ] {
            assert_eq!(Timestamp { seconds, nanos }.to_string(), printed);
        }
    }

    #[test]
    fn each_day_of_four_centuries_follows_the_one_before() {
        let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(date(days), (year, month, day));
            let last = match month {
                2 => 28 + i64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (month, day) = if day == last { (month + 1, 1) } else { (month, day + 1) };
            (year, month) = if month > 12 { (year + 1, 1) } else { (year, month) };
        }
    }

    #[test]
    fn the_machines_time_comes_back_and_no_time_is_too_far_away() {
        for (seconds, nanos) in
            [(0, 0), (1_700_000_000, 5), (-1, 999_999_999), (-7, 0), (i64::MIN, 0), (i64::MAX, 7)]
        {
            let time = Timestamp { seconds, nanos };
            let machines = SystemTime::from(time);
            let is_far = seconds.unsigned_abs() > 1 << 40; // where machines differ
            assert!(Timestamp::from(machines) == time || is_far, "{time:?}");
            assert_eq!(machines < SystemTime::UNIX_EPOCH, seconds < 0, "{time:?}");
        }
        // A clock with fewer seconds than ours.
        let narrow = |time: &SystemTime, step: Duration| {
            let next = time.checked_add(step)?;
            (next <= SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_003)).then_some(next)
        };
        assert_eq!(furthest(narrow), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_003));
    }

    #[test]
    fn a_difference_borrows_from_the_seconds() {
        let late = Timestamp { seconds: 5, nanos: 100 };
        let early = Timestamp { seconds: 3, nanos: 200 };
        assert_eq!(late.since(early), Duration::new(1, 999_999_900));
        assert_eq!(early.since(late), Duration::ZERO);
    }
}
