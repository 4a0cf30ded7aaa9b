//! How many calls are under way that nobody waits for any more.
//!
//! A write that was sent cannot be called off, so its task stays until the foreign store has answered. Where that never
//! happens, there would be more of them with each request: beyond [`MOST`] no further one begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::store::{Result, StoreError, StoreErrorKind};

/// A foreign store that leaves so many calls without an answer hangs. Each holds one record in memory.
const MOST: usize = 256;

/// The count. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct GivenUp(Arc<AtomicUsize>);

/// Kept by whoever waits for a call's answer.
pub(super) struct Caller(Call);

/// Kept by the task that does it.
pub(super) struct Doing(Call);

#[derive(Clone)]
struct Call {
    given_up: GivenUp,
    is_one_gone: Arc<AtomicBool>,
}

impl GivenUp {
    /// For a call that is about to be made.
    ///
    /// # Errors
    /// `Unavailable` if there are too many already.
    pub(super) fn begin(&self) -> Result<(Caller, Doing)> {
        if self.0.load(Ordering::Relaxed) >= MOST {
            let cause = format!("{MOST} calls that nobody waits for any more have no answer yet");
            return Err(StoreError::new(StoreErrorKind::Unavailable, cause));
        }
        let call = Call { given_up: self.clone(), is_one_gone: Arc::default() };
        Ok((Caller(call.clone()), Doing(call)))
    }
}

impl Call {
    /// Whether the other one has left before.
    fn leave(&self) -> bool {
        self.is_one_gone.swap(true, Ordering::AcqRel)
    }

    fn count(&self) -> &AtomicUsize {
        &self.given_up.0
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Counted before it is known, so that the task never takes off what was not put on.
        self.0.count().fetch_add(1, Ordering::Relaxed);
        if self.0.leave() {
            self.0.count().fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if self.0.leave() {
            self.0.count().fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_from_when_its_caller_leaves_until_it_has_ended() {
        let given_up = GivenUp::default();
        let count = || given_up.0.load(Ordering::Relaxed);
        let (caller, doing) = given_up.begin().unwrap();
        drop(doing);
        drop(caller);
        assert_eq!(count(), 0, "it was waited for");
        let (caller, doing) = given_up.begin().unwrap();
        assert_eq!(count(), 0, "somebody waits");
        drop(caller);
        assert_eq!(count(), 1);
        drop(doing);
        assert_eq!(count(), 0);
    }
}
