//! A store by its URL, on each engine that is a server: while that is not there yet, and what a URL can say.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    AnyOptions, AnyStore, Created, Index, Record, Scan, Store, StoreErrorKind, StoreKey, Sweep,
};
use cloakroom_engines::{MariaDb, Memcached, Postgres, Proxy, Redis, RedisSentinels, Weather};

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record() -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), Some("ada".into()))
}

/// Running, until it is dropped.
fn running<E, M: std::fmt::Display>(started: Result<E, M>) -> E {
    started.unwrap_or_else(|error| panic!("{error}"))
}

async fn create(store: &AnyStore, number: u8) {
    let created = store.create(&key(number), &record()).await.unwrap();
    assert!(matches!(created, Created::Done(_)), "{created:?}");
}

async fn can_be_used(store: &AnyStore) {
    create(store, 1).await;
    assert!(store.load(&key(1)).await.unwrap().is_some());
    assert!(store.remove(&key(1)).await.unwrap());
}

/// An engine that nobody can reach until it is let.
struct Late {
    proxy: Proxy,
    options: AnyOptions,
}

impl Late {
    fn to(url: &str) -> Self {
        let proxy = Proxy::to(url).unwrap();
        proxy.set(Weather::Refuse);
        let options = AnyStore::options(&proxy.before(url)).create_table(true);
        Self { proxy, options: options.connect_timeout(Duration::from_millis(300)) }
    }

    async fn fails_at_once_unless_told_to_wait(&self) {
        let error = self.options.clone().open().await.unwrap_err();
        assert!(error.kind() != StoreErrorKind::Rejected, "{error:?}");
        let patient = self.options.clone().wait(Duration::from_secs(60)).open();
        let opened = tokio::spawn(patient);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!opened.is_finished());
        self.proxy.set(Weather::Fair);
        can_be_used(&opened.await.unwrap().unwrap()).await;
    }

    async fn is_done_without_where_that_is_wanted(&self) {
        self.proxy.set(Weather::Refuse);
        let store = self.options.clone().open_in_background().unwrap();
        let error = store.load(&key(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert_eq!(store.sweep(Timestamp::from_secs(0), 1).await.unwrap(), 0);
        self.proxy.set(Weather::Fair);
        while let Err(error) = store.load(&key(1)).await {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        can_be_used(&store).await;
    }

    async fn is_waited_for(url: &str) {
        let late = Self::to(url);
        late.fails_at_once_unless_told_to_wait().await;
        late.is_done_without_where_that_is_wanted().await;
    }
}

#[tokio::test]
async fn s75_a_redis_that_is_not_there_yet_is_waited_for() {
    let redis = running(Redis::start());
    Late::is_waited_for(&redis.url()).await;
}

#[tokio::test]
async fn s75_a_postgresql_that_is_not_there_yet_is_waited_for() {
    let postgres = running(Postgres::start());
    Late::is_waited_for(&postgres.url()).await;
}

#[tokio::test]
async fn s75_a_mariadb_that_is_not_there_yet_is_waited_for() {
    let mariadb = running(MariaDb::start());
    Late::is_waited_for(&mariadb.url()).await;
}

#[tokio::test]
async fn s75_a_memcached_that_is_not_there_yet_is_waited_for() {
    let memcached = running(Memcached::start());
    Late::is_waited_for(&memcached.url()).await;
}

#[tokio::test]
async fn what_finds_nothing_by_owner_says_so_instead_of_finding_nobody() {
    let memcached = running(Memcached::start());
    let store = AnyStore::options(&memcached.url()).prefix("shop:").open().await.unwrap();
    create(&store, 1).await;
    let answers = [
        store.list("ada").await.map(drop),
        store.count("ada").await.map(drop),
        store.remove_of("ada", &key(1)).await.map(drop),
        store.remove_all_but("ada", None).await.map(drop),
        store.scan(None, 1).await.map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert!(format!("{error:?}").contains("by key"), "{error:?}");
    }
    assert!(store.load(&key(1)).await.unwrap().is_some(), "and ends nothing");
}

#[tokio::test]
async fn a_database_s_number_and_the_names_of_valkey_are_understood() {
    let redis = running(Redis::start());
    let url = redis.url().replace("redis:", "valkey:");
    let third = AnyStore::open(&format!("{url}?db=3")).await.unwrap();
    create(&third, 1).await;
    assert!(
        AnyStore::open(&format!("{url}/3")).await.unwrap().load(&key(1)).await.unwrap().is_some()
    );
    assert!(AnyStore::open(&url).await.unwrap().load(&key(1)).await.unwrap().is_none());
}

/// Sends a command without blanks in its words, and gives the first line of the answer.
fn command(place: &str, words: &str) -> String {
    let mut server = TcpStream::connect(place).unwrap();
    write!(server, "{words}\r\n").unwrap();
    let mut answer = [0; 64];
    let length = server.read(&mut answer).unwrap();
    std::str::from_utf8(&answer[..length]).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn s77_sentinels_that_ask_for_a_password_are_given_theirs() {
    let trio = running(RedisSentinels::start());
    let url = trio.url();
    let places = url.trim_start_matches("redis+sentinel://").split('/').next().unwrap();
    for place in places.split(',') {
        let said = command(place, "ACL SETUSER guard on >s@fe allchannels +@all");
        assert_eq!(said, "+OK");
        assert_eq!(command(place, "ACL SETUSER default resetpass >other"), "+OK");
    }
    let error = AnyStore::open(&url).await.unwrap_err();
    assert!(!format!("{error:?}").contains("s@fe"), "{error:?}");
    for known in ["sentinel_user=guard&sentinel_password=s%40fe", "sentinel_password=other"] {
        can_be_used(&AnyStore::open(&format!("{url}?{known}")).await.unwrap()).await;
    }
}

#[tokio::test]
async fn s77_a_url_may_ask_that_replicas_have_a_logout() {
    let master = running(Redis::start());
    let url =
        |within| format!("{}?wait_for_replicas=1&wait_for_replicas_within={within}", master.url());
    let store = AnyStore::open(&url(0.2)).await.unwrap();
    create(&store, 1).await;
    store.remove(&key(1)).await.unwrap();
    store.await_replication(&key(1)).await.unwrap_err();
    // For longer than any machine is busy.
    let store = AnyStore::open(&url(60.0)).await.unwrap();
    let _replica = running(master.replica());
    create(&store, 2).await;
    store.remove(&key(2)).await.unwrap();
    store.await_replication(&key(2)).await.unwrap();
}
