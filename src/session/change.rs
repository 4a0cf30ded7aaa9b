//! One operation a request made, and how it is done again on another state.
//!
//! The handler's own view is made by the same [`Change::apply`] that replays it later: what the handler saw and
//! what is kept cannot drift apart. Where two requests write at once, the slower one's changes are replayed on
//! what the faster one left.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use smallvec::SmallVec;

use super::entries::Entries;
use super::queue;
use super::sweep::Sweep;
use super::value::Value;
use crate::Error;

/// What [`Session::modify`](crate::Session::modify) keeps: reads the old value, if any, and makes the new one.
pub(crate) type Modify = Box<dyn FnMut(Option<&Value>) -> Result<Value, Error> + Send>;

/// One operation on the entries.
pub(crate) enum Change {
    /// The key has this value, whatever it had before.
    Set { key: String, value: Value },
    /// The key has this value unless it has one.
    SetDefault { key: String, value: Value },
    /// The key is gone.
    Remove { key: String },
    /// Every key is gone, whatever was read before: another session begins.
    Clear,
    /// Every key is gone but those that are kept by name. Boxed, because it is rare, and all changes would be as large.
    Sweep(Box<Sweep>),
    /// The key's value is what the closure makes of it.
    Modify { key: String, modify: Modify },
    /// The message stands at the end of the queue; where `unique`, only if no equal one is there.
    PushFlash { queue: String, message: Value, unique: bool },
    /// These messages are gone from the queue; others that came meanwhile stay. The first ones, as many as were `claimed`,
    /// were taken out of the store already.
    TakeFlash { queue: String, messages: Vec<Value>, claimed: usize },
}

impl Change {
    /// The key that this is about, if it is about a single one.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Set { key, .. }
            | Self::SetDefault { key, .. }
            | Self::Remove { key }
            | Self::Modify { key, .. }
            | Self::PushFlash { queue: key, .. }
            | Self::TakeFlash { queue: key, .. } => Some(key),
            Self::Clear | Self::Sweep(_) => None,
        }
    }

    /// Does this to `entries`. Doing it twice to equal entries gives equal results.
    pub(crate) fn apply(&mut self, entries: &mut Entries) -> Result<(), Error> {
        match self {
            Self::Set { key, value } => {
                entries.set(key, value);
            }
            Self::SetDefault { key, value } => {
                if !entries.contains_key(&*key) {
                    entries.set(key, value);
                }
            }
            Self::Remove { key } => {
                entries.remove(key);
            }
            Self::Clear => entries.clear(),
            Self::Sweep(sweep) => sweep.apply(entries),
            Self::Modify { key, modify } => {
                let old = entries.get(&*key);
                // A closure that panics is an error of its request; what has to be kept all the same is.
                let modified = catch_unwind(AssertUnwindSafe(|| modify(old.as_ref())));
                let value = modified.map_err(|_| Error::Panicked { key: key.clone() })??;
                entries.set(key, &value);
            }
            Self::PushFlash { queue: key, message, unique } => {
                queue::push(entries, key, message, *unique);
            }
            Self::TakeFlash { queue: key, messages, claimed } => {
                queue::take(entries, key, &messages[*claimed..]);
            }
        }
        Ok(())
    }
}

/// Everything one request did to its session, in order.
#[derive(Default)]
pub struct Changes {
    list: SmallVec<[Change; 1]>,
    /// How many of the first ones made no difference, and are there for a replay only.
    idle: usize,
    watched: Vec<Watched>,
}

/// A key that was written after it was read: what another request puts there in between is overwritten unseen.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) key: String,
    /// The key itself asks for a refusal, whatever the factory does.
    pub(crate) is_strict: bool,
}

impl Changes {
    /// Whether nothing was done, or only what made no difference, such as setting an equal value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.len() <= self.idle
    }

    /// How many operations there are, those included that made no difference but may make one to another state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Does the same operations, closures of [`modify`](crate::Session::modify) included, to `base`.
    ///
    /// # Errors
    /// [`Error::WrongType`] where `base` holds a value that a closure cannot work on, [`Error::Panicked`] where a closure
    /// panics.
    pub fn replay(&mut self, base: &Entries) -> Result<Entries, Error> {
        let mut entries = base.clone();
        for change in &mut self.list {
            change.apply(&mut entries)?;
        }
        Ok(entries)
    }

    /// Does again what was done to this key, but for closures.
    pub(crate) fn replay_key(&mut self, key: &str, entries: &mut Entries) {
        for change in &mut self.list {
            let concerns = change.key().is_none_or(|other| other == key);
            if concerns && !matches!(change, Change::Modify { .. }) {
                // Only closures fail.
                let _ = change.apply(entries);
            }
        }
    }

    /// Gives `entries` under this key what the changes leave of what `base` has there, but for closures.
    pub(crate) fn put_replayed(&mut self, key: &str, base: &Entries, entries: &mut Entries) {
        let mut replayed = base.clone();
        self.replay_key(key, &mut replayed);
        match replayed.get(key) {
            Some(value) => entries.set(key, &value),
            None => entries.remove(key),
        };
    }

    /// Leaves out all but the first ones.
    pub(super) fn truncate(&mut self, count: usize) {
        self.list.truncate(count);
    }

    /// Leaves out the first ones.
    pub(crate) fn forget_first(&mut self, count: usize) {
        self.list.drain(..count.min(self.list.len()));
        self.idle = self.idle.saturating_sub(count);
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.list.push(change);
    }

    /// Remembers what made no difference here and may make one in a replay. It alone is nothing to keep. After others it
    /// is: what they took may come back to the view, if nobody sees the response.
    pub(crate) fn push_idle(&mut self, change: Change) {
        self.idle += usize::from(self.is_empty());
        self.list.push(change);
    }

    /// From now on, `key` is one that was written after it was read.
    pub(crate) fn watch(&mut self, key: &str, is_strict: bool) {
        match self.watched.iter_mut().find(|watched| watched.key == key) {
            Some(watched) => watched.is_strict |= is_strict,
            None => self.watched.push(Watched { key: key.to_owned(), is_strict }),
        }
    }

    /// Whether anything was written after it was read.
    pub(crate) fn watches(&self) -> bool {
        let can_overwrite =
            |change: &Change| matches!(change, Change::Sweep(sweep) if sweep.can_overwrite());
        !self.watched.is_empty() || self.list.iter().any(can_overwrite)
    }

    /// What was written after it was read, and differs between the two: what it held when it was read, and what it holds
    /// now.
    pub(crate) fn overtaken(&self, read: &Entries, now: &Entries) -> Vec<Watched> {
        let differs = |key: &str| {
            let (read, now) = (read.get(key), now.get(key));
            read.as_ref().map(Value::as_bytes) != now.as_ref().map(Value::as_bytes)
        };
        let added = now.keys().filter(|key| !read.contains_key(key));
        let swept = read.keys().chain(added).filter_map(|key| self.swept(key));
        let mut overtaken: Vec<Watched> = Vec::new();
        for watched in self.watched.iter().cloned().chain(swept) {
            match overtaken.iter_mut().find(|known| known.key == watched.key) {
                Some(known) => known.is_strict |= watched.is_strict,
                None if differs(&watched.key) => overtaken.push(watched),
                None => {}
            }
        }
        overtaken
    }

    /// The key, if it was read and then swept away.
    fn swept(&self, key: &str) -> Option<Watched> {
        let is_swept = |change: &Change| matches!(change, Change::Sweep(it) if it.removes(key));
        let at = self.list.iter().position(is_swept)?;
        let Change::Sweep(sweep) = &self.list[at] else { return None };
        let is_strict = sweep.read(key).filter(|_| !decide(&self.list[..at], key))?;
        Some(Watched { key: key.to_owned(), is_strict })
    }

    /// Whether the key's value comes from this request alone, whatever was stored.
    pub(crate) fn decide(&self, key: &str) -> bool {
        decide(&self.list, key)
    }

    /// What comes back if nobody sees the response: the flash messages that were taken, and not swept or set away since.
    pub(super) fn taken(&self) -> Entries {
        let mut taken = Entries::new();
        for change in &self.list {
            match change {
                Change::TakeFlash { queue, messages, .. } => {
                    queue::put_in_front(&mut taken, queue, &queue::array(messages));
                }
                Change::Clear => taken.clear(),
                Change::Sweep(sweep) => sweep.apply(&mut taken),
                Change::Set { key, .. } | Change::Remove { key } => drop(taken.remove(key)),
                Change::SetDefault { .. } | Change::Modify { .. } | Change::PushFlash { .. } => {}
            }
        }
        taken
    }

    /// Leaves out the taking of flash messages, which nobody has seen, and says from which queues' keys.
    pub(crate) fn keep_flash(&mut self) -> Vec<String> {
        let mut keys = Vec::new();
        self.list.retain(|change| match change {
            Change::TakeFlash { queue, .. } => {
                keys.push(std::mem::take(queue));
                false
            }
            _ => true,
        });
        keys
    }
}

/// Whether these changes give the key a value that depends on nothing that was stored.
fn decide(changes: &[Change], key: &str) -> bool {
    let decides = |change: &Change| match change {
        Change::Clear => Some(true),
        Change::Sweep(sweep) => sweep.removes(key).then_some(true),
        Change::Set { key: other, .. } | Change::Remove { key: other } if other == key => {
            Some(true)
        }
        Change::Modify { key: other, .. } if other == key => Some(false),
        _ => None,
    };
    changes.iter().rev().find_map(decides).unwrap_or(false)
}

impl fmt::Debug for Changes {
    /// How many, and no values (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.list.len())
    }
}
