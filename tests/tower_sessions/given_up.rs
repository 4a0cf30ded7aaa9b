//! Calls to a foreign store that hangs: what was given up comes before what follows it, and only of the same record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use cloakroom::Timestamp;
use cloakroom::store::{
    Created, LastWriteWins, Record, Replaced, Store, StoreErrorKind, StoreKey, Touched, Version,
};
use tokio::sync::Semaphore;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record as Foreign};
use tower_sessions_core::session_store::Result;
use tower_sessions_memory_store::MemoryStore;

/// Saves nothing while it hangs, and everything that it was asked for when it goes on.
#[derive(Debug, Clone)]
struct Hanging {
    inner: MemoryStore,
    hangs: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
    saves: Arc<AtomicUsize>,
}

impl Hanging {
    fn new() -> Self {
        let (hangs, gate, saves) = (Arc::default(), Arc::new(Semaphore::new(0)), Arc::default());
        Self { inner: MemoryStore::default(), hangs, gate, saves }
    }

    fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    /// From now on it does not hang, but what it was asked before has not ended.
    fn answer_others(&self) {
        self.hangs.store(false, Ordering::Relaxed);
    }

    fn go_on(&self) {
        self.answer_others();
        self.gate.add_permits(1);
    }

    fn saves(&self) -> usize {
        self.saves.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SessionStore for Hanging {
    async fn create(&self, record: &mut Foreign) -> Result<()> {
        self.inner.create(record).await
    }

    async fn save(&self, record: &Foreign) -> Result<()> {
        self.saves.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            let _ = self.gate.acquire().await.unwrap();
        }
        self.inner.save(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Foreign>> {
        self.inner.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.inner.delete(id).await
    }
}

/// All of one first byte, each with its number.
fn key(number: usize) -> StoreKey {
    StoreKey::from_bytes((number as u128).to_be_bytes())
}

fn record(data: &'static str) -> Record {
    Record::new(data, end(0), None)
}

fn end(seconds: i64) -> Timestamp {
    Timestamp::from_secs(4_102_444_800 + seconds)
}

/// With `count` records on it.
async fn with(count: usize) -> (Hanging, LastWriteWins<Hanging>) {
    let foreign = Hanging::new();
    let store = LastWriteWins::new(foreign.clone());
    for number in 0..count {
        let created = store.create(&key(number), &record("a")).await.unwrap();
        assert_eq!(created, Created::Done(Version::FIRST));
    }
    (foreign, store)
}

/// Asks for as long as anything goes on, and then gives the call up.
async fn ask<T>(call: impl Future<Output = T>) -> Option<T> {
    let mut call = std::pin::pin!(call);
    for _ in 0..20 {
        if let Poll::Ready(answer) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(answer);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test]
async fn s69_a_load_after_a_call_that_was_given_up_sees_what_became_of_it() {
    let (foreign, store) = with(1).await;
    foreign.hang();
    assert!(ask(store.replace(&key(0), Version::FIRST, &record("b"))).await.is_none());
    assert_eq!(foreign.saves(), 1, "it is under way");
    assert!(ask(store.load(&key(0))).await.is_none(), "nobody knows yet");
    foreign.go_on();
    assert_eq!(store.load(&key(0)).await.unwrap().unwrap().record, record("b"));
}

#[tokio::test]
async fn s69_later_calls_wait_for_one_that_was_given_up() {
    let (foreign, store) = with(1).await;
    foreign.hang();
    assert!(ask(store.replace(&key(0), Version::FIRST, &record("b"))).await.is_none());
    foreign.answer_others();
    let clone = store.clone();
    let late = tokio::spawn(async move {
        let second = clone.load(&key(0)).await.unwrap().unwrap().version;
        clone.replace(&key(0), second, &record("c")).await
    });
    assert!(ask(store.remove(&key(0))).await.is_none(), "it waits");
    foreign.go_on();
    assert!(matches!(late.await.unwrap().unwrap(), Replaced::Done(_)));
    assert!(store.remove(&key(0)).await.unwrap(), "the one that was given up did nothing");
}

#[tokio::test]
async fn s75_a_call_that_hangs_holds_up_no_other_session() {
    let (foreign, store) = with(300).await;
    foreign.hang();
    assert!(ask(store.replace(&key(0), Version::FIRST, &record("b"))).await.is_none());
    foreign.answer_others();
    for number in 1..300 {
        let replaced = ask(store.replace(&key(number), Version::FIRST, &record("b"))).await;
        assert!(matches!(replaced, Some(Ok(Replaced::Done(_)))), "{number}: {replaced:?}");
        assert!(matches!(ask(store.load(&key(number))).await, Some(Ok(Some(_)))), "{number}");
        assert!(matches!(ask(store.remove(&key(number))).await, Some(Ok(true))), "{number}");
    }
}

#[tokio::test]
async fn s75_calls_that_wait_for_one_that_hangs_leave_nothing_behind() {
    let (foreign, store) = with(1).await;
    foreign.hang();
    for later in 1..=1000 {
        assert!(ask(store.touch(&key(0), Version::FIRST, end(later))).await.is_none());
    }
    foreign.go_on();
    assert_eq!(store.load(&key(0)).await.unwrap().unwrap().record.expires_at, end(1));
    let touched = store.touch(&key(0), Version::FIRST, end(7)).await.unwrap();
    assert_eq!((touched, foreign.saves()), (Touched::Done, 2));
}

#[tokio::test]
async fn s75_no_more_calls_hang_than_can_be_borne_and_all_is_well_afterwards() {
    let (foreign, store) = with(1000).await;
    foreign.hang();
    let mut refused = None;
    for number in 0..999 {
        match ask(store.replace(&key(number), Version::FIRST, &record("b"))).await {
            None => {}
            Some(answer) => {
                refused = Some(answer.unwrap_err());
                break;
            }
        }
    }
    let refused = refused.expect("calls pile up");
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    assert_eq!(foreign.saves(), 256);
    assert!(ask(store.load(&key(999))).await.unwrap().unwrap().is_some(), "reading does no harm");
    foreign.go_on();
    for number in 0..256 {
        assert_eq!(store.load(&key(number)).await.unwrap().unwrap().record, record("b"));
    }
    let replaced = store.replace(&key(999), Version::FIRST, &record("b")).await.unwrap();
    assert!(matches!(replaced, Replaced::Done(_)));
}
