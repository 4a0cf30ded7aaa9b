//! One operation a request made, and how it is done again on another state.
//!
//! The handler's own view is made by the same [`Change::apply`] that replays it later: what the handler saw and
//! what is kept cannot drift apart. Where two requests write at once, the slower one's changes are replayed on
//! what the faster one left.

use std::fmt;

use smallvec::SmallVec;

use super::entries::Entries;
use super::queue;
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
    /// Every key is gone.
    Clear,
    /// The key's value is what the closure makes of it.
    Modify { key: String, modify: Modify },
    /// The message stands at the end of the queue; where `unique`, only if no equal one is there.
    PushFlash { queue: String, message: Value, unique: bool },
    /// These messages are gone from the queue; others that came meanwhile stay.
    TakeFlash { queue: String, messages: Vec<Value> },
}

impl Change {
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
            Self::Modify { key, modify } => {
                let value = modify(entries.get(&*key).as_ref())?;
                entries.set(key, &value);
            }
            Self::PushFlash { queue: key, message, unique } => {
                queue::push(entries, key, message, *unique)?;
            }
            Self::TakeFlash { queue: key, messages } => queue::take(entries, key, messages)?,
        }
        Ok(())
    }
}

/// Everything one request did to its session, in order.
#[derive(Default)]
pub struct Changes {
    list: SmallVec<[Change; 1]>,
    watched: Vec<Watched>,
}

/// A key that was written after it was read: what another request puts there in between is overwritten unseen.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) key: String,
    /// The key itself asks for a refusal, whatever the factory does.
    pub(crate) is_strict: bool,
}

impl Changes {
    /// Whether nothing was done, or only what made no difference, such as setting an equal value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Does the same operations, closures of [`modify`](crate::Session::modify) included, to `base`.
    ///
    /// # Errors
    /// [`Error::WrongType`] where `base` holds a value that a closure or a flash queue cannot work on.
    pub fn replay(&mut self, base: &Entries) -> Result<Entries, Error> {
        let mut entries = base.clone();
        for change in &mut self.list {
            change.apply(&mut entries)?;
        }
        Ok(entries)
    }

    /// Does again what was done to this key, but for closures.
    pub(crate) fn replay_key(&mut self, key: &str, entries: &mut Entries) -> Result<(), Error> {
        let concerns = |change: &Change| match change {
            Change::Clear => true,
            Change::Modify { .. } => false,
            Change::Set { key: other, .. }
            | Change::SetDefault { key: other, .. }
            | Change::Remove { key: other }
            | Change::PushFlash { queue: other, .. }
            | Change::TakeFlash { queue: other, .. } => other == key,
        };
        let list = self.list.iter_mut().filter(|change| concerns(change));
        list.into_iter().try_for_each(|change| change.apply(entries))
    }

    pub(crate) fn push(&mut self, change: Change) {
        self.list.push(change);
    }

    /// From now on, `key` is one that was written after it was read.
    pub(crate) fn watch(&mut self, key: &str, is_strict: bool) {
        match self.watched.iter_mut().find(|watched| watched.key == key) {
            Some(watched) => watched.is_strict |= is_strict,
            None => self.watched.push(Watched { key: key.to_owned(), is_strict }),
        }
    }

    /// The keys that were written after they were read.
    pub(crate) fn watched(&self) -> &[Watched] {
        &self.watched
    }

    /// Whether the key's value comes from this request alone, whatever was stored.
    pub(crate) fn decide(&self, key: &str) -> bool {
        let decides = |change: &Change| match change {
            Change::Clear => Some(true),
            Change::Set { key: other, .. } | Change::Remove { key: other } if other == key => {
                Some(true)
            }
            Change::Modify { key: other, .. } if other == key => Some(false),
            _ => None,
        };
        self.list.iter().rev().find_map(decides).unwrap_or(false)
    }

    /// Leaves out the taking of flash messages, which nobody has seen, and says whether there was any.
    pub(crate) fn keep_flash(&mut self) -> bool {
        let before = self.list.len();
        self.list.retain(|change| !matches!(change, Change::TakeFlash { .. }));
        self.list.len() < before
    }
}

impl fmt::Debug for Changes {
    /// How many, and no values (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.list.len())
    }
}
