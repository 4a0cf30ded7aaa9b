//! What a request did with its session: the last page of a visit, for the factory to read.

use super::change::Changes;
use super::entries::Entries;
use super::opened::{Facts, Origin};
use crate::Timestamp;

/// What a request did with its session, apart from the changes themselves.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// Anything at all was asked, so that the answer may depend on the cookie.
    pub(super) seen: bool,
    /// The data was looked at: idle time starts anew.
    pub(super) looked: bool,
    /// A method that writes was called, whether or not it made a difference.
    pub(super) wrote: bool,
    /// `changed()` was called.
    pub(super) marked: bool,
    /// `invalidate()` was called.
    pub(super) invalidated: bool,
}

/// What a request did with its session, handed to the factory when the handler has answered.
#[derive(Debug)]
pub struct Commit {
    origin: Origin,
    now: Timestamp,
    created: Timestamp,
    entries: Entries,
    changes: Changes,
    usage: Usage,
    failed: bool,
}

impl Commit {
    pub(super) fn new(
        facts: &Facts,
        entries: Entries,
        changes: Changes,
        usage: Usage,
        failed: bool,
    ) -> Self {
        let Facts { origin, now, created, .. } = *facts;
        Self { origin, now, created, entries, changes, usage, failed }
    }

    /// Whether the request came with a session.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The time at which the session was opened.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// When the session began.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// What the session held when the handler had answered, as the handler saw it.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// What was done to it, to be replayed on what is stored by now.
    #[must_use]
    pub const fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// Whether the data was looked at, so that idle time starts anew.
    #[must_use]
    pub const fn was_looked_at(&self) -> bool {
        self.usage.looked
    }

    /// Whether a method that writes was called, even if it made no difference.
    #[must_use]
    pub const fn was_written(&self) -> bool {
        self.usage.wrote || self.usage.marked || self.usage.invalidated
    }

    /// Whether the session was explicitly [marked as changed](crate::Session::changed).
    #[must_use]
    pub const fn is_marked_changed(&self) -> bool {
        self.usage.marked
    }

    /// Whether the session was [invalidated](crate::Session::invalidate), whatever was written afterwards.
    #[must_use]
    pub const fn is_invalidated(&self) -> bool {
        self.usage.invalidated
    }

    /// Whether the handler failed: it answered 5xx.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) const fn entries_mut(&mut self) -> &mut Entries {
        &mut self.entries
    }

    pub(crate) const fn was_seen(&self) -> bool {
        self.usage.seen
    }
}
