//! Records in this process's memory: the fastest store, for one process, gone with it.
//!
//! 64 shards, each behind a lock that is held for about a microsecond and as long as copying the record takes. Data is
//! copied when it is written, and shared with whoever reads it. An expiry is kept to the microsecond, rounded down.
//! Two bounds keep memory in check without any call from outside:
//! - *Expiry.* Every `create` and `replace` looks at 4 rows of its shard in turn and drops those that have expired. So
//!   an abandoned record goes at the latest when its shard has been written a quarter as often as it has rows, of
//!   which there are as many as there were records at most. Reads and touches do not sweep; [`Sweep`] does at once.
//! - *Capacity.* A record too many takes the place of an expired one, if those 4 rows or the two that were not used
//!   for longest (one anonymous, one with an owner) are that; else of the anonymous record of its shard that was not
//!   written or touched for longest. A live one with an owner is never put out: where there are only such, the new
//!   record is refused as [`Rejected`](StoreErrorKind::Rejected).
//!
//! Beside its data, a record costs some 110 bytes, one with an owner some 130 more and the owner's name. The capacity
//! bounds the number of records and not their size; that is for the factory to bound. Memory that was used once is
//! kept for records to come.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Created, Cursor, Index, Listed, Page, Record, Replaced, Result, Scan, Store, StoreError,
    StoreErrorKind, StoreKey, Stored, Sweep, Touched, Version,
};
use crate::time::{Clock, SystemClock, Timestamp};

mod shard;

use shard::Shard;

const SHARDS: usize = 64;
/// Below this, all records are in one shard, so that the bound and the order are exact.
const MIN_SHARDED: usize = 64 * 64;
/// A million small sessions are some 200 MB.
const CAPACITY: usize = 1_000_000;
/// How many rows a write looks at.
const LOOKED_AT: usize = 4;

/// Keeps records in memory. Clones are the same store.
///
/// ```
/// use cloakroom::StoredFactory;
/// use cloakroom::store::MemoryStore;
///
/// let store = MemoryStore::builder().capacity(100_000).build();
/// let sessions = StoredFactory::new("shop", store.clone());
/// assert_eq!(store.counts().records, 0);
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    shards: Vec<Mutex<Shard>>,
    /// Locked after a shard, never before.
    owners: Mutex<Owners>,
    shard_capacity: usize,
    clock: Box<dyn Clock>,
    evicted: AtomicUsize,
    swept: AtomicUsize,
}

/// Which keys belong to whom. Ordered, so that it grows without ever being built anew under its lock.
#[derive(Default)]
struct Owners(BTreeSet<(Arc<str>, StoreKey)>);

/// What a [`MemoryStore`] holds, and what it let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records that are there now, expired ones included that were not swept yet.
    pub records: usize,
    /// Those of them that have an owner.
    pub owned: usize,
    /// Anonymous records that were put out for newer ones, since the start.
    pub evicted: usize,
    /// Expired records that were removed, since the start.
    pub swept: usize,
}

/// Makes a [`MemoryStore`].
#[must_use = "nothing is made before `build` is called"]
pub struct MemoryBuilder {
    capacity: usize,
    clock: Box<dyn Clock>,
}

impl MemoryBuilder {
    /// How many records there may be; default a million, so that visitors cannot use up the memory.
    ///
    /// From 4096 on, each of 64 shards has its part of it, rounded up. Keys do not spread evenly, so the fullest shard
    /// puts records out before the whole is full: at a million when it is 97 % full, at 4096 when it is three quarters
    /// full.
    pub fn capacity(mut self, records: usize) -> Self {
        self.capacity = records;
        self
    }

    /// Another clock, for tests: the one that the factory has. It only says which records may be dropped.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        let shards = if self.capacity < MIN_SHARDED { 1 } else { SHARDS };
        MemoryStore {
            shared: Arc::new(Shared {
                shards: (0..shards).map(|_| Mutex::new(Shard::new())).collect(),
                owners: Mutex::default(),
                shard_capacity: self.capacity.div_ceil(shards).min(shard::MAX_ROWS),
                clock: self.clock,
                evicted: AtomicUsize::new(0),
                swept: AtomicUsize::new(0),
            }),
        }
    }
}

impl MemoryStore {
    /// An empty store with room for a million records.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// For other settings.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder { capacity: CAPACITY, clock: Box::new(SystemClock) }
    }

    /// What is there, and what was let go.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let shared = &self.shared;
        Counts {
            records: shared.shards.iter().map(|shard| lock(shard).len()).sum(),
            owned: lock(&shared.owners).0.len(),
            evicted: shared.evicted.load(Ordering::Relaxed),
            swept: shared.swept.load(Ordering::Relaxed),
        }
    }

    /// The shard of a key. Which one that is, a visitor may know: it only matters for waiting.
    fn shard(&self, key: &StoreKey) -> MutexGuard<'_, Shard> {
        lock(&self.shared.shards[self.number_of_shard(key)])
    }

    fn number_of_shard(&self, key: &StoreKey) -> usize {
        usize::from(key.as_bytes()[0]) % self.shared.shards.len()
    }

    fn remove_if(&self, key: &StoreKey, fits: impl FnOnce(&Shard) -> bool) -> bool {
        let mut shard = self.shard(key);
        fits(&shard) && self.shared.remove(&mut shard, key)
    }
}

impl Shared {
    /// Puts a record there, and its owner into the index.
    fn put(&self, shard: &mut Shard, key: StoreKey, record: &Record, version: Version) {
        let before = shard.owner(&key);
        if before != record.owner {
            let mut owners = lock(&self.owners);
            owners.forget(before.as_ref(), &key);
            owners.note(record.owner.as_ref(), key);
        }
        shard.put(key, record, version);
    }

    fn remove(&self, shard: &mut Shard, key: &StoreKey) -> bool {
        if let Some(owner) = shard.owner(key) {
            lock(&self.owners).forget(Some(&owner), key);
        }
        shard.remove(key)
    }

    /// Removes a few of the expired records.
    fn sweep_a_little(&self, shard: &mut Shard, now: Timestamp) {
        for key in shard.next_expired(now, LOOKED_AT) {
            self.remove(shard, &key);
            self.swept.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes room for one more record.
    fn make_room(&self, shard: &mut Shard, now: Timestamp) -> Result<()> {
        while shard.len() >= self.shard_capacity {
            let (key, counter) = match (shard.idle_expired(now), shard.longest_idle()) {
                (Some(expired), _) => (expired, &self.swept),
                (None, Some(anonymous)) => (anonymous, &self.evicted),
                (None, None) => {
                    let cause = "the memory store is full of sessions that have an owner";
                    return Err(StoreError::new(StoreErrorKind::Rejected, cause));
                }
            };
            self.remove(shard, &key);
            counter.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Owners {
    fn note(&mut self, owner: Option<&Arc<str>>, key: StoreKey) {
        if let Some(owner) = owner {
            self.0.insert((owner.clone(), key));
        }
    }

    fn forget(&mut self, owner: Option<&Arc<str>>, key: &StoreKey) {
        if let Some(owner) = owner {
            self.0.remove(&(owner.clone(), *key));
        }
    }

    fn keys_of(&self, owner: &str) -> impl Iterator<Item = StoreKey> {
        let first = (Arc::from(owner), StoreKey::from_bytes([0; 16]));
        self.0.range(first..).take_while(move |(other, _)| **other == *owner).map(|(_, key)| *key)
    }
}

impl Store for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        Ok(self.shard(key).get(key))
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let now = self.shared.clock.now();
        let mut shard = self.shard(key);
        self.shared.sweep_a_little(&mut shard, now);
        if shard.version(key).is_some() {
            return Ok(Created::Taken);
        }
        self.shared.make_room(&mut shard, now)?;
        self.shared.put(&mut shard, *key, record, Version::FIRST);
        Ok(Created::Done(Version::FIRST))
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let now = self.shared.clock.now();
        let mut shard = self.shard(key);
        self.shared.sweep_a_little(&mut shard, now);
        match shard.version(key) {
            None => Ok(Replaced::Gone),
            Some(version) if version == expected => {
                let next = version.next();
                self.shared.put(&mut shard, *key, record, next);
                Ok(Replaced::Done(next))
            }
            Some(_) => Ok(shard.get(key).map_or(Replaced::Gone, Replaced::Conflict)),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        Ok(self.shard(key).touch(key, seen, expires_at))
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        Ok(self.remove_if(key, |_| true))
    }

    /// Nothing outlasts this process.
    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

impl Index for MemoryStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let keys = self.keys_of(owner);
        let still_his = |key: StoreKey| {
            let stored = self.shard(&key).get(&key)?;
            (stored.record.owner.as_deref() == Some(owner)).then_some(Listed { key, stored })
        };
        Ok(keys.into_iter().filter_map(still_his).collect())
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        Ok(lock(&self.shared.owners).keys_of(owner).count())
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        Ok(self.remove_if(key, |shard| shard.owner(key).as_deref() == Some(owner)))
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let is_his = |key: &StoreKey, shard: &Shard| shard.owner(key).as_deref() == Some(owner);
        let keys = self.keys_of(owner).into_iter().filter(|key| Some(key) != keep);
        Ok(keys.filter(|key| self.remove_if(key, |shard| is_his(key, shard))).count())
    }
}

impl MemoryStore {
    fn keys_of(&self, owner: &str) -> Vec<StoreKey> {
        lock(&self.shared.owners).keys_of(owner).collect()
    }
}

impl Sweep for MemoryStore {
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let mut swept = 0;
        for shard in &self.shared.shards {
            let mut shard = lock(shard);
            for key in shard.expired(now, limit - swept) {
                swept += usize::from(self.shared.remove(&mut shard, &key));
            }
        }
        self.shared.swept.fetch_add(swept, Ordering::Relaxed);
        Ok(swept)
    }
}

impl Scan for MemoryStore {
    /// Shard by shard, so that a page looks at the shards that it is from, not at all records.
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = limit.max(1);
        let mut after = after.and_then(|cursor| StoreKey::parse(cursor.as_str()));
        let first = after.map_or(0, |key| self.number_of_shard(&key));
        let mut records = Vec::new();
        for shard in self.shared.shards.iter().skip(first) {
            // Only in its own shard does a key say what was seen before it.
            let after = after.take();
            let shard = lock(shard);
            let mut keys: Vec<StoreKey> = shard.keys().filter(|key| Some(*key) > after).collect();
            keys.sort_unstable();
            keys.truncate(limit - records.len());
            let listed = |key: StoreKey| Some(Listed { key, stored: shard.get(&key)? });
            records.extend(keys.into_iter().filter_map(listed));
            if records.len() == limit {
                break;
            }
        }
        Ok(Page::in_order(records, limit))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MemoryStore").field(&self.counts()).finish()
    }
}

/// No user code runs under these locks, not even the clock, so that a panic cannot leave half a change behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::FakeClock;

    fn key(number: u8) -> StoreKey {
        StoreKey::from_bytes([number; 16])
    }

    fn record(expires_at: i64, owner: Option<&str>) -> Record {
        Record::new(&b"data"[..], Timestamp::from_secs(expires_at), owner.map(Arc::from))
    }

    async fn create(store: &MemoryStore, number: u8, owner: Option<&str>) {
        let created = store.create(&key(number), &record(100, owner)).await.unwrap();
        assert_eq!(created, Created::Done(Version::FIRST));
    }

    async fn there(store: &MemoryStore, numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
        let mut there = Vec::new();
        for number in numbers {
            if store.load(&key(number)).await.unwrap().is_some() {
                there.push(number);
            }
        }
        there
    }

    #[tokio::test]
    async fn the_longest_idle_anonymous_record_goes_first() {
        let clock = FakeClock::at(0.0);
        let store = MemoryStore::builder().capacity(4).clock(clock).build();
        create(&store, 1, None).await;
        create(&store, 2, Some("ada")).await;
        create(&store, 3, None).await;
        create(&store, 4, None).await;
        let touched = store.touch(&key(1), Version::FIRST, Timestamp::from_secs(200)).await;
        assert_eq!(touched.unwrap(), Touched::Done);
        create(&store, 5, None).await;
        assert_eq!(there(&store, 1..=5).await, [1, 2, 4, 5]);
        let replaced = store.replace(&key(4), Version::FIRST, &record(100, None)).await.unwrap();
        assert!(matches!(replaced, Replaced::Done(_)));
        create(&store, 6, None).await;
        assert_eq!(there(&store, 1..=6).await, [2, 4, 5, 6]);
        assert_eq!((store.counts().records, store.counts().evicted), (4, 2));
    }

    #[tokio::test]
    async fn a_signed_in_session_is_never_put_out() {
        let store = MemoryStore::builder().capacity(2).clock(FakeClock::at(0.0)).build();
        create(&store, 1, Some("ada")).await;
        create(&store, 2, Some("bob")).await;
        let error = store.create(&key(3), &record(100, Some("eve"))).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        assert_eq!(there(&store, 1..=3).await, [1, 2]);
        assert_eq!(store.counts().owned, 2);
    }

    #[tokio::test]
    async fn expired_records_go_without_a_call_and_before_live_ones() {
        let clock = FakeClock::at(0.0);
        let store = MemoryStore::builder().capacity(100).clock(clock.clone()).build();
        for number in 1..=99 {
            create(&store, number, None).await;
        }
        clock.advance(Duration::from_secs(101));
        let alive = record(1000, None);
        for number in 100..=124 {
            let _ = store.create(&key(number), &alive).await.unwrap();
        }
        let Counts { records, evicted, swept, .. } = store.counts();
        assert_eq!(evicted, 0, "expired ones made room enough");
        assert!(swept >= 90 && records <= 34, "{swept} swept, {records} left");
    }

    #[tokio::test]
    async fn places_are_used_again_and_nothing_is_mixed_up() {
        let store = MemoryStore::builder().capacity(1000).build();
        for round in 0..20_u8 {
            for number in 0..=255 {
                let owner = (number % 3 == 0).then_some("ada");
                let record = Record::new(vec![number, round], Timestamp::MAX, owner.map(Arc::from));
                let _ = store.create(&key(number), &record).await.unwrap();
            }
            for number in 0..=255 {
                let stored = store.load(&key(number)).await.unwrap().unwrap();
                assert_eq!(stored.record.data[..], [number, round]);
            }
            assert_eq!(store.count("ada").await.unwrap(), 86);
            for number in (0..=255).rev() {
                assert!(store.remove(&key(number)).await.unwrap());
            }
            assert_eq!(store.counts().records, 0);
            assert_eq!(store.count("ada").await.unwrap(), 0);
        }
        assert!(lock(&store.shared.shards[0]).rows_for_tests() <= 256);
    }
}
