//! One operation a request made, and how it is done again on another state.
//!
//! The handler's own view is made by the same [`Change::apply`] that replays it later: what the handler saw and
//! what is kept cannot drift apart. Where two requests write at once, the slower one's changes are replayed on
//! what the faster one left.

use std::fmt;

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
                if !entries.contains_key(key) {
                    entries.set(key, value);
                }
            }
            Self::Remove { key } => {
                entries.remove(key);
            }
            Self::Clear => entries.clear(),
            Self::Modify { key, modify } => {
                let value = modify(entries.get(key).as_ref())?;
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
    list: Vec<Change>,
}

impl Changes {
    /// Whether nothing was done, or only what made no difference, such as setting an equal value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many operations there are.
    #[must_use]
    pub const fn len(&self) -> usize {
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

    pub(crate) fn push(&mut self, change: Change) {
        self.list.push(change);
    }
}

impl fmt::Debug for Changes {
    /// How many, and no values (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.list.len())
    }
}
