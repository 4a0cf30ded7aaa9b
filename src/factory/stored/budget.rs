//! The time that one request's calls may take together: store calls, waiting for its turn, pauses between attempts.

use std::future::{Future, poll_fn};
use std::hash::BuildHasher;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use tokio::time::{Instant, sleep, sleep_until};

/// The longest pause after a lost attempt.
const LONGEST_PAUSE: Duration = Duration::from_millis(64);
/// How often is tried where there is no limit in time.
const ATTEMPTS: u32 = 12_800;

/// Time that runs from the first moment on at which somebody has to wait.
pub(super) struct Budget {
    span: Option<Duration>,
    end: OnceLock<Instant>,
}

/// What one wait may take of it.
#[derive(Clone, Copy)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    /// Of the time that is left.
    quarters: u32,
}

impl<'a> From<&'a Budget> for Share<'a> {
    fn from(budget: &'a Budget) -> Self {
        Self { budget, quarters: 4 }
    }
}

impl Share<'_> {
    /// Does `work` unless the share runs out.
    pub(super) async fn within<T>(self, work: impl Future<Output = T>) -> Option<T> {
        let (mut work, mut timer) = (pin!(work), None);
        poll_fn(|context| {
            let done = work.as_mut().poll(context).map(Some);
            let (Poll::Pending, Some(end)) = (&done, self.budget.end()) else { return done };
            // Set only now: a store in memory answers at once, in less time than a timer takes.
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(self.end(end))));
            timer.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Whether it is spent: what is begun now would be given up at once.
    pub(super) fn is_over(self) -> bool {
        self.budget.end.get().is_some_and(|end| Instant::now() >= *end)
    }

    fn end(self, end: Instant) -> Instant {
        let left = end.saturating_duration_since(Instant::now());
        end.checked_sub(left / 4 * (4 - self.quarters)).unwrap_or(end)
    }
}

impl Budget {
    pub(super) const fn new(span: Option<Duration>) -> Self {
        Self { span, end: OnceLock::new() }
    }

    /// For a write: when it has no answer, there is to be time for a look at what came of it.
    pub(super) const fn most(&self) -> Share<'_> {
        Share { budget: self, quarters: 3 }
    }

    /// Does `work` unless time runs out.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        Share::from(self).within(work).await
    }

    /// Lets those go first who won the last `attempts`, a little longer each time, and says whether there is time for
    /// another one.
    pub(super) async fn pause(&self, attempts: u32) -> bool {
        let Some(end) = self.end() else { return attempts < ATTEMPTS };
        if Instant::now() >= end {
            return false;
        }
        // At random, so that processes that lost together do not try again together.
        let longest = Duration::from_millis(1 << attempts.min(6)).min(LONGEST_PAUSE);
        let part = DefaultHashBuilder::default().hash_one(attempts) as u32;
        let pause = longest.mul_f64(f64::from(part) / f64::from(u32::MAX));
        self.within(sleep(pause)).await.is_some()
    }

    fn end(&self) -> Option<Instant> {
        let span = self.span?;
        let end = || {
            let now = Instant::now();
            // Further away than a clock counts is never.
            now.checked_add(span).unwrap_or(now + Duration::from_secs(u32::MAX.into()))
        };
        Some(*self.end.get_or_init(end))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn s75_all_waits_together_take_no_longer_than_the_budget() {
        let (budget, begun) = (Budget::new(Some(Duration::from_secs(3))), Instant::now());
        assert_eq!(budget.within(sleep(Duration::from_secs(2))).await, Some(()));
        assert_eq!(budget.within(pending::<()>()).await, None);
        assert_eq!(budget.within(pending::<()>()).await, None);
        assert!(!budget.pause(1).await);
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(budget.within(async { 7 }).await, Some(7), "what needs no time is done");
    }

    #[tokio::test(start_paused = true)]
    async fn s75_pauses_go_on_until_the_budget_is_spent() {
        let (budget, begun) = (Budget::new(Some(Duration::from_secs(3))), Instant::now());
        let mut attempts = 0;
        while budget.pause(attempts).await {
            attempts += 1;
        }
        assert!(attempts > 40, "{attempts} attempts");
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test]
    async fn without_a_limit_attempts_are_counted() {
        let budget = Budget::new(None);
        assert!(budget.pause(0).await && budget.pause(ATTEMPTS - 1).await);
        assert!(!budget.pause(ATTEMPTS).await);
    }
}
