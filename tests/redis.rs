//! The suite on Redis, and what only Redis can do: forget its scripts, lose its data, and be counted.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[path = "engine/costs.rs"]
mod costs;
#[path = "engine/warnings.rs"]
mod warnings;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, Record, RedisStore, Replaced, Scan, Store, StoreErrorKind, StoreKey, Touched,
    Version,
};
use cloakroom::testing::FakeClock;
use cloakroom_engines::Redis;
use redis::{Client, Commands, Connection};
use warnings::Warnings;

/// One server for all tests of this binary. Each uses keys of its own.
static SERVER: LazyLock<Redis> =
    LazyLock::new(|| Redis::start().unwrap_or_else(|error| panic!("{error}")));

async fn connect() -> RedisStore {
    RedisStore::connect(&SERVER.url()).await.unwrap()
}

cloakroom::store_conformance!(connect());
cloakroom::store_races!(connect());
cloakroom::store_endurance!(connect());
cloakroom::index_conformance!(connect());
cloakroom::scan_conformance!(connect());

/// A server for one test alone, which is going to disturb it.
fn own_server() -> (Redis, Connection) {
    let server = Redis::start().unwrap_or_else(|error| panic!("{error}"));
    let connection = Client::open(server.url()).unwrap().get_connection().unwrap();
    (server, connection)
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(owner: Option<&str>) -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), owner.map(Into::into))
}

async fn create(store: &RedisStore, number: u8, owner: Option<&str>) {
    let created = store.create(&key(number), &record(owner)).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
}

async fn touch(store: &RedisStore, number: u8, seen: Version) {
    assert_eq!(store.touch(&key(number), seen, Timestamp::MAX).await.unwrap(), Touched::Done);
}

#[tokio::test]
async fn each_call_is_one_command() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    // Loads the scripts.
    create(&store, 1, Some("ada")).await;
    touch(&store, 1, Version::FIRST).await;
    let (mut monitor, mut replaced) = (Monitor::of(&server), Version::FIRST);
    let mut commands = async |call: &str| {
        match call {
            "load" => assert!(store.load(&key(1)).await.unwrap().is_some()),
            "create" => create(&store, 2, None).await,
            "create, owned" => create(&store, 3, Some("ada")).await,
            "replace" => {
                let answer = store.replace(&key(2), Version::FIRST, &record(None)).await;
                let Replaced::Done(version) = answer.unwrap() else { panic!("it is there") };
                replaced = version;
            }
            "touch" => touch(&store, 2, replaced).await,
            "touch, owned" => touch(&store, 1, Version::FIRST).await,
            _ => assert!(store.remove(&key(2)).await.unwrap()),
        }
        let () = redis::cmd("ECHO").arg("the end").query(&mut beside).unwrap();
        monitor.commands()
    };
    for call in ["load", "create", "create, owned", "replace", "touch", "remove"] {
        assert_eq!(commands(call).await, 1, "{call}");
    }
    assert_eq!(commands("touch, owned").await, 2, "the second is for the index");
}

#[tokio::test]
async fn a_request_takes_no_command_untouched_one_to_read_and_two_to_write() {
    let (server, mut beside) = own_server();
    let clock = FakeClock::at(1_000_000.0);
    let store = RedisStore::options(&server.url()).clock(clock.clone()).connect().await.unwrap();
    let mut monitor = Monitor::of(&server);
    costs::assert_of_requests(store, clock, async || {
        let () = redis::cmd("ECHO").arg("the end").query(&mut beside).unwrap();
        monitor.commands()
    })
    .await;
}

/// Redis tells of each command that it is sent.
struct Monitor(BufReader<TcpStream>);

impl Monitor {
    fn of(server: &Redis) -> Self {
        let mut stream = TcpStream::connect(server.url().trim_start_matches("redis://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut monitor = Self(BufReader::new(stream));
        assert_eq!(monitor.line(), "+OK");
        monitor
    }

    /// How many clients have sent up to `ECHO`, without what their scripts did.
    fn commands(&mut self) -> usize {
        let lines = std::iter::from_fn(|| Some(self.line()));
        let until_echo = lines.take_while(|line| !line.contains("\"ECHO\""));
        until_echo.filter(|line| !line.contains(" lua] ")).count()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    create(&store, 1, Some("ada")).await;
    for _ in 0..3 {
        let () = redis::cmd("SCRIPT").arg("FLUSH").query(&mut beside).unwrap();
        touch(&store, 1, Version::FIRST).await;
        assert!(store.remove_of("ada", &key(1)).await.unwrap());
        create(&store, 1, Some("ada")).await;
    }
}

#[tokio::test]
async fn what_redis_lost_is_gone_and_nothing_errs() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    create(&store, 1, Some("ada")).await;
    let () = redis::cmd("FLUSHALL").query(&mut beside).unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap(), None);
    let replaced = store.replace(&key(1), Version::FIRST, &record(None)).await.unwrap();
    assert_eq!(replaced, Replaced::Gone);
    assert!(store.list("ada").await.unwrap().is_empty());
    create(&store, 1, Some("ada")).await;
}

#[tokio::test]
async fn every_key_has_an_end_and_outlives_its_record_by_a_minute() {
    let (server, mut beside) = own_server();
    let clock = FakeClock::at(1_000_000.0);
    let store = RedisStore::options(&server.url()).clock(clock).connect().await.unwrap();
    let expiring =
        |seconds| Record::new(&b""[..], Timestamp::from_secs(seconds), Some("ada".into()));
    let _ = store.create(&key(1), &expiring(1_000_100)).await.unwrap();
    let _ = store.create(&key(2), &expiring(i64::MAX)).await.unwrap();
    let mut left = |key: String| -> i64 { beside.ttl(format!("cloakroom:{key}")).unwrap() };
    assert!((155..=160).contains(&left(format!("record:{}", key(1)))));
    let ten_years = 10 * 365 * 86_400;
    assert!((ten_years - 5..=ten_years).contains(&left(format!("record:{}", key(2)))));
    let index = left("owner:ada".into());
    assert!((ten_years..=ten_years + 86_400).contains(&index), "{index}");
}

#[tokio::test]
async fn names_of_records_that_are_gone_are_let_go() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 1..=3 {
        create(&store, number, Some("ada")).await;
    }
    assert!(store.remove(&key(1)).await.unwrap());
    let moved = store.replace(&key(2), Version::FIRST, &record(Some("bob"))).await.unwrap();
    assert!(matches!(moved, Replaced::Done(_)));
    let mut names = || -> u64 { beside.zcard("cloakroom:owner:ada").unwrap() };
    assert_eq!(names(), 2, "nobody has looked for the one that has moved");
    assert_eq!(store.count("ada").await.unwrap(), 1);
    assert_eq!(names(), 1);
}

#[tokio::test]
async fn s78_a_full_redis_rejects_writes_and_still_reads() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    create(&store, 1, None).await;
    create(&store, 3, Some("ada")).await;
    create(&store, 4, Some("ada")).await;
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query(&mut beside).unwrap();
    let error = store.create(&key(2), &record(None)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert!(store.load(&key(1)).await.unwrap().is_some(), "what was there is still there");
    assert_eq!(store.list("ada").await.unwrap().len(), 2);
    assert!(store.remove(&key(3)).await.unwrap(), "a logout takes no memory");
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 1);
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query(&mut beside).unwrap();
    create(&store, 2, None).await;
}

#[tokio::test]
async fn s73_what_is_no_record_is_corrupt_and_not_absent() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let () = beside.set(format!("cloakroom:record:{}", key(1)), "short").unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let () = beside.lpush(format!("cloakroom:record:{}", key(2)), 1).unwrap();
    assert_eq!(store.load(&key(2)).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn what_is_no_record_is_passed_over_by_a_scan_with_one_warning_for_a_page() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    for number in 1..=3 {
        create(&store, number, None).await;
    }
    for number in 4..=5 {
        let () = beside.set(format!("cloakroom:record:{}", key(number)), "hunter2").unwrap();
    }
    let () = beside.lpush(format!("cloakroom:record:{}", key(6)), "hunter2").unwrap();
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let page = store.scan(None, 100).await.unwrap();
    assert_eq!(page.next, None);
    let mut keys: Vec<StoreKey> = page.records.iter().map(|listed| listed.key).collect();
    keys.sort_unstable_by_key(|key| *key.as_bytes());
    assert_eq!(keys, [1, 2, 3].map(key));
    let warnings = warnings.seen();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("foreign=3"), "{warnings:?}");
    assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
}

#[tokio::test]
async fn s75_a_server_that_is_not_there_is_unavailable_within_the_budget() {
    let nowhere =
        RedisStore::options("redis://127.0.0.1:1").connect_timeout(Duration::from_millis(300));
    assert_eq!(nowhere.connect().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let error = RedisStore::connect("http://example.org").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn s75_a_connection_that_breaks_is_made_anew() {
    let (server, mut beside) = own_server();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    create(&store, 1, None).await;
    let () = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .query(&mut beside)
        .unwrap();
    let mut failed = 0;
    while store.load(&key(1)).await.is_err() {
        failed += 1;
        assert!(failed < 200, "it does not recover");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn s87_neither_debug_nor_errors_show_a_password() {
    let url = SERVER.url().replace("redis://", "redis://nobody:hunter2@");
    let error = RedisStore::connect(&url).await.unwrap_err();
    let shown = format!("{error:?} {error} {:?}", connect().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn a_clock_that_differs_from_the_server_s_is_said_at_the_start() {
    let early = RedisStore::options(&SERVER.url()).clock(FakeClock::at(1_000_000.0));
    warnings::assert_an_early_clock_is_said(connect(), early.connect()).await;
}
