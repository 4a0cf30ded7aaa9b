//! What a server says instead of an answer, word by word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloakroom::store::{Index, RedisStore, Scan, Store, StoreErrorKind};
use cloakroom_engines::Redis;

use super::saying::Saying;
use super::{create, key, record, server};

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
