//! The breaker: a store that does not answer is left alone for a while, so that nobody waits for it in vain (S75).
//!
//! Closed, it lets every call through. After so many failures in a row that the store seems to be gone, it opens: calls
//! fail at once. After a pause it lets one call through, whose answer closes it, or begins another pause.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::{Result, StoreErrorKind};

/// What [`fail_fast_after`](super::StoredBuilder::fail_fast_after) is by default.
pub(super) const FAILURES: u32 = 10;
/// How long nobody is let through.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Breaker {
    /// How many failures in a row open it; none if it never does.
    limit: Option<u32>,
    failures: AtomicU32,
    /// When the next call is let through while it is open.
    next_try: Mutex<Instant>,
}

impl Breaker {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self { limit, failures: AtomicU32::new(0), next_try: Mutex::new(Instant::now()) }
    }

    /// Whether a call may be made now.
    pub(super) fn admits(&self) -> bool {
        if !self.is_open() {
            return true;
        }
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_time = now >= *next_try;
        if is_time {
            *next_try = now + PAUSE;
        }
        is_time
    }

    /// Takes note of how a call ended. A store that refuses is there.
    pub(super) fn note<T>(&self, answer: &Result<T>) {
        use StoreErrorKind::{TimedOut, Unavailable};
        let is_down =
            answer.as_ref().is_err_and(|error| matches!(error.kind(), TimedOut | Unavailable));
        match (is_down, self.failures.load(Ordering::Relaxed)) {
            (false, 0) => {}
            (false, _) => {
                if self.is_open() {
                    tracing::info!("the session store answers again");
                }
                self.failures.store(0, Ordering::Relaxed);
            }
            (true, _) => self.failed(),
        }
    }

    fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if Some(failures) == self.limit {
            *self.next_try.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + PAUSE;
            tracing::warn!(failures, "the session store does not answer: requests fail at once");
        }
    }

    fn is_open(&self) -> bool {
        self.limit.is_some_and(|limit| self.failures.load(Ordering::Relaxed) >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Result<()> {
        Err(StoreErrorKind::TimedOut.into())
    }

    #[tokio::test(start_paused = true)]
    async fn s75_it_opens_lets_one_through_after_the_pause_and_closes_on_an_answer() {
        let breaker = Breaker::new(Some(3));
        for _ in 0..3 {
            assert!(breaker.admits());
            breaker.note(&down());
        }
        assert!(!breaker.admits());
        tokio::time::advance(PAUSE).await;
        assert!(breaker.admits());
        assert!(!breaker.admits(), "one at a time");
        breaker.note(&down());
        assert!(!breaker.admits());
        // Even if who was let through never says how it went.
        tokio::time::advance(PAUSE).await;
        assert!(breaker.admits());
        breaker.note(&Ok(()));
        assert!(breaker.admits() && breaker.admits());
    }

    #[tokio::test(start_paused = true)]
    async fn s75_answers_between_failures_keep_it_closed_and_a_refusal_is_an_answer() {
        let breaker = Breaker::new(Some(2));
        for answer in
            [Ok(()), Err(StoreErrorKind::Rejected.into()), Err(StoreErrorKind::Corrupt.into())]
        {
            breaker.note(&down());
            breaker.note(&answer);
            breaker.note(&down());
            assert!(breaker.admits(), "{answer:?}");
            breaker.note(&Ok(()));
        }
        let never = Breaker::new(None);
        (0..100).for_each(|_| never.note(&down()));
        assert!(never.admits());
    }
}
