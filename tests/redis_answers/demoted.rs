//! A master whose place another has taken, while connections to it stay open.

use std::time::Duration;

use cloakroom::store::{Index, RedisStore, Replaced, Store, StoreErrorKind, Version};
use cloakroom_engines::{Proxy, Redis, Weather};
use futures_util::future::join_all;

use super::{VISITORS, all_write, create, key, on, record, server, until};

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
    let writes = (0..VISITORS).map(async |number| {
        let error = store.create(&key(number), &record(None)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{error:?}");
    });
    join_all(writes).await;
    assert_eq!(store.load(&key(1)).await.unwrap(), None, "it reads");
    assert!(name.opened() < 12, "{}", name.opened());
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
    // As long as a request may be away.
    tokio::time::sleep(Duration::from_millis(20)).await;
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
