//! One part of a memory store: rows in a slab, a table from keys to rows, and two lists in the order of last use.
//!
//! A row costs 64 bytes and some 10 in the table, beside its data. Everything is done in constant time: finding,
//! moving to the end of its list when a row is used, taking the longest idle one, and looking at the next few rows
//! for one that has expired.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::store::{Record, StoreKey, Stored, Touched, Version};
use crate::time::Timestamp;

/// No row.
const NONE: u32 = u32::MAX;
/// More cannot be named.
pub(super) const MAX_ROWS: usize = NONE as usize;
/// The list of rows without an owner, and that of rows with one.
const ANONYMOUS: usize = 0;
const OWNED: usize = 1;

pub(super) struct Shard {
    /// A fast one: keys are random, and nobody chooses them.
    hasher: DefaultHashBuilder,
    table: HashTable<u32>,
    rows: Vec<Row>,
    /// The first of the vacant rows, each of which names the next.
    vacant: u32,
    lists: [List; 2],
    /// Where the search for expired rows goes on.
    hand: usize,
}

/// One record, or none.
struct Row {
    key: StoreKey,
    data: Option<Arc<[u8]>>,
    /// Microseconds since 1970.
    expires_at: i64,
    version: Version,
    /// Boxed, because most rows have none.
    owner: Option<Box<Arc<str>>>,
    previous: u32,
    next: u32,
}

/// A list through rows, the one used longest ago first.
struct List {
    first: u32,
    last: u32,
}

impl Shard {
    pub(super) fn new() -> Self {
        let empty = || List { first: NONE, last: NONE };
        Self {
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            rows: Vec::new(),
            vacant: NONE,
            lists: [empty(), empty()],
            hand: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn rows_for_tests(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn get(&self, key: &StoreKey) -> Option<Stored> {
        self.find(key).and_then(|at| self.rows[at as usize].stored())
    }

    pub(super) fn version(&self, key: &StoreKey) -> Option<Version> {
        self.find(key).map(|at| self.rows[at as usize].version)
    }

    pub(super) fn owner(&self, key: &StoreKey) -> Option<Arc<str>> {
        let row = &self.rows[self.find(key)? as usize];
        row.owner.as_deref().cloned()
    }

    /// Puts a record there as this version, whatever was there before, and makes it the one used last.
    pub(super) fn put(&mut self, key: StoreKey, record: &Record, version: Version) {
        let mut row = Row {
            key,
            data: Some(Arc::from(&record.data[..])),
            expires_at: record.expires_at.as_micros(),
            version,
            owner: record.owner.clone().map(Box::new),
            previous: NONE,
            next: NONE,
        };
        let at = match self.find(&key) {
            Some(at) => {
                self.unlink(at);
                let before = &mut self.rows[at as usize];
                if before.owner == row.owner {
                    row.owner = before.owner.take(); // the index has this very text, so that it is there once
                }
                *before = row;
                at
            }
            None => self.add(row),
        };
        self.link(at);
    }

    /// Moves the expiry of a row that has this version still, and makes it the one used last.
    pub(super) fn touch(
        &mut self,
        key: &StoreKey,
        seen: Version,
        expires_at: Timestamp,
    ) -> Touched {
        let Some(at) = self.find(key) else { return Touched::Gone };
        let row = &mut self.rows[at as usize];
        if row.version != seen {
            return Touched::Changed;
        }
        row.expires_at = expires_at.as_micros();
        self.unlink(at);
        self.link(at);
        Touched::Done
    }

    pub(super) fn remove(&mut self, key: &StoreKey) -> bool {
        let hash = self.hasher.hash_one(key);
        let Self { table, rows, .. } = self;
        let Ok(found) = table.find_entry(hash, |at| rows[*at as usize].key == *key) else {
            return false;
        };
        let (at, _) = found.remove();
        self.unlink(at);
        let row = &mut self.rows[at as usize];
        (row.data, row.owner, row.next) = (None, None, self.vacant);
        self.vacant = at;
        true
    }

    /// The key of the anonymous record that was not used for longest.
    pub(super) fn longest_idle(&self) -> Option<StoreKey> {
        let row = self.rows.get(self.lists[ANONYMOUS].first as usize)?;
        Some(row.key)
    }

    /// The key of a record that expired before `now`, if that is one of the two, anonymous and with an owner, that were
    /// not used for longest.
    pub(super) fn idle_expired(&self, now: Timestamp) -> Option<StoreKey> {
        let mut longest_idle =
            self.lists.iter().filter_map(|list| self.rows.get(list.first as usize));
        longest_idle.find(|row| row.expires_at < now.as_micros()).map(|row| row.key)
    }

    /// Looks at the next `count` rows, in turn, and gives the keys of those that expired before `now`.
    pub(super) fn next_expired(&mut self, now: Timestamp, count: usize) -> Vec<StoreKey> {
        let (mut expired, now) = (Vec::new(), now.as_micros());
        for _ in 0..count.min(self.rows.len()) {
            self.hand = (self.hand + 1) % self.rows.len();
            let row = &self.rows[self.hand];
            if row.data.is_some() && row.expires_at < now {
                expired.push(row.key);
            }
        }
        expired
    }

    /// The keys of at most `limit` records that expired before `now`.
    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<StoreKey> {
        let now = now.as_micros();
        let is_expired = |row: &&Row| row.data.is_some() && row.expires_at < now;
        self.rows.iter().filter(is_expired).take(limit).map(|row| row.key).collect()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = StoreKey> {
        self.rows.iter().filter(|row| row.data.is_some()).map(|row| row.key)
    }

    fn find(&self, key: &StoreKey) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.table.find(hash, |at| self.rows[*at as usize].key == *key).copied()
    }

    /// Gives a row a place and has the table name it.
    fn add(&mut self, row: Row) -> u32 {
        let (key, at) = (row.key, self.vacant);
        let at = if at == NONE {
            self.rows.push(row);
            // The store adds none beyond `MAX_ROWS`.
            (self.rows.len() - 1) as u32
        } else {
            self.vacant = self.rows[at as usize].next;
            self.rows[at as usize] = row;
            at
        };
        let Self { table, rows, hasher, .. } = self;
        let is_same = |other: &u32| rows[*other as usize].key == key;
        let hash_of = |other: &u32| hasher.hash_one(rows[*other as usize].key);
        match table.entry(hasher.hash_one(key), is_same, hash_of) {
            Entry::Occupied(mut there) => *there.get_mut() = at,
            Entry::Vacant(free) => drop(free.insert(at)),
        }
        at
    }

    /// Makes a row the last of its list.
    fn link(&mut self, at: u32) {
        let list = self.rows[at as usize].list();
        let last = std::mem::replace(&mut self.lists[list].last, at);
        match self.rows.get_mut(last as usize) {
            Some(row) => row.next = at,
            None => self.lists[list].first = at,
        }
        let row = &mut self.rows[at as usize];
        (row.previous, row.next) = (last, NONE);
    }

    /// Takes a row out of its list.
    fn unlink(&mut self, at: u32) {
        let Row { previous, next, .. } = self.rows[at as usize];
        let list = self.rows[at as usize].list();
        match self.rows.get_mut(previous as usize) {
            Some(row) => row.next = next,
            None => self.lists[list].first = next,
        }
        match self.rows.get_mut(next as usize) {
            Some(row) => row.previous = previous,
            None => self.lists[list].last = previous,
        }
    }
}

impl Row {
    fn stored(&self) -> Option<Stored> {
        let data = bytes::Bytes::from_owner(self.data.clone()?);
        let expires_at = Timestamp::from_micros(self.expires_at);
        let owner = self.owner.as_deref().cloned();
        Some(Stored { record: Record::new(data, expires_at, owner), version: self.version })
    }

    fn list(&self) -> usize {
        if self.owner.is_some() { OWNED } else { ANONYMOUS }
    }
}
