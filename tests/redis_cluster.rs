//! The suite on a Redis cluster, and what only a cluster can do: move keys, and lose a node.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, Record, RedisStore, Replaced, Store, StoreErrorKind, StoreKey, Stored, Version,
};
use cloakroom_engines::RedisCluster;

/// One cluster for all tests of this binary that leave it as it is.
static CLUSTER: LazyLock<RedisCluster> = LazyLock::new(start);

/// Longer than a cluster takes to agree on another master.
const PATIENCE: Duration = Duration::from_secs(30);

fn start() -> RedisCluster {
    RedisCluster::start().unwrap_or_else(|error| panic!("{error}"))
}

async fn connect() -> RedisStore {
    RedisStore::connect(&CLUSTER.url()).await.unwrap()
}

cloakroom::store_conformance!(connect());
cloakroom::store_races!(connect());
cloakroom::index_conformance!(connect());
cloakroom::scan_conformance!(connect());

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(data: impl ToString, owner: Option<&str>) -> Record {
    let end = Timestamp::from_secs(4_102_444_800);
    Record::new(data.to_string().into_bytes(), end, owner.map(Into::into))
}

async fn create(store: &RedisStore, key: &StoreKey, record: &Record) {
    assert_eq!(store.create(key, record).await.unwrap(), Created::Done(Version::FIRST));
}

#[tokio::test]
async fn an_owner_s_records_are_found_on_all_nodes() {
    let store = connect().await;
    for number in 100..200 {
        create(&store, &key(number), &record(number, Some("everywhere"))).await;
    }
    assert_eq!(store.count("everywhere").await.unwrap(), 100);
    assert!(store.remove_of("everywhere", &key(100)).await.unwrap());
    assert_eq!(store.remove_all_but("everywhere", Some(&key(199))).await.unwrap(), 98);
    let left = store.list("everywhere").await.unwrap();
    assert_eq!(left.iter().map(|listed| listed.key).collect::<Vec<_>>(), [key(199)]);
}

#[tokio::test]
async fn a_prefix_with_a_brace_is_refused() {
    let refused = RedisStore::options(&CLUSTER.url()).prefix("{a}:").connect().await;
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn a_key_on_its_way_to_another_node_is_found_there() {
    let cluster = start();
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let moving = key(7);
    create(&store, &moving, &record(1, Some("ada"))).await;
    let tag = "cloakroom:{07}:";
    let slot = cluster.command(0, &["CLUSTER", "KEYSLOT", tag]);
    let id = |node: usize| cluster.command(node, &["CLUSTER", "MYID"]).trim().to_owned();
    let has = |node: usize| cluster.command(node, &["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0";
    let from = (0..3).find(|node| has(*node)).expect("the key is somewhere");
    let to = (from + 1) % 3;
    let set = |node, how: &str, other: &str| {
        assert_eq!(cluster.command(node, &["CLUSTER", "SETSLOT", &slot, how, other]), "OK");
    };
    set(to, "IMPORTING", &id(from));
    set(from, "MIGRATING", &id(to));
    let (port, names) = (cluster.ports()[to].to_string(), cluster_keys(&cluster, from, &slot));
    for name in names {
        let moved = ["MIGRATE", "127.0.0.1", &port, &name, "0", "1000"];
        assert_eq!(cluster.command(from, &moved), "OK");
    }
    // The slot's old node says where to ask.
    let there = store.load(&moving).await.unwrap().unwrap();
    assert_eq!(&there.record.data[..], b"1");
    let replaced = store.replace(&moving, there.version, &record(2, Some("ada"))).await.unwrap();
    assert!(matches!(replaced, Replaced::Done(_)), "{replaced:?}");
    for node in [to, from] {
        set(node, "NODE", &id(to));
    }
    // And now that it has moved.
    assert_eq!(&store.load(&moving).await.unwrap().unwrap().record.data[..], b"2");
    assert_eq!(store.count("ada").await.unwrap(), 1);
}

fn cluster_keys(cluster: &RedisCluster, node: usize, slot: &str) -> Vec<String> {
    let keys = cluster.command(node, &["CLUSTER", "GETKEYSINSLOT", slot, "10"]);
    keys.lines().map(str::to_owned).collect()
}

/// What one record's writer knows of it.
struct Writer {
    key: StoreKey,
    tried: u64,
    kept: u64,
}

impl Writer {
    fn value(stored: &Stored) -> (u8, u64) {
        let text = std::str::from_utf8(&stored.record.data).unwrap();
        let (owner, count) = text.split_once(' ').unwrap();
        (owner.parse().unwrap(), count.parse().unwrap())
    }

    /// Adds one. An error changes nothing, or was done; it is never another's record, nor none.
    async fn add(&mut self, store: &RedisStore) -> Result<(), StoreErrorKind> {
        let stored = store.load(&self.key).await.map_err(|error| error.kind())?;
        let stored = stored.expect("a record that was created is there");
        let (owner, count) = Self::value(&stored);
        assert_eq!(owner, self.key.as_bytes()[0], "the record of another");
        assert!(count <= self.tried, "{count} of {} tries", self.tried);
        self.tried += 1;
        let next = record(format!("{owner} {}", count + 1), None);
        match store.replace(&self.key, stored.version, &next).await {
            Ok(Replaced::Done(_)) => self.kept += 1,
            Ok(other) => panic!("nobody else writes this record: {other:?}"),
            Err(error) => return Err(error.kind()),
        }
        Ok(())
    }
}

#[tokio::test]
async fn s77_a_master_that_is_lost_is_replaced_and_no_record_is_mistaken_for_another() {
    let cluster = RedisCluster::start_with_timeout(Duration::from_secs(1)).unwrap();
    let store = RedisStore::connect(&cluster.url()).await.unwrap();
    let mut writers = Vec::new();
    for number in 0..48 {
        let key = key(number * 5);
        create(&store, &key, &record(format!("{} 0", number * 5), None)).await;
        writers.push(Writer { key, tried: 0, kept: 0 });
    }
    // So that the replica has all of them.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut failed, began) = (0, Instant::now());
    for round in 0.. {
        if round == 5 {
            cluster.kill(0);
        }
        let mut all_well = true;
        for writer in &mut writers {
            let budget = Duration::from_secs(3);
            match tokio::time::timeout(budget, writer.add(&store)).await {
                Ok(Ok(())) => {}
                Ok(Err(kind)) => {
                    // It says that it is incomplete, or a node says nothing.
                    let (said, silent) = (StoreErrorKind::Rejected, StoreErrorKind::Unavailable);
                    assert!([said, silent, StoreErrorKind::TimedOut].contains(&kind), "{kind}");
                    (failed, all_well) = (failed + 1, false);
                }
                Err(_) => (failed, all_well) = (failed + 1, false),
            }
        }
        if round > 5 && all_well {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "it does not recover");
    }
    assert!(failed > 0, "nobody noticed that a node is gone");
    let mut lost = 0;
    for writer in &writers {
        let (_, count) = Writer::value(&store.load(&writer.key).await.unwrap().unwrap());
        lost += writer.kept.saturating_sub(count);
    }
    // A replica may lack the last moments: no more than a write of each.
    assert!(lost <= writers.len() as u64, "{lost} acknowledged writes are lost");
    println!("{failed} calls failed, {lost} acknowledged writes are lost");
}
