//! What a [`Scan`] promises: what is there all the time is seen, and pages come to an end.

use std::collections::HashMap;
use std::sync::Arc;

use super::{any_key, create, record};
use crate::store::{Scan, StoreKey, Stored};

suite! { $ scan, Scan, scan_conformance, scan_rules, run_scan;
    every_record_is_on_a_page_as_it_is
    what_comes_and_goes_meanwhile_hides_nothing
}

/// Goes through all pages. Between them, records come and go if `is_busy`.
async fn scan_all<S: Scan>(store: &S, limit: usize, is_busy: bool) -> HashMap<StoreKey, Stored> {
    let (mut seen, mut cursor, mut last) = (HashMap::new(), None, None);
    for _ in 0..100_000 {
        let page = store.scan(cursor.as_ref(), limit).await.expect("scan answers");
        seen.extend(page.records.into_iter().map(|listed| (listed.key, listed.stored)));
        cursor = page.next;
        if cursor.is_none() {
            return seen;
        }
        if is_busy {
            if let Some(last) = last {
                store.remove(&last).await.expect("remove answers");
            }
            let key = any_key();
            create(store, &key, &record("comes and goes")).await;
            last = Some(key);
        }
    }
    panic!("there is always another page");
}

/// In pages of any size, even of none.
pub async fn every_record_is_on_a_page_as_it_is<S: Scan>(store: Arc<S>) {
    let keys: Vec<StoreKey> = (0..25).map(|_| any_key()).collect();
    for (number, key) in keys.iter().enumerate() {
        create(&*store, key, &record(format!("{number}"))).await;
    }
    for limit in [0, 1, 7, 25, 1000] {
        let seen = scan_all(&*store, limit, false).await;
        for (number, key) in keys.iter().enumerate() {
            let stored = seen.get(key).expect("a record is on no page");
            assert_eq!(stored.record, record(format!("{number}")));
        }
    }
}

/// Only what was there from beginning to end is sure to be seen.
pub async fn what_comes_and_goes_meanwhile_hides_nothing<S: Scan>(store: Arc<S>) {
    let keys: Vec<StoreKey> = (0..40).map(|_| any_key()).collect();
    for key in &keys {
        create(&*store, key, &record("stays")).await;
    }
    let seen = scan_all(&*store, 5, true).await;
    assert!(keys.iter().all(|key| seen.contains_key(key)), "a record is on no page");
}
