//! What a failover does to a session: with sentinels, and to a logout that waits for replicas or does not.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::time::{Duration, Instant};

use cloakroom::Timestamp;
use cloakroom::store::{
    AnyStore, Created, Index, Record, RedisStore, Replaced, Store, StoreErrorKind, StoreKey,
    Version,
};
use cloakroom_engines::{Redis, RedisSentinels};

/// Longer than the sentinels take to agree on another master.
const PATIENCE: Duration = Duration::from_secs(30);

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(owner: Option<&str>) -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), owner.map(Into::into))
}

async fn create(store: &RedisStore, number: u8) {
    let created = store.create(&key(number), &record(Some("ada"))).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
}

/// A server with a replica.
fn pair() -> (Redis, Redis) {
    let master = Redis::start().unwrap_or_else(|error| panic!("{error}"));
    let replica = master.replica().unwrap();
    (master, replica)
}

fn promote(replica: &Redis) {
    assert_eq!(replica.command(&["REPLICAOF", "NO", "ONE"]), "OK");
}

async fn until(done: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "it does not come to pass");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn s77_when_the_master_fails_the_sentinels_next_one_is_used() {
    let trio = RedisSentinels::start().unwrap_or_else(|error| panic!("{error}"));
    let store = RedisStore::connect(&trio.url()).await.unwrap();
    create(&store, 1).await;
    until(async || trio.replica().command(&["DBSIZE"]) != "0").await;
    trio.master().kill();
    let error = store.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    until(async || store.load(&key(1)).await.is_ok()).await;
    until(async || {
        let stored = store.load(&key(1)).await.unwrap().expect("the replica had it");
        matches!(store.replace(&key(1), stored.version, &record(None)).await, Ok(Replaced::Done(_)))
    })
    .await;
    assert!(trio.replica().command(&["INFO", "replication"]).contains("role:master"));
}

#[tokio::test]
async fn s77_a_master_that_stopped_without_a_word_is_left() {
    let trio = RedisSentinels::start().unwrap_or_else(|error| panic!("{error}"));
    let store = RedisStore::connect(&trio.url()).await.unwrap();
    create(&store, 1).await;
    until(async || trio.replica().command(&["DBSIZE"]) != "0").await;
    trio.master().pause();
    // Each call is given up after a while, as the factory does.
    let budget = Duration::from_millis(500);
    until(async || {
        matches!(tokio::time::timeout(budget, store.load(&key(1))).await, Ok(Ok(Some(_))))
            && trio.replica().command(&["INFO", "replication"]).contains("role:master")
    })
    .await;
    trio.master().resume();
}

#[tokio::test]
async fn s77_a_logout_that_does_not_wait_is_lost_with_its_master() {
    let (master, replica) = pair();
    let store = RedisStore::connect(&master.url()).await.unwrap();
    create(&store, 1).await;
    until(async || replica.command(&["DBSIZE"]) != "0").await;
    // Another has taken the master's place, which does not know it yet.
    promote(&replica);
    assert!(store.remove(&key(1)).await.unwrap());
    store.await_replication(&key(1)).await.unwrap();
    drop(master);
    let promoted = RedisStore::connect(&replica.url()).await.unwrap();
    assert!(promoted.load(&key(1)).await.unwrap().is_some(), "documented as lost, but was kept");
}

#[tokio::test]
async fn s77_a_logout_that_waits_is_acknowledged_only_when_the_replica_has_it() {
    let (master, replica) = pair();
    let options = RedisStore::options(&master.url());
    let store = options.wait_for_replicas(1, Duration::from_millis(300)).connect().await.unwrap();
    for number in 1..=3 {
        create(&store, number).await;
    }
    // A replica that has just come says only once a second how far it is.
    until(async || store.await_replication(&key(1)).await.is_ok()).await;
    replica.pause();
    assert!(store.remove(&key(1)).await.unwrap());
    // In the network's buffers is not on the replica.
    let unsure = store.await_replication(&key(1)).await.unwrap_err();
    assert_eq!(unsure.kind(), StoreErrorKind::Rejected, "the store is there");
    let any = AnyStore::from(store.clone());
    assert!(any.await_replication(&key(1)).await.is_err(), "it asks the store that it is");
    for revoked in [
        store.remove_of("ada", &key(2)).await.map(usize::from),
        store.remove_all_but("ada", None).await,
        // Nothing is left to remove, but the replica does not have that yet.
        store.remove_all_but("ada", None).await,
    ] {
        assert_eq!(revoked.unwrap_err().kind(), StoreErrorKind::Rejected);
    }
    // A plain write does not wait.
    create(&store, 4).await;
    replica.resume();
    until(async || store.remove_all_but("ada", Some(&key(4))).await.is_ok()).await;
    master.kill();
    promote(&replica);
    let promoted = RedisStore::connect(&replica.url()).await.unwrap();
    for number in 1..=3 {
        assert_eq!(promoted.load(&key(number)).await.unwrap(), None, "{number} came back");
    }
}
