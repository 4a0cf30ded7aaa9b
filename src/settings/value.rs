//! A setting's value as files and the environment have it: as itself, or as text.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::cookie::SameSite;

/// Seconds, or `never`.
pub(super) struct Span(pub(super) Option<Duration>);

/// Seconds that come to an end, and are some.
pub(super) struct Wait(pub(super) Duration);

/// `true` or `false`.
pub(super) struct Flag(pub(super) bool);

pub(super) struct Count(pub(super) u32);

/// A number, or `never`.
pub(super) struct Limit(pub(super) Option<u32>);

pub(super) struct Site(pub(super) SameSite);

impl Span {
    fn of_text(text: &str) -> Option<Self> {
        match text {
            "never" => Some(Self(None)),
            _ => Self::of_seconds(text.parse().ok()?),
        }
    }

    fn of_seconds(seconds: f64) -> Option<Self> {
        Duration::try_from_secs_f64(seconds).ok().map(|span| Self(Some(span)))
    }
}

impl Wait {
    fn of_text(text: &str) -> Option<Self> {
        Self::of_seconds(text.parse().ok()?)
    }

    fn of_seconds(seconds: f64) -> Option<Self> {
        let span = Duration::try_from_secs_f64(seconds).ok();
        span.filter(|span| !span.is_zero()).map(Self)
    }
}

impl Flag {
    fn of_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl Count {
    fn of_text(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number| *number > 0).map(Self)
    }

    fn of_number(number: f64) -> Option<Self> {
        (number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number))
            .then_some(Self(number as u32))
    }
}

impl Limit {
    fn of_text(text: &str) -> Option<Self> {
        match text {
            "never" => Some(Self(None)),
            _ => Count::of_text(text).map(|count| Self(Some(count.0))),
        }
    }
}

impl Site {
    fn of_text(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "strict" => Some(Self(SameSite::Strict)),
            "lax" => Some(Self(SameSite::Lax)),
            "none" => Some(Self(SameSite::None)),
            _ => None,
        }
    }
}

/// How a value is read: from text, and where it has one from a number or a truth value.
struct Reader<T> {
    expecting: &'static str,
    text: fn(&str) -> Option<T>,
    number: fn(f64) -> Option<T>,
    truth: fn(bool) -> Option<T>,
}

impl<T> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text).ok_or_else(|| E::custom(format!("{text:?} is not {}", self.expecting)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        (self.number)(number)
            .ok_or_else(|| E::custom(format!("{number} is not {}", self.expecting)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_f64(number as f64)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<T, E> {
        (self.truth)(truth).ok_or_else(|| E::custom(format!("{truth} is not {}", self.expecting)))
    }
}

macro_rules! read_by {
    ($value:ty, $reader:expr) => {
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($reader)
            }
        }
    };
}

read_by!(
    Span,
    Reader {
        expecting: "a number of seconds, or \"never\"",
        text: Span::of_text,
        number: Span::of_seconds,
        truth: |_| None,
    }
);
read_by!(
    Wait,
    Reader {
        expecting: "a number of seconds above 0",
        text: Wait::of_text,
        number: Wait::of_seconds,
        truth: |_| None,
    }
);
read_by!(
    Flag,
    Reader {
        expecting: "true or false",
        text: Flag::of_text,
        number: |_| None,
        truth: |truth| Some(Flag(truth)),
    }
);
read_by!(
    Count,
    Reader {
        expecting: "a whole number above 0",
        text: Count::of_text,
        number: Count::of_number,
        truth: |_| None,
    }
);
read_by!(
    Limit,
    Reader {
        expecting: "a whole number above 0, or \"never\"",
        text: Limit::of_text,
        number: |number| Count::of_number(number).map(|count| Limit(Some(count.0))),
        truth: |_| None,
    }
);
read_by!(
    Site,
    Reader {
        expecting: "strict, lax or none",
        text: Site::of_text,
        number: |_| None,
        truth: |_| None,
    }
);
