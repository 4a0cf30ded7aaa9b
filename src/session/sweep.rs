//! Everything is removed but a few keys, by name: of whatever is there when it is done, and when it is done again.

use super::entries::Entries;
use super::reads::Reads;

/// What [`Session::clear`](crate::Session::clear) and [`Session::retain`](crate::Session::retain) do.
#[derive(Default)]
pub(crate) struct Sweep {
    kept: Vec<String>,
    /// What had been read by then, so that what another request changed in between is known to be lost unseen.
    reads: Reads,
}

impl Sweep {
    pub(super) const fn new(kept: Vec<String>, reads: Reads) -> Self {
        Self { kept, reads }
    }

    pub(super) fn removes(&self, key: &str) -> bool {
        !self.kept.iter().any(|kept| kept == key)
    }

    /// Whether the key had been read, and if so, whether as a strict one.
    pub(super) fn read(&self, key: &str) -> Option<bool> {
        self.reads.of(key)
    }

    pub(super) fn can_overwrite(&self) -> bool {
        self.reads.has_any()
    }

    pub(super) fn apply(&self, entries: &mut Entries) {
        entries.retain(|key| !self.removes(key));
    }
}
