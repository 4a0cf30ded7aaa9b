//! When connections were last made anew, because one of them said that it leads to a server which does not serve any more:
//! all that were made before lead there too, and would each say so to somebody else.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long connections are kept at least, whatever they say: a server that takes no writes for an hour says so to each.
const SPAN: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Renewal(Mutex<Option<Instant>>);

impl Renewal {
    /// Begins one, unless there was one just now.
    pub(super) fn begin(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= SPAN);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    /// Whether a connection was made before the last one.
    pub(super) fn is_before(&self, made: Instant) -> bool {
        self.last().is_some_and(|last| made < last)
    }

    /// Whether a connection was made after it, and it is too early for another one: no other connection will say
    /// something else.
    pub(super) fn is_too_early(&self, made: Instant) -> bool {
        self.last().is_some_and(|last| made >= last && last.elapsed() < SPAN)
    }

    fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
