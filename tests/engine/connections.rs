//! Connections of a store that has fewer than calls: who waits is served, and nobody gets another's answer.

use std::task::{Context, Waker};

use cloakroom::Timestamp;
use cloakroom::store::{Created, Record, Store, StoreKey, Version};

const RECORDS: u8 = 32;

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

/// A record that says which one it is.
fn record(number: u8) -> Record {
    Record::new(vec![number; 100], Timestamp::from_secs(4_102_444_800), None)
}

async fn assert_own(store: &impl Store, number: u8) {
    let stored = store.load(&key(number)).await.unwrap().unwrap();
    assert_eq!(stored.record.data, record(number).data, "another's answer");
}

pub async fn fill(store: &impl Store) {
    for number in 0..RECORDS {
        let created = store.create(&key(number), &record(number)).await.unwrap();
        assert_eq!(created, Created::Done(Version::FIRST));
    }
}

/// All at once, and again: every call gets a connection, and its own answer.
pub async fn assert_more_calls_than_connections_are_served(store: impl Store + Clone) {
    fill(&store).await;
    let calls = (0..20 * usize::from(RECORDS)).map(|call| {
        let store = store.clone();
        tokio::spawn(async move { assert_own(&store, call as u8 % RECORDS).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

/// Calls that are given up after each of their first steps, with others behind them on the same connections.
pub async fn assert_a_call_given_up_leaves_no_answer_behind(store: impl Store + Clone) {
    fill(&store).await;
    for round in 0..100 {
        for steps in 1..=3 {
            let given_up = key((round + steps) % RECORDS);
            let mut call = Box::pin(store.load(&given_up));
            for _ in 0..steps {
                // With a waker that wakes nobody: what comes in between is the test's own doing.
                if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_micros(300)).await;
            }
            drop(call);
            assert_own(&store, round % RECORDS).await;
        }
    }
}
