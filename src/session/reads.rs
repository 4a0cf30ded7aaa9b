//! Which keys a request has read, so that a write over another request's write is recognised.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use smallvec::SmallVec;

/// The keys that were read, as hashes: two keys of one hash would cost a false alarm once in 2^64.
#[derive(Debug, Default)]
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

    pub(super) fn note(&mut self, key: &str) {
        if !self.is_kept || self.all {
            return;
        }
        let hash = self.hasher.hash_one(key);
        if !self.keys.contains(&hash) {
            self.keys.push(hash);
        }
    }

    pub(super) const fn note_all(&mut self) {
        self.all = true;
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.all || !self.keys.is_empty() && self.keys.contains(&self.hasher.hash_one(key))
    }
}
