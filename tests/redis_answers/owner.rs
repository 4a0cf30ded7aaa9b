//! An owner with many sessions, and sessions that cannot be read.

use cloakroom::store::{Index, RedisStore, Replaced, Store, StoreKey, Version};
use cloakroom_engines::{Redis, RedisCluster};
use futures_util::future::join_all;

use super::{create, key, record, server};

const MANY: u32 = 10_000;

fn numbered(number: u32) -> StoreKey {
    StoreKey::from_bytes((u128::from(number) << 96 | u128::from(number)).to_be_bytes())
}

async fn create_many(store: &RedisStore) {
    for first in (0..MANY).step_by(500) {
        let created = (first..first + 500).map(async |number| {
            let _ = store.create(&numbered(number), &record(Some("ada"))).await.unwrap();
        });
        join_all(created).await;
    }
}

/// How many commands a server has carried out, without those that its scripts did.
fn commands(redis: &Redis) -> u64 {
    let stats = redis.command(&["INFO", "commandstats"]);
    let calls = |name: &str| {
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:")));
        let calls =
            line.and_then(|line| line.split_once("calls=")?.1.split(',').next()?.parse().ok());
        calls.unwrap_or(0)
    };
    ["evalsha", "mget", "zrange"].map(calls).iter().sum()
}

#[tokio::test]
async fn s29_ten_thousand_sessions_take_some_commands_and_not_one_for_each() {
    let redis = server();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    create_many(&store).await;
    let began = commands(&redis);
    assert_eq!(store.list("ada").await.unwrap().len(), 10_000);
    assert_eq!(store.count("ada").await.unwrap(), 10_000);
    assert_eq!(store.remove_all_but("ada", Some(&numbered(77))).await.unwrap(), 9_999);
    let took = commands(&redis) - began;
    assert!(took < 200, "{took} commands");
    assert_eq!(redis.command(&["ZCARD", "cloakroom:owner:ada"]), "1");
    assert_eq!(store.count("ada").await.unwrap(), 1);
}

#[tokio::test]
async fn s29_names_of_records_that_redis_lost_are_let_go_by_the_batch() {
    let redis = server();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    create_many(&store).await;
    let lose = "for _, name in ipairs(redis.call('KEYS', 'cloakroom:record:*')) do redis.call('DEL', name) end";
    let _ = redis.command(&["EVAL", lose, "0"]);
    let began = commands(&redis);
    assert!(store.list("ada").await.unwrap().is_empty());
    let took = commands(&redis) - began;
    assert!(took < 100, "{took} commands");
    assert_eq!(redis.command(&["EXISTS", "cloakroom:owner:ada"]), "0");
}

#[tokio::test]
async fn s29_a_session_that_ended_leaves_its_owner_s_index() {
    let redis = server();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    for number in 1..=3 {
        create(&store, number).await;
    }
    assert!(store.remove(&key(1)).await.unwrap());
    assert_eq!(redis.command(&["ZCARD", "cloakroom:owner:ada"]), "2");
    assert!(!store.remove(&key(1)).await.unwrap());
    assert!(store.remove_of("ada", &key(2)).await.unwrap());
    assert!(store.remove(&key(3)).await.unwrap());
    assert_eq!(redis.command(&["EXISTS", "cloakroom:owner:ada"]), "0");
}

/// What nobody can read, under the names of an owner's sessions.
async fn spoiled(redis: &Redis) -> RedisStore {
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    for number in 1..=3 {
        create(&store, number).await;
    }
    let name = |number| format!("cloakroom:record:{}", key(number));
    assert_eq!(redis.command(&["SET", &name(1), "short"]), "OK");
    assert_eq!(redis.command(&["DEL", &name(2)]), "1");
    assert_eq!(redis.command(&["LPUSH", &name(2), "no text"]), "1");
    store
}

#[tokio::test]
async fn s29_what_cannot_be_read_is_listed_and_ended_with_the_others() {
    let redis = server();
    let store = spoiled(&redis).await;
    let mut listed: Vec<_> = store.list("ada").await.unwrap().iter().map(|it| it.key).collect();
    listed.sort_unstable();
    assert_eq!(listed, [1, 2, 3].map(key));
    assert_eq!(store.count("ada").await.unwrap(), 3);
    assert_eq!(store.count("bob").await.unwrap(), 0);
    assert!(store.remove_of("ada", &key(2)).await.unwrap());
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 2);
    assert_eq!(redis.command(&["KEYS", "cloakroom:*"]), "");
    // By its own name, too.
    let store = spoiled(&redis).await;
    for number in 1..=3 {
        assert!(store.remove(&key(number)).await.unwrap());
    }
    assert_eq!(redis.command(&["KEYS", "cloakroom:record:*"]), "");
}

#[tokio::test]
async fn s29_what_cannot_be_read_is_not_another_owner_s_to_end() {
    let redis = server();
    let store = spoiled(&redis).await;
    for number in 1..=3 {
        assert!(!store.remove_of("bob", &key(number)).await.unwrap());
    }
    let moved = store.replace(&key(3), Version::FIRST, &record(Some("bob"))).await.unwrap();
    assert!(matches!(moved, Replaced::Done(_)));
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 2);
    assert_eq!(store.list("bob").await.unwrap().len(), 1);
}

#[tokio::test]
async fn s29_in_a_cluster_an_owner_s_sessions_are_found_in_all_partitions() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("{error}"));
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let everywhere = (0..=u8::MAX).map(async |number| {
        let _ = store.create(&key(number), &record(Some("ada"))).await.unwrap();
    });
    join_all(everywhere).await;
    assert_eq!(store.list("ada").await.unwrap().len(), 256);
    assert_eq!(store.remove_all_but("ada", Some(&key(9))).await.unwrap(), 255);
    assert_eq!(store.count("ada").await.unwrap(), 1);
}
