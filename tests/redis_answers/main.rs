//! A Redis that stays up and answers something else: one that was demoted, is busy, hangs up on who is idle, refuses.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod demoted;
mod idle;
mod owner;
mod refusals;
#[path = "../engine/saying.rs"]
mod saying;
mod start;
#[path = "../engine/warnings.rs"]
mod warnings;

use std::time::{Duration, Instant};

use cloakroom::Timestamp;
use cloakroom::store::{Created, Record, RedisStore, Store, StoreError, StoreKey, Version};
use cloakroom_engines::Redis;
use redis::Client;

/// Longer than Redis takes to agree with another.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than half a connection's buffer.
const VISITORS: u8 = 24;

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

fn server() -> Redis {
    Redis::start().unwrap_or_else(|error| panic!("{error}"))
}

/// A store on a connection that a program made for itself.
async fn on(url: &str) -> RedisStore {
    let client = Client::open(url).unwrap();
    RedisStore::on(client.get_connection_manager().await.unwrap(), "cloakroom:")
}

async fn until(done: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !done().await {
        assert!(began.elapsed() < PATIENCE, "it does not come to pass");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Two dozen visitors with something to write, all at once.
async fn all_write(store: &RedisStore, first: u8) {
    let visits = (first..first + VISITORS).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { create(&store, number).await })
    });
    for visit in visits.collect::<Vec<_>>() {
        visit.await.unwrap();
    }
}

/// What is behind a failure, in one line.
fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
