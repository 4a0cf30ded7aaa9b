//! A Redis that stays up and answers something else: one that was demoted, is busy, hangs up on who is idle, refuses.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[path = "engine/saying.rs"]
mod saying;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, Record, RedisStore, Replaced, Scan, Store, StoreErrorKind, StoreKey, Version,
};
use cloakroom_engines::{Proxy, Redis, RedisCluster, Weather};
use redis::Client;
use saying::Saying;

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

/// A master behind a name, and the replica that takes its place while connections stay open.
struct Demotion {
    master: Redis,
    replica: Redis,
    name: Proxy,
}

impl Demotion {
    fn new() -> Self {
        let master = server();
        let replica = master.replica().unwrap();
        let name = Proxy::to(&master.url()).unwrap();
        Self { master, replica, name }
    }

    fn url(&self) -> String {
        self.name.before(&self.master.url())
    }

    async fn happen(&self) {
        until(async || self.replica.command(&["DBSIZE"]) == self.master.command(&["DBSIZE"])).await;
        assert_eq!(self.replica.command(&["REPLICAOF", "NO", "ONE"]), "OK");
        let port = self.replica.port().to_string();
        assert_eq!(self.master.command(&["REPLICAOF", "127.0.0.1", &port]), "OK");
        self.name.lead_to(&self.replica.url());
    }
}

#[tokio::test]
async fn s77_a_master_that_was_demoted_is_left_though_it_answers() {
    for is_given in [false, true] {
        let demotion = Demotion::new();
        let url = demotion.url();
        let store =
            if is_given { on(&url).await } else { RedisStore::connect(&url).await.unwrap() };
        create(&store, 0).await;
        demotion.happen().await;
        // None of them is turned away.
        all_write(&store, 1).await;
        assert!(store.load(&key(0)).await.unwrap().is_some());
        assert!(store.remove(&key(0)).await.unwrap());
        assert_eq!(store.list("ada").await.unwrap().len(), usize::from(VISITORS));
        assert!(demotion.name.opened() < 12, "one for each of them: {}", demotion.name.opened());
    }
}

#[tokio::test]
async fn s75_a_replica_that_stays_one_is_a_refusal_and_not_connected_to_for_each_call() {
    let master = server();
    let replica = master.replica().unwrap();
    let name = Proxy::to(&replica.url()).unwrap();
    let store = RedisStore::connect(&name.before(&replica.url())).await.unwrap();
    for number in 0..VISITORS {
        let store = store.clone();
        tokio::spawn(async move {
            let error = store.create(&key(number), &record(None)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Rejected, "{error:?}");
        });
    }
    let error = store.create(&key(100), &record(None)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert_eq!(store.load(&key(1)).await.unwrap(), None, "it reads");
    assert!(name.opened() < 12, "{}", name.opened());
}

/// A store on a server that says this to the first so many of these commands, and how often they came.
async fn said(
    line: &str,
    times: u64,
    command: &'static str,
) -> (RedisStore, Redis, Saying, Arc<AtomicU64>) {
    let (redis, came, line) =
        (server(), Arc::new(AtomicU64::new(u64::MAX / 2)), format!("-{line}"));
    let counted = came.clone();
    let saying = Saying::before(redis.port(), move |words| {
        if words[0] != command {
            return None;
        }
        (counted.fetch_add(1, Ordering::Relaxed) < times).then(|| line.clone())
    });
    let store = RedisStore::connect(&saying.url()).await.unwrap();
    create(&store, 0).await;
    came.store(0, Ordering::Relaxed);
    (store, redis, saying, came)
}

/// What says that nothing was done, and that it would be in a moment.
const PASSING: [&str; 12] = [
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "CLUSTERDOWN The cluster is down",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "READONLY You can't write against a read only replica.",
    "READONLY You can't write against a read only replica. script: 0badcafe, on @user_script:9.",
    "ERR Error running script (call to f_0badcafe): @user_script:9: @user_script: 9: -READONLY You can't write against a read only replica.",
    "NOREPLICAS Not enough good replicas to write.",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "MOVED 1234 127.0.0.1:1",
    "ERR max number of clients reached",
];

#[tokio::test]
async fn s75_what_passes_is_waited_for_and_done_once() {
    for line in PASSING {
        let (store, _redis, _saying, came) = said(line, 2, "EVALSHA").await;
        create(&store, 1).await;
        assert_eq!(came.load(Ordering::Relaxed), 3, "{line}");
    }
}

#[tokio::test]
async fn s75_what_passes_is_waited_for_by_every_kind_of_call() {
    for (command, call) in [("GET", 0), ("ZRANGE", 1), ("MGET", 1), ("SCAN", 2), ("EVALSHA", 3)] {
        let (store, _redis, _saying, came) = said("LOADING Redis is loading", 2, command).await;
        match call {
            0 => assert!(store.load(&key(0)).await.unwrap().is_some()),
            1 => assert_eq!(store.count("ada").await.unwrap(), 1),
            2 => assert!(store.scan(None, 10).await.is_ok()),
            _ => assert!(store.remove(&key(0)).await.unwrap()),
        }
        assert!(came.load(Ordering::Relaxed) > 2, "{command}");
    }
}

#[tokio::test]
async fn s75_what_does_not_pass_is_a_refusal_by_whatever_word() {
    for (line, times) in PASSING.iter().map(|line| (*line, 6)).chain([
        ("OOM command not allowed when used memory > 'maxmemory'.", 1),
        ("ERR Error running script (call to f_0): @user_script:9: @user_script: 9: -OOM command not allowed", 1),
        ("MISCONF Redis is configured to save RDB snapshots, but it is currently not able to persist on disk.", 1),
        ("NOPERM this user has no permissions to run the 'evalsha' command", 1),
        ("NOAUTH Authentication required.", 1),
        ("CROSSSLOT Keys in request don't hash to the same slot", 1),
        ("ERR unknown command `EVALSHA`", 1),
        ("NEVERHEARD of it", 1),
        ("ERR", 1),
    ]) {
        let (store, _redis, _saying, came) = said(line, u64::MAX / 4, "EVALSHA").await;
        let error = store.create(&key(1), &record(None)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{line}: {error:?}");
        assert_eq!(came.load(Ordering::Relaxed), times, "{line}");
        // It is there, and reads.
        assert!(store.load(&key(0)).await.unwrap().is_some(), "{line}");
    }
}

#[tokio::test]
async fn s73_a_refusal_is_not_taken_for_a_record_that_cannot_be_read() {
    for command in ["GET", "ZRANGE", "SCAN"] {
        let (store, ..) = said("OOM command not allowed", u64::MAX / 4, command).await;
        let error = match command {
            "GET" => store.load(&key(0)).await.unwrap_err(),
            "ZRANGE" => store.list("ada").await.unwrap_err(),
            _ => store.scan(None, 10).await.unwrap_err(),
        };
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{command}: {error:?}");
    }
}

#[tokio::test]
async fn s75_a_server_with_too_many_clients_says_so() {
    let redis = server();
    assert_eq!(redis.command(&["CONFIG", "SET", "maxclients", "1"]), "OK");
    let _only = Client::open(redis.url()).unwrap().get_connection().unwrap();
    let error = RedisStore::connect(&redis.url()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("maxclients"), "{cause}");
}

/// What managed servers do after a few minutes, and an operator sooner.
fn hang_up(redis: &Redis) {
    assert_ne!(redis.command(&["CLIENT", "KILL", "TYPE", "normal"]), "0");
}

#[tokio::test]
async fn s75_the_first_write_after_the_server_hung_up_is_done() {
    let redis = server();
    for store in [RedisStore::connect(&redis.url()).await.unwrap(), on(&redis.url()).await] {
        let _ = store.remove(&key(0)).await.unwrap();
        for number in 1..=12 {
            let _ = store.remove(&key(number)).await.unwrap();
            // As long as a request may be away.
            tokio::time::sleep(Duration::from_millis(20)).await;
            hang_up(&redis);
            create(&store, number).await;
        }
    }
}

#[tokio::test]
async fn s75_the_first_write_after_a_restart_is_done() {
    let mut redis = server();
    for is_given in [false, true] {
        let url = redis.url();
        let store =
            if is_given { on(&url).await } else { RedisStore::connect(&url).await.unwrap() };
        for number in 1..=3 {
            create(&store, number).await;
            redis.restart().unwrap();
            create(&store, number).await;
        }
    }
}

#[tokio::test]
async fn s75_the_first_write_to_each_master_of_a_cluster_that_hung_up_is_done() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("{error}"));
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    for round in 0..3 {
        for node in 0..3 {
            assert_ne!(cluster.command(node, &["CLIENT", "KILL", "TYPE", "normal"]), "0");
        }
        // As long as a request may be away.
        tokio::time::sleep(Duration::from_millis(20)).await;
        for number in 0..VISITORS {
            create(&store, round * VISITORS + number).await;
        }
    }
}

#[tokio::test]
async fn s75_a_connection_that_was_forgotten_on_the_way_is_left_within_a_second_of_waiting() {
    let redis = server();
    let proxy = Proxy::to(&redis.url()).unwrap();
    let store = RedisStore::connect(&proxy.before(&redis.url())).await.unwrap();
    create(&store, 0).await;
    proxy.set(Weather::Lose);
    proxy.set(Weather::Fair);
    // Idle, as connections are that are forgotten.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Each of them in the time that the factory gives a request's calls.
    tokio::time::timeout(Duration::from_secs(3), all_write(&store, 1)).await.unwrap();
    assert_eq!(proxy.opened(), 2, "one before and one after");
}

#[tokio::test]
async fn s77_a_confirmation_is_of_the_master_that_took_the_write() {
    let master = server();
    let replica = master.replica().unwrap();
    let beside = replica.replica().unwrap();
    let name = Proxy::to(&master.url()).unwrap();
    let options = RedisStore::options(&name.before(&master.url()));
    let store = options.wait_for_replicas(1, Duration::from_millis(500)).connect().await.unwrap();
    for number in 0..4 {
        create(&store, number).await;
    }
    until(async || beside.command(&["DBSIZE"]) == master.command(&["DBSIZE"])).await;
    // It takes the place of a master that does not know, and takes writes still.
    assert_eq!(replica.command(&["REPLICAOF", "NO", "ONE"]), "OK");
    let replaced = store.replace(&key(0), Version::FIRST, &record(Some("ada"))).await.unwrap();
    assert!(matches!(replaced, Replaced::Done(_)));
    assert!(store.remove(&key(1)).await.unwrap());
    create(&store, 9).await;
    name.lead_to(&replica.url());
    name.set(Weather::Refuse);
    name.set(Weather::Fair);
    for lost in [0, 9] {
        let error = store.await_replication(&key(lost)).await.unwrap_err();
        // The store is there.
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{error:?}");
    }
    // What was ended is ended there, too, where nobody had heard of it.
    store.await_replication(&key(1)).await.unwrap();
    for redis in [&replica, &beside] {
        let name = format!("cloakroom:record:{}", key(1));
        assert_eq!(redis.command(&["EXISTS", &name]), "0");
    }
    // And what is written now is confirmed.
    let replaced = store.replace(&key(2), Version::FIRST, &record(Some("ada"))).await.unwrap();
    assert!(matches!(replaced, Replaced::Done(_)));
    store.await_replication(&key(2)).await.unwrap();
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 3);
}
