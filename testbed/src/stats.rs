//! What happened since the start, for tests that look behind the answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

/// Counts, shared by every clone.
#[derive(Clone, Default)]
pub(crate) struct Stats {
    requests: Arc<AtomicU64>,
    refused: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Stats {
    /// One more request, which has just begun.
    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// One more cookie that was refused for this reason.
    pub(crate) fn count_refused(&self, reason: &'static str) {
        // A count is whole even if another thread panicked while it held the lock.
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.entry(reason).or_default() += 1;
    }

    /// As JSON. A signed cookie has no store, so that nothing of a store is counted.
    pub(crate) fn as_json(&self) -> Value {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = self.requests.load(Ordering::Relaxed);
        json!({
            "requests": requests,
            "store_calls": {},
            "conflicts": 0,
            "gone": 0,
            "refused": *refused,
        })
    }
}
