//! Which keys a request has read, so that a write over another request's write is recognised.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The keys that were read, as hashes: two keys of one hash would cost a false alarm once in 2^64.
#[derive(Debug, Default)]
pub(super) struct Reads {
    is_kept: bool,
    all: bool,
    keys: Vec<u64>,
}

impl Reads {
    /// Reads are of interest only where a conflict can be told, on a server.
    pub(super) const fn new(is_kept: bool) -> Self {
        Self { is_kept, all: false, keys: Vec::new() }
    }

    pub(super) fn note(&mut self, key: &str) {
        if self.is_kept && !self.has(key) {
            self.keys.push(hash(key));
        }
    }

    pub(super) const fn note_all(&mut self) {
        self.all = true;
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.all || self.keys.contains(&hash(key))
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
