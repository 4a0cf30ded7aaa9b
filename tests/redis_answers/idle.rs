//! Connections that nobody used for a while: closed by the server, or forgotten on the way.

use std::time::Duration;

use cloakroom::store::{RedisStore, Store};
use cloakroom_engines::{Proxy, Redis, RedisCluster, Weather};

use super::{VISITORS, all_write, create, key, on, server, until};

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

/// A store whose one connection was forgotten on the way.
async fn forgotten() -> (Redis, Proxy, RedisStore) {
    let redis = server();
    let proxy = Proxy::to(&redis.url()).unwrap();
    let store = RedisStore::connect(&proxy.before(&redis.url())).await.unwrap();
    create(&store, 0).await;
    proxy.set(Weather::Lose);
    proxy.set(Weather::Fair);
    // Idle, as connections are that are forgotten.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    (redis, proxy, store)
}

#[tokio::test]
async fn s75_a_connection_that_was_forgotten_on_the_way_is_left_within_a_second_of_waiting() {
    let (_redis, proxy, store) = forgotten().await;
    // Each of them in the time that the factory gives a request's calls.
    tokio::time::timeout(Duration::from_secs(3), all_write(&store, 1)).await.unwrap();
    assert_eq!(proxy.opened(), 2, "one before and one after");
}

/// Visits of less time than a question about a connection may take, until one is answered.
async fn hurry(store: &RedisStore, number: u8) {
    let key = key(number);
    let visit = || tokio::time::timeout(Duration::from_millis(400), store.load(&key));
    until(async || visit().await.is_ok_and(|there| there.unwrap().is_some())).await;
}

#[tokio::test]
async fn s75_a_connection_that_was_forgotten_on_the_way_is_left_by_those_in_a_hurry_too() {
    let (_redis, proxy, store) = forgotten().await;
    hurry(&store, 0).await;
    assert_eq!(proxy.opened(), 2, "one before and one after");
}

#[tokio::test]
async fn s75_a_connection_that_is_forgotten_while_it_is_made_keeps_nobody_waiting() {
    let redis = server();
    let proxy = Proxy::to(&redis.url()).unwrap();
    let options = RedisStore::options(&proxy.before(&redis.url()));
    let store = options.connect_timeout(Duration::from_secs(300)).connect().await.unwrap();
    create(&store, 0).await;
    proxy.set(Weather::Lose);
    // Until another one is being made.
    let key_0 = key(0);
    until(async || {
        let visit = tokio::time::timeout(Duration::from_millis(200), store.load(&key_0));
        assert!(visit.await.is_err(), "nothing is answered");
        proxy.opened() > 1
    })
    .await;
    proxy.set(Weather::Fair);
    hurry(&store, 0).await;
}

/// A cluster whose nodes say that they are behind these proxies.
async fn behind(cluster: &RedisCluster) -> (Vec<Proxy>, String) {
    let proxies: Vec<Proxy> = cluster
        .ports()
        .iter()
        .map(|port| Proxy::to(&format!("redis://127.0.0.1:{port}")).unwrap())
        .collect();
    let places: Vec<String> = cluster
        .ports()
        .iter()
        .zip(&proxies)
        .map(|(port, proxy)| proxy.before(&format!("127.0.0.1:{port}")))
        .collect();
    for (node, place) in places.iter().enumerate() {
        let port = place.rsplit(':').next().unwrap();
        let announce = ["CONFIG", "SET", "cluster-announce-port", port];
        assert_eq!(cluster.command(node, &announce), "OK");
    }
    // Until each has told the others.
    until(async || {
        (0..places.len()).all(|node| {
            let nodes = cluster.command(node, &["CLUSTER", "NODES"]);
            places.iter().all(|place| nodes.contains(&format!("{place}@")))
        })
    })
    .await;
    (proxies, format!("redis+cluster://{}", places[..3].join(",")))
}

#[tokio::test]
async fn s75_a_cluster_s_connection_that_was_forgotten_on_the_way_is_left_like_any_other() {
    let cluster = RedisCluster::start().unwrap_or_else(|error| panic!("{error}"));
    let (proxies, url) = behind(&cluster).await;
    let store = RedisStore::connect(&url).await.unwrap();
    all_write(&store, 0).await;
    for (round, proxy) in (1..).zip(&proxies[..3]) {
        proxy.set(Weather::Lose);
        proxy.set(Weather::Fair);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let visits = all_write(&store, round * VISITORS);
        tokio::time::timeout(Duration::from_secs(3), visits).await.unwrap();
    }
    for proxy in &proxies[..3] {
        proxy.set(Weather::Lose);
        proxy.set(Weather::Fair);
    }
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for number in 0..VISITORS {
        hurry(&store, number).await;
    }
}
