//! When connections were last made anew, because one of them said that it leads to a server which does not serve any more:
//! all that were made before lead there too, and would each say so to somebody else. So are those that were made before one
//! that was asked whether it is there, and said nothing: whatever forgot it has forgotten them, too.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{Error, Result};
use tokio::time::timeout;

/// How long connections are kept at least that say they lead to the wrong server: one that takes no writes for an hour
/// says so on each.
const SPAN: Duration = Duration::from_secs(1);
/// How long a connection may take to say that it is there, while somebody waits for it.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a question has to wait before its being given up says anything.
const SUSPICIOUS: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Renewal {
    last: Mutex<Option<Instant>>,
    /// Whether it is known when a connection was made, and not only when a pool of others lent it.
    knows_ages: bool,
}

impl Renewal {
    pub(super) fn new(knows_ages: bool) -> Arc<Self> {
        Arc::new(Self { last: Mutex::new(None), knows_ages })
    }

    /// Begins one because of a connection that was made then, unless one has begun since.
    pub(super) fn begin(&self, made: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| made >= last);
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
        self.knows_ages && self.last().is_some_and(|last| made >= last && last.elapsed() < SPAN)
    }

    fn last(&self) -> Option<Instant> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question whether a connection is there.
struct Question<'a> {
    renewal: &'a Renewal,
    asked: Instant,
    is_answered: bool,
}

impl Drop for Question<'_> {
    /// Without an answer: also where whoever waits has less time than the answer may take.
    fn drop(&mut self) {
        if !self.is_answered && self.asked.elapsed() >= SUSPICIOUS {
            self.renewal.begin(self.asked);
        }
    }
}

impl Renewal {
    /// What a connection answers to a question; silence begins a renewal.
    pub(super) async fn unless_silent<T>(
        &self,
        question: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut asking = Question { renewal: self, asked: Instant::now(), is_answered: false };
        match timeout(ANSWER, question).await {
            Ok(answer) => {
                asking.is_answered = true;
                answer
            }
            Err(_) => Err(Error::Io(io::Error::new(ErrorKind::TimedOut, "it does not answer"))),
        }
    }
}
