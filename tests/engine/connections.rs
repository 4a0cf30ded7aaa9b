//! Connections of a store that has fewer than calls: who waits is served, and nobody gets another's answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{Created, Dialect, Index, Record, SqlStore, Store, StoreKey, Version};
use cloakroom_engines::{Proxy, Weather};
use futures_util::future::join_all;
use sqlx::pool::PoolOptions;

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

/// Connections that were forgotten on the way while nobody used them, and visits one after the other that have less time than
/// a question whether a connection is there may take: one of them finds out for all connections.
pub async fn assert_forgotten_connections_are_left_at_once(store: impl Store, proxy: &Proxy) {
    let first = key(0);
    assert_eq!(store.create(&first, &record(0)).await.unwrap(), Created::Done(Version::FIRST));
    // So that none is back before the next is lent.
    proxy.set(Weather::Delay(Duration::from_millis(50)));
    join_all((0..RECORDS).map(async |_| assert_own(&store, 0).await)).await;
    let opened = proxy.opened();
    assert!(opened >= 10, "{opened}");
    proxy.set(Weather::Lose);
    proxy.set(Weather::Fair);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let visit = || tokio::time::timeout(Duration::from_millis(500), store.load(&first));
    for given_up in 0.. {
        assert!(given_up < 5, "one for each connection");
        if visit().await.is_ok_and(|there| there.unwrap().is_some()) {
            return;
        }
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

/// Each call of a store, dropped after every number of polls that does not end it; the next one, on a store that has one
/// connection, gets its own answer.
async fn assert_no_answer_is_left_after_any_number_of_polls(store: impl Index) {
    fill(&store).await;
    let (there, absent, seen) = (key(0), key(RECORDS), Version::FIRST);
    let (known, other) = (record(0), Version::FIRST.next());
    drop_at_each_poll(&store, "load", || store.load(&there)).await;
    drop_at_each_poll(&store, "create", || store.create(&there, &known)).await;
    drop_at_each_poll(&store, "replace", || store.replace(&there, other, &known)).await;
    drop_at_each_poll(&store, "touch", || store.touch(&absent, seen, known.expires_at)).await;
    drop_at_each_poll(&store, "remove", || store.remove(&absent)).await;
    drop_at_each_poll(&store, "list", || store.list("ada")).await;
}

async fn drop_at_each_poll<T, F>(store: &impl Store, name: &str, call: impl Fn() -> F)
where
    F: Future<Output = cloakroom::store::Result<T>>,
{
    for polls in 1.. {
        assert!(polls < 1000, "{name} does not end");
        let is_over = polled(polls, call()).await.is_some();
        let absent = store.load(&key(RECORDS + 1)).await.unwrap();
        assert_eq!(absent, None, "another's answer after {polls} polls of {name}");
        assert_own(store, 1).await;
        if is_over {
            return;
        }
    }
}

/// Polls a call so often, each time when it was woken, and gives it up unless it has ended.
async fn polled<T>(times: usize, call: impl Future<Output = T>) -> Option<T> {
    let (mut call, mut polls) = (pin!(call), 0);
    poll_fn(|context| {
        polls += 1;
        match call.as_mut().poll(context) {
            Poll::Pending if polls < times => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
        }
    })
    .await
}

/// The same on a connection of the store's own, and on one of the application's, to two tables of this server.
pub async fn assert_no_answer_is_left_on_any_pool<D: Dialect>(url: &str, tables: [&str; 2]) {
    // Every piece of an answer is a poll.
    let proxy = Proxy::to(url).unwrap();
    proxy.set(Weather::Drip);
    let (url, [own, given]) = (proxy.before(url), tables);
    let options = SqlStore::<D>::options(&url).table(own).max_connections(1);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    assert_no_answer_is_left_after_any_number_of_polls(store).await;
    let pool = PoolOptions::<D>::new().max_connections(1).connect(&url).await.unwrap();
    let store = SqlStore::on(pool, given).unwrap();
    assert_no_answer_is_left_after_any_number_of_polls(store).await;
}
