//! What happened since the start, for tests that look behind the answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cloakroom::factory::Event;
use serde::Serialize;

/// Counts, shared by every clone.
#[derive(Clone, Default)]
pub(crate) struct Stats {
    requests: Arc<AtomicU64>,
    counts: Arc<Mutex<Counts>>,
}

/// What `/stats` answers, with the number of requests.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Counts {
    requests: u64,
    /// Operations that `/slow`, `/fail` and `/csrf/guarded` have done.
    steps: u64,
    store_calls: BTreeMap<&'static str, u64>,
    conflicts: u64,
    gone: u64,
    overwritten: u64,
    overwrites_refused: u64,
    refused: BTreeMap<&'static str, u64>,
    /// Requests that the guard refused, by its rules.
    forged: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// One more request, which has just begun.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// One more cookie that was refused for this reason.
    pub(crate) fn count_refused(&self, reason: &'static str) {
        self.count(|counts| counts.refused.entry(reason).or_default());
    }

    /// One more operation that `/slow`, `/fail` or `/csrf/guarded` has done.
    pub(crate) fn count_step(&self) {
        self.count(|counts| &mut counts.steps);
    }

    /// One more request that the guard refused by this rule.
    pub(crate) fn count_forged(&self, rule: &'static str) {
        self.count(|counts| counts.forged.entry(rule).or_default());
    }

    /// One more of what a factory noticed.
    pub(crate) fn count_event(&self, event: &Event<'_>) {
        match *event {
            Event::Refused(reason) => self.count_refused(reason.as_str()),
            Event::Conflict => self.count(|counts| &mut counts.conflicts),
            Event::Gone => self.count(|counts| &mut counts.gone),
            Event::Overwritten(_) => self.count(|counts| &mut counts.overwritten),
            Event::OverwriteRefused(_) => self.count(|counts| &mut counts.overwrites_refused),
            _ => {}
        }
    }

    /// All of them as they are now, with what the store counted.
    pub(crate) fn counts(&self, store_calls: BTreeMap<&'static str, u64>) -> Counts {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Counts { requests: self.requests.load(Ordering::Relaxed), store_calls, ..counts }
    }

    fn count(&self, which: impl FnOnce(&mut Counts) -> &mut u64) {
        // A count is whole even if another thread panicked while it held the lock.
        *which(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner)) += 1;
    }
}
