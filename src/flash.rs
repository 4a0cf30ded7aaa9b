//! Flash messages: what one request says and a later one shows, once.
//!
//! Messages wait in queues, each a JSON array under the session key `_f_` and the queue's name; `""` is the
//! default queue. They survive a redirect, because they are in the session, and vanish when it is invalidated.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use cloakroom::{Queue, Session};
//!
//! const ERRORS: Queue<String> = Queue::new("errors").unique(); // refuses a message that already waits
//!
//! # let session = Session::detached();
//! session.flash("Saved")?;
//! session.flash_to(ERRORS, "No such page")?;
//! session.flash_to(ERRORS, "No such page")?;
//!
//! let shown: Vec<String> = session.pop_flash("").await?;
//! assert_eq!(shown, ["Saved"]);
//! assert_eq!(session.peek_flash(ERRORS)?, ["No such page"]);
//! assert!(session.pop_flash::<String>("").await?.is_empty());
//! # Ok::<(), cloakroom::Error>(())
//! # }).unwrap();
//! ```
//!
//! In a session that lives in a cookie a message is shown at least once and never lost: two tabs that reload
//! together bring the same cookie and both show it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::session::queue::messages;
use crate::session::{self, Change, ClaimId, MAX_DEPTH, State, Value};
use crate::{Error, Session};

/// What the session keys of flash queues begin with; Pyramid's, so that both can share a session.
pub const PREFIX: &str = "_f_";

/// A queue's name together with the type of its messages.
///
/// A message of another type does not compile:
/// ```compile_fail,E0277
/// # use cloakroom::{Queue, Session};
/// const COUNTS: Queue<u32> = Queue::new("counts");
/// Session::detached().flash_to(COUNTS, "three");
/// ```
pub struct Queue<M> {
    name: &'static str,
    unique: bool,
    holds: PhantomData<fn() -> M>,
}

impl<M> Queue<M> {
    /// A queue of this name that takes a message as often as it is given.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, unique: false, holds: PhantomData }
    }

    /// The same queue, refusing a message that is equal, as JSON, to one that waits in it now (R31).
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }
}

impl<M> Clone for Queue<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Queue<M> {}

impl<M> AsRef<str> for Queue<M> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

impl<M> fmt::Debug for Queue<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({:?})", self.name)
    }
}

/// What can name a queue whose messages are read as `M`: any text, or a [`Queue<M>`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a flash queue of `{M}`",
    label = "a `Queue<X>` gives `X`, text gives anything"
)]
pub trait QueueOf<M>: AsRef<str> {}

impl<M> QueueOf<M> for str {}
impl<M> QueueOf<M> for String {}
impl<M> QueueOf<M> for Cow<'_, str> {}
impl<M> QueueOf<M> for Box<str> {}
impl<M> QueueOf<M> for Arc<str> {}
impl<M> QueueOf<M> for Queue<M> {}
impl<M, Q: QueueOf<M> + ?Sized> QueueOf<M> for &Q {}

/// What can name a queue that takes an `M`: any text, or a [`Queue`] of messages that `M` is or borrows.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not take the flash message `{M}`",
    label = "a `Queue<X>` takes an `X` or a `&X`, text takes anything that serialises"
)]
pub trait Takes<M>: AsRef<str> {
    /// Whether equal messages are refused.
    fn is_unique(&self) -> bool {
        false
    }
}

impl<M> Takes<M> for str {}
impl<M> Takes<M> for String {}
impl<M> Takes<M> for Cow<'_, str> {}
impl<M> Takes<M> for Box<str> {}
impl<M> Takes<M> for Arc<str> {}

impl<M, Q: Takes<M> + ?Sized> Takes<M> for &Q {
    fn is_unique(&self) -> bool {
        (**self).is_unique()
    }
}

impl<M> Takes<M> for Queue<M> {
    fn is_unique(&self) -> bool {
        self.unique
    }
}

impl<M> Takes<&M> for Queue<M> {
    fn is_unique(&self) -> bool {
        self.unique
    }
}

impl Takes<&str> for Queue<String> {
    fn is_unique(&self) -> bool {
        self.unique
    }
}

/// Flash messages.
impl Session {
    /// Appends a message to the default queue. Anything that serialises can be one.
    ///
    /// # Errors
    /// As [`insert`](Session::insert). What is no queue under the queue's key counts as an empty one, and is replaced (R37).
    pub fn flash(&self, message: impl Serialize) -> Result<(), Error> {
        self.push_flash("", &message, false).map(|_| ())
    }

    /// Appends a message, or what a reference to one leads to, to a queue.
    ///
    /// # Errors
    /// As [`flash`](Session::flash).
    pub fn flash_to<M: Serialize>(&self, queue: impl Takes<M>, message: M) -> Result<(), Error> {
        self.push_flash(queue.as_ref(), &message, queue.is_unique()).map(|_| ())
    }

    /// Appends a message unless an equal one, as JSON, waits in this queue; says whether it was appended (R31).
    ///
    /// # Errors
    /// As [`flash`](Session::flash).
    pub fn flash_unique<M: Serialize>(
        &self,
        queue: impl Takes<M>,
        message: M,
    ) -> Result<bool, Error> {
        self.push_flash(queue.as_ref(), &message, true)
    }

    /// Takes all messages of a queue, oldest first, to show them in this request's response; they will not be shown
    /// again.
    ///
    /// If nobody sees the response, they wait for the next one: if it is an error of 5xx or there is none; if it sends
    /// the browser elsewhere or has nothing to show, that is any 1xx or 3xx, 204, 205, or 201 with `Location`; if it
    /// answers `HEAD` or a prefetch (S67). So take them where they are shown, and leave them where you redirect. To throw
    /// a queue's messages away, [`remove`](Session::remove) its key instead.
    ///
    /// A queue that is empty or not there gives an empty vector and writes nothing.
    ///
    /// # Errors
    /// [`Error::WrongType`] if a message is not an `M`; then all of them stay. [`Error::Closed`].
    pub async fn pop_flash<M: DeserializeOwned>(
        &self,
        queue: impl QueueOf<M>,
    ) -> Result<Vec<M>, Error> {
        let key = key(queue.as_ref());
        let waiting = messages(&self.look_inside()?.entries, &key);
        if waiting.is_empty() {
            return Ok(Vec::new());
        }
        // Those of the wrong type stay: nothing is claimed before it is known that it can be shown.
        decode::<M>(&key, &waiting)?;
        let own = self.write()?.own_messages(&key);
        let is_stored = own.len() < waiting.len();
        let claimed = if is_stored { self.claim(&key).await? } else { None };
        match claimed {
            Some(claimed) => self.deliver(&key, claimed),
            None => self.take_flash(&key),
        }
    }

    /// The messages of a queue, oldest first, which stay in it.
    ///
    /// # Errors
    /// [`Error::WrongType`] if a message is not an `M`.
    pub fn peek_flash<M: DeserializeOwned>(&self, queue: impl QueueOf<M>) -> Result<Vec<M>, Error> {
        let key = key(queue.as_ref());
        let waiting = messages(&self.look_inside()?.entries, &key);
        decode(&key, &waiting)
    }

    /// The names of all queues in which something waits, in the order of their first messages.
    #[must_use]
    pub fn flash_queues(&self) -> Vec<String> {
        let entries = self.entries();
        let queues = entries.keys().filter_map(|key| Some((key, key.strip_prefix(PREFIX)?)));
        let waiting = queues.filter(|(key, _)| !messages(&entries, key).is_empty());
        waiting.map(|(_, queue)| queue.to_owned()).collect()
    }

    /// Takes the queue's messages out of the store, if the session is kept in one.
    async fn claim(&self, key: &str) -> Result<Option<(ClaimId, Vec<Value>)>, Error> {
        let Some(server) = &self.facts().server else { return Ok(None) };
        let mut id = [0; 8];
        self.random().fill(&mut id)?;
        let id = ClaimId::from_be_bytes(id);
        // Noted before it is made, so that the end of the request gives back what it does not know of yet.
        self.write()?.claims.push((id, false));
        let claimed = server.remote.clone().claim(key.to_owned(), id).await?;
        if self.lock().closed {
            // The request ended while the claim was under way, and may have given it back before it was there.
            server.remote.settle(Vec::new(), vec![id]).await?;
            return Err(Error::Closed);
        }
        Ok(Some((id, claimed)))
    }

    /// What was claimed, and then what this request itself had pushed, is shown and gone.
    fn deliver<M: DeserializeOwned>(
        &self,
        key: &str,
        (id, mut messages): (ClaimId, Vec<Value>),
    ) -> Result<Vec<M>, Error> {
        let claimed = messages.len();
        loop {
            let own = self.write()?.own_messages(key);
            let mut shown = decode(key, &messages)?;
            shown.append(&mut decode(key, &own)?);
            // What is taken is what is shown, also when another task pops or pushes in between.
            let mut state = self.write()?;
            if state.own_messages(key) == own {
                state.claims.iter_mut().filter(|claim| claim.0 == id).for_each(|it| it.1 = true);
                state.opened.remove(key);
                state.entries.remove(key);
                messages.extend(own);
                state.changes.push(Change::TakeFlash { queue: key.into(), messages, claimed });
                return Ok(shown);
            }
        }
    }

    /// Takes the queue's messages as this request sees them.
    fn take_flash<M: DeserializeOwned>(&self, key: &str) -> Result<Vec<M>, Error> {
        loop {
            let waiting = messages(&self.write()?.entries, key);
            let shown = decode(key, &waiting)?;
            let mut state = self.write()?;
            if messages(&state.entries, key) == waiting {
                let queue = key.into();
                state.note(Change::TakeFlash { queue, messages: waiting, claimed: 0 })?;
                return Ok(shown);
            }
        }
    }

    fn push_flash(
        &self,
        queue: &str,
        message: &impl Serialize,
        unique: bool,
    ) -> Result<bool, Error> {
        let queue = key(queue);
        let message = Value::encode(&queue, message)?;
        let depth = 1 + session::depth(message.as_bytes()); // in the queue's array
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep { key: queue, depth });
        }
        let mut state = self.write()?;
        state.note(Change::PushFlash { queue, message, unique })
    }
}

impl State {
    /// The queue's messages that this request pushed, and that are not stored yet.
    fn own_messages(&mut self, key: &str) -> Vec<Value> {
        let mut without = self.opened.clone();
        without.remove(key);
        self.changes.replay_key(key, &mut without);
        messages(&without, key)
    }
}

fn key(queue: &str) -> String {
    format!("{PREFIX}{queue}")
}

fn decode<M: DeserializeOwned>(key: &str, messages: &[Value]) -> Result<Vec<M>, Error> {
    messages.iter().map(|message| message.decode(key)).collect()
}
