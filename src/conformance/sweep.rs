//! What a [`Sweep`] promises: what has expired goes, bit by bit, and nothing else does.

use std::sync::Arc;

use super::{any_key, create, long_ago, record};
use crate::store::{Record, Replaced, StoreKey, Sweep};
use crate::time::Timestamp;

suite! { $ sweep, Sweep, sweep_conformance, sweep_rules, run_sweep;
    what_has_expired_goes_and_the_rest_stays
    no_more_than_the_limit_goes_at_once
    what_was_swept_is_gone
}

/// Later than [`long_ago`], and earlier than every other time here.
fn now() -> Timestamp {
    Timestamp::from_secs(1_000_000_001)
}

async fn expired(store: &impl Sweep, count: usize) -> Vec<StoreKey> {
    let keys: Vec<StoreKey> = (0..count).map(|_| any_key()).collect();
    for key in &keys {
        create(store, key, &Record::new("data", long_ago(), None)).await;
    }
    keys
}

async fn left(store: &impl Sweep, keys: &[StoreKey]) -> usize {
    let mut left = 0;
    for key in keys {
        left += usize::from(store.load(key).await.expect("load answers").is_some());
    }
    left
}

/// Sweeps until nothing is left to do, and says how often.
async fn sweep_all(store: &impl Sweep, limit: usize) -> usize {
    for times in 1.. {
        let swept = store.sweep(now(), limit).await.expect("sweep answers");
        assert!(swept <= limit, "{swept} swept, {limit} allowed");
        if swept < limit {
            return times;
        }
    }
    unreachable!()
}

/// A live record and one that expires this very moment stay.
pub async fn what_has_expired_goes_and_the_rest_stays<S: Sweep>(store: Arc<S>) {
    let (live, this_moment) = (any_key(), any_key());
    create(&*store, &live, &record("live")).await;
    create(&*store, &this_moment, &Record::new("data", now(), None)).await;
    let keys = expired(&*store, 5).await;
    sweep_all(&*store, 100).await;
    assert_eq!(left(&*store, &keys).await, 0, "expired records are left");
    assert_eq!(left(&*store, &[live]).await, 1, "a live record was swept");
}

/// So that no sweep takes long.
pub async fn no_more_than_the_limit_goes_at_once<S: Sweep>(store: Arc<S>) {
    let keys = expired(&*store, 25).await;
    let before = left(&*store, &keys).await;
    let swept = store.sweep(now(), 10).await.expect("sweep answers");
    assert!(swept <= 10, "{swept} swept, 10 allowed");
    assert!(before - left(&*store, &keys).await <= 10, "more than the limit went");
    sweep_all(&*store, 10).await;
    assert_eq!(left(&*store, &keys).await, 0, "fewer than the limit, and some were left");
}

/// A slow request does not bring it back.
pub async fn what_was_swept_is_gone<S: Sweep>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &Record::new("data", long_ago(), None)).await;
    sweep_all(&*store, 100).await;
    let late = store.replace(&key, version, &record("late")).await;
    assert_eq!(late.expect("replace answers"), Replaced::Gone);
    assert_eq!(left(&*store, &[key]).await, 0);
}
