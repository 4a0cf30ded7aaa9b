//! The suites on a store of tower-sessions, and what it cannot hold.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::task::{Context, Waker};

use async_trait::async_trait;
use cloakroom::Timestamp;
use cloakroom::store::{
    Created, LastWriteWins, Record, Replaced, Store, StoreErrorKind, StoreKey, Version,
};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record as Foreign};
use tower_sessions_core::session_store::{Error, Result};
use tower_sessions_memory_store::MemoryStore;

#[path = "tower_sessions/given_up.rs"]
mod given_up;

async fn open() -> LastWriteWins<Slow> {
    LastWriteWins::new(Slow(MemoryStore::default()))
}

cloakroom::store_conformance!(open());
cloakroom::store_races!(open());
cloakroom::store_endurance!(open());

fn key() -> StoreKey {
    StoreKey::from_bytes([0xfe; 16])
}

fn record(data: &'static str) -> Record {
    Record::new(data, Timestamp::from_secs(4_102_444_800), None)
}

/// Two processes on one store: each has locks of its own.
async fn two_processes() -> (LastWriteWins<Slow>, LastWriteWins<Slow>) {
    let store = Slow(MemoryStore::default());
    let one = LastWriteWins::new(store.clone());
    assert_eq!(one.create(&key(), &record("a")).await.unwrap(), Created::Done(Version::FIRST));
    (one, LastWriteWins::new(store))
}

#[tokio::test]
async fn between_processes_the_last_write_wins() {
    let (one, other) = two_processes().await;
    let (b, c) = (record("b"), record("c"));
    let key = key();
    let replaced = tokio::join!(
        one.replace(&key, Version::FIRST, &b),
        other.replace(&key, Version::FIRST, &c)
    );
    assert!(matches!(replaced.0.unwrap(), Replaced::Done(_)));
    assert!(matches!(replaced.1.unwrap(), Replaced::Done(_)), "as documented: both were told so");
}

#[tokio::test]
async fn between_processes_a_late_write_brings_back_what_was_removed() {
    let (one, other) = two_processes().await;
    let (b, key) = (record("b"), key());
    let (replaced, removed) =
        tokio::join!(one.replace(&key, Version::FIRST, &b), other.remove(&key));
    assert!(matches!(replaced.unwrap(), Replaced::Done(_)));
    assert!(removed.unwrap());
    assert!(one.load(&key).await.unwrap().is_some(), "as documented: it is back");
}

#[tokio::test]
async fn s64_among_clones_a_removed_record_stays_away() {
    let (one, _) = two_processes().await;
    let (clone, b, key) = (one.clone(), record("b"), key());
    let (removed, replaced) =
        tokio::join!(one.remove(&key), clone.replace(&key, Version::FIRST, &b));
    assert!(removed.unwrap());
    assert_eq!(replaced.unwrap(), Replaced::Gone);
    assert!(one.load(&key).await.unwrap().is_none());
    let _ = one.create(&key, &record("a")).await.unwrap();
    let (_, removed) =
        tokio::join!(clone.touch(&key, Version::FIRST, b.expires_at), one.remove(&key));
    assert!(removed.unwrap());
    assert!(one.load(&key).await.unwrap().is_none(), "a touch brought it back");
}

#[tokio::test]
async fn s69_a_write_that_is_given_up_comes_before_what_follows_it() {
    let (one, _) = two_processes().await;
    let (b, key) = (record("b"), key());
    let mut given_up = Box::pin(one.replace(&key, Version::FIRST, &b));
    for _ in 0..5 {
        let polled = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
    }
    drop(given_up);
    assert!(one.remove(&key).await.unwrap());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(one.load(&key).await.unwrap().is_none(), "the write came late");
}

#[tokio::test]
async fn between_processes_too_a_key_is_taken_once() {
    let (one, other) = two_processes().await;
    let (key, b, c) = (StoreKey::from_bytes([7; 16]), record("b"), record("c"));
    let created = tokio::join!(one.create(&key, &b), other.create(&key, &c));
    let created = [created.0.unwrap(), created.1.unwrap()];
    assert!(created.contains(&Created::Done(Version::FIRST)) && created.contains(&Created::Taken));
    assert_eq!(one.load(&key).await.unwrap(), other.load(&key).await.unwrap());
}

#[tokio::test]
async fn s73_what_cannot_be_reached_or_read_is_an_error_that_tells_nothing_of_it() {
    for (error, kind) in [
        (Error::Backend("gone".into()), StoreErrorKind::Unavailable),
        (Error::Decode("hunter2".into()), StoreErrorKind::Corrupt),
        (Error::Encode("hunter2".into()), StoreErrorKind::Rejected),
    ] {
        let store = LastWriteWins::new(Failing(error));
        let error = store.load(&key()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let foreign = MemoryStore::default();
    let theirs = Foreign {
        id: Id(i128::from_be_bytes([0xfe; 16])),
        data: [("user".to_owned(), "ada".into())].into(),
        expiry_date: time::OffsetDateTime::now_utc() + time::Duration::DAY,
    };
    foreign.save(&theirs).await.unwrap();
    let error = LastWriteWins::new(foreign).load(&key()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
}

/// Gives others a turn before it writes or deletes; a write takes longer.
#[derive(Debug, Clone)]
struct Slow(MemoryStore);

#[async_trait]
impl SessionStore for Slow {
    async fn create(&self, record: &mut Foreign) -> Result<()> {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        self.0.create(record).await
    }

    async fn save(&self, record: &Foreign) -> Result<()> {
        let (store, record) = (self.0.clone(), record.clone());
        let save = async move {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            store.save(&record).await
        };
        // What a server was sent it does, whoever waits for it.
        tokio::spawn(save).await.unwrap()
    }

    async fn load(&self, id: &Id) -> Result<Option<Foreign>> {
        self.0.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        tokio::task::yield_now().await;
        self.0.delete(id).await
    }
}

/// Saves only what is there, as some do.
#[derive(Debug)]
struct Existing(MemoryStore);

#[async_trait]
impl SessionStore for Existing {
    async fn create(&self, record: &mut Foreign) -> Result<()> {
        self.0.create(record).await
    }

    async fn save(&self, record: &Foreign) -> Result<()> {
        match self.0.load(&record.id).await? {
            Some(_) => self.0.save(record).await,
            None => Ok(()),
        }
    }

    async fn load(&self, id: &Id) -> Result<Option<Foreign>> {
        self.0.load(id).await
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.delete(id).await
    }
}

mod a_store_that_saves_only_what_is_there {
    use super::{Existing, LastWriteWins, MemoryStore};

    async fn open() -> LastWriteWins<Existing> {
        LastWriteWins::new(Existing(MemoryStore::default()))
    }

    cloakroom::store_conformance!(open());
}

#[derive(Debug)]
struct Failing(Error);

impl Failing {
    fn error(&self) -> Error {
        match &self.0 {
            Error::Backend(text) => Error::Backend(text.clone()),
            Error::Decode(text) => Error::Decode(text.clone()),
            Error::Encode(text) => Error::Encode(text.clone()),
        }
    }
}

#[async_trait]
impl SessionStore for Failing {
    async fn save(&self, _: &Foreign) -> Result<()> {
        Err(self.error())
    }

    async fn load(&self, _: &Id) -> Result<Option<Foreign>> {
        Err(self.error())
    }

    async fn delete(&self, _: &Id) -> Result<()> {
        Err(self.error())
    }
}
