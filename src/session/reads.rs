//! Which keys' values have left the session, so that a write over another request's write is recognised.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

/// The lowest bit of a hash says whether the key was read as a [strict](crate::Key::strict) one.
const STRICT: u64 = 1;

/// The keys that were read, as hashes: two keys of one hash would cost a false alarm once in 2^63.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    is_kept: bool,
    all: bool,
    /// Four are as many as most handlers read.
    keys: SmallVec<[u64; 4]>,
    hasher: DefaultHashBuilder,
}

impl Reads {
    /// Reads are of interest only where a conflict can be told, on a server.
    pub(super) fn new(is_kept: bool) -> Self {
        Self { is_kept, ..Self::default() }
    }

    pub(super) fn note(&mut self, key: &str, is_strict: bool) {
        if !self.is_kept || self.all && !is_strict {
            return;
        }
        let hash = self.hash(key);
        match self.keys.iter_mut().find(|other| **other & !STRICT == hash) {
            Some(known) => *known |= u64::from(is_strict),
            None => self.keys.push(hash | u64::from(is_strict)),
        }
    }

    pub(super) const fn note_all(&mut self) {
        self.all = true;
    }

    /// Whether anything was read.
    pub(super) fn has_any(&self) -> bool {
        self.is_kept && (self.all || !self.keys.is_empty())
    }

    /// Whether the key was read, and if so, whether it was read as a strict one.
    pub(super) fn of(&self, key: &str) -> Option<bool> {
        if !self.has_any() {
            return None;
        }
        let hash = self.hash(key);
        match self.keys.iter().find(|other| **other & !STRICT == hash) {
            Some(known) => Some(known & STRICT != 0),
            None => self.all.then_some(false),
        }
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key) & !STRICT
    }
}
