//! What is said at the start, and not by half of the visitors later.

use std::time::Duration;

use cloakroom::store::{Index, RedisStore, Store, StoreErrorKind};
use cloakroom_engines::{Redis, RedisCluster, RedisSentinels};
use redis::Client;

use super::warnings::Warnings;
use super::{cause, create, key, record, server};

#[tokio::test]
async fn s75_a_server_with_too_many_clients_says_so() {
    let redis = server();
    assert_eq!(redis.command(&["CONFIG", "SET", "maxclients", "1"]), "OK");
    let client = Client::open(redis.url()).unwrap();
    // The one before may be on its way out.
    let mut only = client.get_connection();
    for _ in 0..100 {
        if only.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            only = client.get_connection();
        }
    }
    let _only = only.unwrap();
    let with_password = redis.url().replace("redis://", "redis://:secret@");
    for url in [redis.url(), with_password] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert!(cause(&error).contains("maxclients"), "{url}: {error:?}");
    }
}

/// All that the guide lists.
const RIGHTS: [&str; 12] = [
    "+get",
    "+set",
    "+del",
    "+mget",
    "+evalsha",
    "+script|load",
    "+zadd",
    "+zrem",
    "+zremrangebyscore",
    "+zrange",
    "+zrevrange",
    "+pexpire",
];

/// The command that makes a user who has these rights.
fn set_user<'a>(name: &'a str, rights: &[&'a str]) -> Vec<&'a str> {
    [&["ACL", "SETUSER", name, "reset", "on", ">secret", "-@all"], rights].concat()
}

/// The URL for such a user.
fn user(redis: &Redis, name: &str, rights: &[&str]) -> String {
    assert_eq!(redis.command(&set_user(name, rights)), "OK");
    redis.url().replace("redis://", &format!("redis://{name}:secret@"))
}

/// All calls that a store answers.
async fn use_all_of(store: &RedisStore) {
    create(store, 1).await;
    let there = store.load(&key(1)).await.unwrap().unwrap();
    let _ = store.touch(&key(1), there.version, there.record.expires_at).await.unwrap();
    let _ = store.replace(&key(1), there.version, &record(Some("ada"))).await.unwrap();
    store.await_replication(&key(1)).await.unwrap();
    assert_eq!(store.count("ada").await.unwrap(), 1);
    assert!(store.remove(&key(1)).await.unwrap());
    create(store, 2).await;
    assert!(store.remove_of("ada", &key(2)).await.unwrap());
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 0);
}

#[tokio::test]
async fn what_the_guide_lists_is_all_that_a_user_needs() {
    let redis = server();
    let url = user(&redis, "app", &[&RIGHTS[..], &["~cloakroom:*"]].concat());
    use_all_of(&RedisStore::connect(&url).await.unwrap()).await;

    let _replica = redis.replica().unwrap();
    let more = ["~cloakroom:*", "+getrange", "+wait"];
    let url = user(&redis, "app", &[&RIGHTS[..], &more].concat());
    let waits = RedisStore::options(&url).wait_for_replicas(1, Duration::from_secs(2));
    use_all_of(&waits.connect().await.unwrap()).await;
}

#[tokio::test]
async fn what_the_guide_lists_is_all_that_a_user_of_several_servers_needs() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("{error}"));
    let more = ["~cloakroom:*", "+ping", "+cluster|slots"];
    let app = set_user("app", &[&RIGHTS[..], &more].concat()).join(" ");
    for node in 0..cluster.ports().len() {
        assert_eq!(cluster.command(node, &app.split(' ').collect::<Vec<_>>()), "OK");
    }
    let url = cluster.url().replace("://", "://app:secret@");
    use_all_of(&RedisStore::connect(&url).await.unwrap()).await;

    let trio = RedisSentinels::start().unwrap_or_else(|error| panic!("{error}"));
    let _ = user(trio.master(), "app", &[&RIGHTS[..], &["~cloakroom:*", "+role"]].concat());
    let url = trio.url().replace("://", "://app:secret@");
    use_all_of(&RedisStore::connect(&url).await.unwrap()).await;
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_at_the_start() {
    let redis = server();
    for right in RIGHTS {
        let rights = RIGHTS.iter().filter(|other| **other != right).copied();
        let url = user(&redis, "app", &rights.chain(["~cloakroom:*"]).collect::<Vec<_>>());
        let error = RedisStore::connect(&url).await.unwrap_err();
        let (name, cause) = (right[1..].to_uppercase(), cause(&error));
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert!(cause.ends_with(&format!(": {name}")), "{cause}");
    }
    let url = user(&redis, "app", &["+@all", "-zadd", "-pexpire", "~cloakroom:*"]);
    let cause_of_two = cause(&RedisStore::connect(&url).await.unwrap_err());
    assert!(cause_of_two.ends_with(": ZADD, PEXPIRE"), "{cause_of_two}");
    let url = user(&redis, "app", &["+@all", "~other:*"]);
    let keys = cause(&RedisStore::connect(&url).await.unwrap_err());
    assert!(keys.ends_with(": keys that begin with cloakroom:"), "{keys}");
}

#[tokio::test(flavor = "current_thread")]
async fn s78_a_redis_that_evicts_is_warned_of_however_it_says_so() {
    let redis = server();
    let no_config = user(&redis, "plain", &["+@all", "-config", "~*"]);
    let no_info = user(&redis, "odd", &["+@all", "-info", "~*"]);
    let resp3 = format!("{}/?protocol=resp3", redis.url());
    let resp3_no_info = format!("{no_info}/?protocol=resp3");
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    for (policy, expected) in [("allkeys-lru", 1), ("noeviction", 0)] {
        assert_eq!(redis.command(&["CONFIG", "SET", "maxmemory-policy", policy]), "OK");
        for url in [&redis.url(), &no_config, &no_info, &resp3, &resp3_no_info] {
            RedisStore::connect(url).await.unwrap();
            let seen = warnings.seen();
            assert_eq!(seen.len(), expected, "{url}: {seen:?}");
            assert!(seen.iter().all(|warning| warning.contains(policy)), "{seen:?}");
        }
    }
}

#[tokio::test]
async fn a_node_of_a_cluster_is_no_server_of_its_own() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("{error}"));
    let forbid = ["ACL", "SETUSER", "odd", "reset", "on", ">secret", "+@all", "-info", "~*"];
    assert_eq!(cluster.command(0, &forbid), "OK");
    let place = format!("127.0.0.1:{}", cluster.ports()[0]);
    for url in [format!("redis://{place}"), format!("redis://odd:secret@{place}")] {
        let error = RedisStore::connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert!(cause(&error).contains("redis+cluster://"), "{}", cause(&error));
    }
    let wrong = format!("redis+cluster://odd:wrong@{place}");
    assert_eq!(RedisStore::connect(&wrong).await.unwrap_err().kind(), StoreErrorKind::Rejected);
    let error = RedisStore::connect(&server().url().replace("redis:", "redis+cluster:")).await;
    let cause = cause(&error.unwrap_err());
    assert!(cause.contains("no node of a cluster"), "{cause}");
}
