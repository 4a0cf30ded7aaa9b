//! The session: the dictionary a handler holds.
//!
//! All methods but [`pop_flash`](Session::pop_flash) are synchronous and work in memory. Each write is also
//! noted, so that it can be replayed on what another request left. What each method counts as:
//!
//! | method | looks (may renew) | writes |
//! |---|---|---|
//! | `get` `contains_key` `len` `is_empty` `keys` `entries` `peek_flash` `flash_queues` | yes | |
//! | `handle` | yes | |
//! | `insert` `remove` `take` `clear` `retain` `extend` `get_or_insert_with` `pop_item` `modify` `modify_strict` | yes | yes |
//! | `flash` `flash_to` `flash_unique` `new_csrf_token` | yes | yes |
//! | `pop_flash` `csrf_token` `csrf_token_for` | yes | only if there was something to take, or a token to make |
//! | `changed` `invalidate` `renew` `set_owner` `forget_owner` `set_limits` | | yes |
//! | `created` `is_new` `was_expired` `expires_in` `owner` `limits` `id` `is_gone` `is_csrf_token`, `==` | | |
//!
//! A factory decides what follows: see the table of each.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cookie::SetCookies;
use crate::flash::PREFIX;
use crate::random::{Random, SystemRandom};
use crate::{Error, Timestamp};

mod bounds;
mod change;
mod commit;
mod decimal;
mod encode;
mod entries;
mod equal;
mod handle;
mod identity;
mod key;
mod limits;
mod opened;
pub(crate) mod queue;
mod reads;
mod remote;
mod sweep;
mod value;

pub use bounds::{Bound, Bounds};
pub use change::Changes;
pub use commit::{Commit, Ending};
pub use entries::Entries;
pub(crate) use entries::EntriesReader;
pub use handle::{SessionHandle, Standing};
pub use identity::{Gone, MAX_OWNER_BYTES};
pub use key::{AsKey, Holds, Key, Names};
pub use limits::Limits;
pub use opened::{Opened, Origin};
pub use value::{MAX_DEPTH, MAX_VALUE_BYTES, Value};

pub(crate) use change::Change;
use change::Modify;
pub(crate) use commit::{Claims, NewCsrfSecret, Wishes};
pub(crate) use decimal::Decimal;
pub(crate) use opened::{Accesses, Server};
pub(crate) use remote::{BoxFuture, ClaimId, Reloaded, Remote};
pub(crate) use value::{depth, rest_of_text};

use commit::{Usage, Work};
use opened::Facts;
use reads::Reads;
use sweep::Sweep;

/// One visitor's data during one request. Clones are handles on the same session.
///
/// ```
/// use cloakroom::{Error, Key, Session};
///
/// const VISITS: Key<u64> = Key::new("visits");
///
/// fn page(session: &Session) -> Result<String, Error> {
///     session.modify(VISITS, |visits| *visits += 1)?;
///     let name: Option<String> = session.get("name")?;
///     Ok(format!("Hello {}, visit {}", name.unwrap_or_default(), session.get(VISITS)?.unwrap_or(0)))
/// }
/// # let session = Session::detached();
/// # session.insert("name", "Ada")?;
/// # assert_eq!(page(&session)?, "Hello Ada, visit 1");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
}

struct Shared {
    facts: Facts,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// What is stored as far as this request knows, its flash claims taken out.
    pub(crate) opened: Entries,
    pub(crate) entries: Entries,
    pub(crate) changes: Changes,
    /// Flash messages taken out of the store, and whether they were handed to the application.
    pub(crate) claims: Vec<(ClaimId, bool)>,
    pub(crate) usage: Usage,
    pub(crate) wishes: Wishes,
    reads: Reads,
    bounds: Bounds,
    pub(crate) closed: bool,
    pub(crate) gone: bool,
    /// What goes out with the response even if the session cannot be kept.
    pub(crate) regardless: Option<Box<SetCookies>>,
}

/// Creation and reading.
impl Session {
    /// A session of no request, for tests and examples. It is never kept anywhere, but can have an owner.
    ///
    /// ```
    /// # use cloakroom::Session;
    /// fn greeting(session: &Session) -> String {
    ///     format!("Hello {}", session.owner().as_deref().unwrap_or("stranger"))
    /// }
    ///
    /// let session = Session::detached();
    /// assert_eq!(greeting(&session), "Hello stranger");
    /// session.set_owner("ada")?;
    /// assert_eq!(greeting(&session), "Hello ada");
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    #[must_use]
    pub fn detached() -> Self {
        let mut opened = Opened::absent(Timestamp::from_secs(0), ());
        opened.facts.server = Some(Server::nowhere());
        Self::open(opened).0
    }

    /// Reads a value, or `None` where there is none.
    ///
    /// # Errors
    /// [`Error::WrongType`] if the value is not a `T`; it names the key and the type.
    pub fn get<T: DeserializeOwned>(&self, key: impl Names<T>) -> Result<Option<T>, Error> {
        let (is_strict, key) = (key.is_strict(), key.as_ref());
        let value = self.look_inside()?.read(key, is_strict);
        value.map(|value| value.decode(key)).transpose()
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains_key(&self, key: impl AsKey) -> bool {
        self.look().read(key.as_ref(), key.is_strict()).is_some()
    }

    /// How many keys there are, those of [flash queues](crate::flash) and a CSRF token that is a key included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.look().read_all().len()
    }

    /// Whether there are no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys in insertion order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.entries().keys().map(str::to_owned).collect()
    }

    /// A detached copy of all keys and values, in insertion order. Cheap: it shares the bytes.
    #[must_use]
    #[doc(alias = "iter")]
    #[doc(alias = "copy")]
    pub fn entries(&self) -> Entries {
        self.look().read_all().clone()
    }
}

/// Writing. After the response has begun, each of these fails with [`Error::Closed`].
impl Session {
    /// Sets a value and returns what it replaced. Setting an equal value changes nothing.
    ///
    /// What it replaced does not count as read: a value that depends on the one before is for
    /// [`modify`](Session::modify), or for [`get`](Session::get) and then this.
    ///
    /// A value is kept as it is or refused. Under a [`Key`] it is read back to find out. Text says nothing of the type:
    /// there a float that is not finite is refused, an integer beyond 64 bits, `Some(None)`, and a map of numbers or an
    /// integer of 128 bits in what serde tags or flattens; an untagged enum of such does not show.
    ///
    /// # Errors
    /// [`Error::Serialize`] or [`Error::TooDeep`] if the value cannot be kept; the old one stays.
    #[doc(alias = "set")]
    pub fn insert<V: Serialize>(
        &self,
        key: impl Holds<V>,
        value: V,
    ) -> Result<Option<Value>, Error> {
        let value = key.encode(&value)?;
        let (is_strict, key) = (key.is_strict(), key.as_ref());
        let mut state = self.write()?;
        let previous = state.entries.get(key);
        state.note_over(key, is_strict, Change::Set { key: key.into(), value })?;
        Ok(previous)
    }

    /// Removes a value and returns it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    #[doc(alias = "pop")]
    pub fn remove(&self, key: impl AsKey) -> Result<Option<Value>, Error> {
        let (is_strict, key) = (key.is_strict(), key.as_ref());
        let mut state = self.write()?;
        let previous = state.read(key, is_strict);
        state.note_over(key, is_strict, Change::Remove { key: key.into() })?;
        Ok(previous)
    }

    /// Removes every key but these, flash messages included: what may survive a login, by name.
    ///
    /// It holds for what another request adds until this one is kept, and for flash messages that this request has taken
    /// and nobody sees.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn retain(&self, keys: &[impl AsKey]) -> Result<(), Error> {
        let kept = keys.iter().map(|key| key.as_ref().to_owned()).collect();
        self.overwrite()?.sweep(kept);
        Ok(())
    }

    /// Removes a value and reads it as a `T`.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is not a `T`; then it stays.
    pub fn take<T: DeserializeOwned>(&self, key: impl Names<T>) -> Result<Option<T>, Error> {
        let (is_strict, key) = (key.is_strict(), key.as_ref());
        loop {
            let Some(value) = self.write()?.read(key, is_strict) else { return Ok(None) };
            let taken = value.decode(key)?;
            // What is removed is what was read, also when another task writes in between.
            let mut state = self.write()?;
            if state.entries.get(key).is_some_and(|now| now.as_bytes() == value.as_bytes()) {
                state.note_over(key, is_strict, Change::Remove { key: key.into() })?;
                return Ok(Some(taken));
            }
        }
    }

    /// Removes the key that was added last and returns it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn pop_item(&self) -> Result<Option<(String, Value)>, Error> {
        let mut state = self.write()?;
        let Some(key) = state.entries.last_key().map(str::to_owned) else { return Ok(None) };
        let value = state.read(&key, false);
        state.note_over(&key, false, Change::Remove { key: key.clone() })?;
        Ok(value.map(|value| (key, value)))
    }

    /// Removes every key. Flash messages are keys too, and in a signed cookie the CSRF token is.
    ///
    /// As [`retain`](Session::retain) with no key.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn clear(&self) -> Result<(), Error> {
        self.overwrite()?.sweep(Vec::new());
        Ok(())
    }

    /// Sets several values: all of them, or none where one cannot be kept or is beyond a bound.
    ///
    /// # Errors
    /// As [`insert`](Session::insert).
    #[doc(alias = "update")]
    pub fn extend<K, V>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Result<(), Error>
    where
        K: Holds<V>,
        V: Serialize,
    {
        let encode = |(key, value): (K, V)| {
            key.encode(&value).map(|value| (key.as_ref().to_owned(), key.is_strict(), value))
        };
        let pairs = pairs.into_iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        self.write()?.set_all(pairs)
    }

    /// Reads a value, after setting it to what `make` gives where there is none.
    ///
    /// # Errors
    /// As [`get`](Session::get) and [`insert`](Session::insert).
    #[doc(alias = "setdefault")]
    pub fn get_or_insert_with<T>(
        &self,
        key: impl Names<T>,
        make: impl FnOnce() -> T,
    ) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
    {
        let (is_strict, key) = (key.is_strict(), key.as_ref());
        let mut found = self.write()?.read(key, is_strict);
        if found.is_none() {
            let value = Value::encode_as::<T>(key, &make())?;
            let mut state = self.write()?;
            state.note_default(key, value)?;
            found = state.entries.get(key);
        }
        // `SetDefault` leaves a value: the one made here, or one that a parallel task was faster to set.
        found.unwrap_or_else(|| Value::shared("null".into())).decode(key)
    }

    /// Changes a value in place, starting from the type's default where there is none.
    ///
    /// The closure runs now, and again when the session is kept, on the value as it is then, if another request wrote the
    /// session meanwhile; so counters add up and carts keep every item. It must own what it captures (`move`) and do
    /// nothing but change the value.
    ///
    /// What the closure returns is what it found *now*. When it runs again it may find something else: "one is left, and
    /// this visitor gets it" may be true of two requests. Where the answer has to hold, call
    /// [`modify_strict`](Session::modify_strict).
    ///
    /// ```
    /// # let session = cloakroom::Session::detached();
    /// let item = 7;
    /// session.modify("cart", move |cart: &mut Vec<u32>| cart.push(item))?;
    /// assert_eq!(session.get::<Vec<u32>>("cart")?, Some(vec![7]));
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Session::get) and [`insert`](Session::insert). [`Error::Queue`] for the key of a flash queue. Keeping the
    /// session fails with [`Error::Panicked`] if the closure panics when it runs again.
    #[doc(alias = "update")]
    pub fn modify<T, R>(
        &self,
        key: impl Names<T>,
        change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<R, Error>
    where
        T: Default + Serialize + DeserializeOwned,
    {
        self.modify_with(key, change, false, |_| |_: &R| true)
    }

    /// Changes a value in place, and holds the closure to what it returned.
    ///
    /// As [`modify`](Session::modify), but if another request wrote the session meanwhile, and the closure then returns
    /// something else than it returned here, the request fails with [`Error::Overwrites`] (409) and nothing of its
    /// changes is kept. For decisions that the response tells: sold, granted, won. A request that has nothing else to keep,
    /// and whose closure changed nothing, only looked: it is not held to what it saw.
    ///
    /// ```
    /// # let session = cloakroom::Session::detached();
    /// session.insert("left", 1)?;
    /// let sold = session.modify_strict("left", |left: &mut u32| {
    ///     let is_there = *left > 0;
    ///     *left = left.saturating_sub(1);
    ///     is_there
    /// })?;
    /// assert!(sold);
    /// # Ok::<(), cloakroom::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`modify`](Session::modify).
    pub fn modify_strict<T, R>(
        &self,
        key: impl Names<T>,
        change: impl FnMut(&mut T) -> R + Send + 'static,
    ) -> Result<R, Error>
    where
        T: Default + Serialize + DeserializeOwned,
        R: Clone + PartialEq + Send + 'static,
    {
        self.modify_with(key, change, true, |result: &R| {
            let told = result.clone();
            move |result: &R| *result == told
        })
    }

    /// Runs `change` now, and notes it with the test that `holds_to` makes of its result. Where it `is_held` to that, it is
    /// noted even if it has no effect.
    fn modify_with<T, R, H>(
        &self,
        key: impl Names<T>,
        mut change: impl FnMut(&mut T) -> R + Send + 'static,
        is_held: bool,
        holds_to: impl Fn(&R) -> H,
    ) -> Result<R, Error>
    where
        T: Default + Serialize + DeserializeOwned,
        H: Fn(&R) -> bool + Send + 'static,
    {
        let (is_strict, key) = (key.is_strict(), key.as_ref().to_owned());
        if key.starts_with(PREFIX) {
            return Err(Error::Queue { key });
        }
        let mut seen = self.write()?.read(&key, is_strict);
        loop {
            // User code runs without the lock: it may well look at the session.
            let (next, result) = modified(&key, seen.as_ref(), &mut change)?;
            let mut state = self.write()?;
            let now = state.entries.get(&key);
            if now.as_ref().map(Value::as_bytes) == seen.as_ref().map(Value::as_bytes) {
                let (name, holds) = (key.clone(), holds_to(&result));
                let modify: Modify = Box::new(move |old| {
                    let (value, result) = modified(&name, old, &mut change)?;
                    if holds(&result) {
                        Ok(value)
                    } else {
                        Err(Error::Overwrites { key: name.clone() })
                    }
                });
                if seen.is_none_or(|seen| seen.as_bytes() != next.as_bytes()) {
                    let before = state.entries.clone();
                    state.entries.set(&key, &next);
                    state.fits(&before, &key)?;
                    state.changes.push(Change::Modify { key, modify });
                } else if is_held {
                    state.changes.push_idle(Change::Modify { key, modify });
                }
                return Ok(result);
            }
            seen = now;
        }
    }

    /// Has the session kept at the end of the request even if nothing else was written.
    ///
    /// Not needed after any of the methods above.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn changed(&self) -> Result<(), Error> {
        let mut state = self.open_state()?;
        state.usage.marked = true;
        Ok(())
    }

    /// Ends the session: data, flash messages and CSRF token are gone, and the client is told to forget its cookie.
    ///
    /// Also one whose record cannot be read; it is removed if the ticket is the one that opens it (S79).
    ///
    /// The handle stays usable; what is written afterwards is kept.
    ///
    /// # Errors
    /// [`Error::Closed`].
    #[doc(alias = "flush")]
    #[doc(alias = "destroy")]
    #[doc(alias = "logout")]
    pub fn invalidate(&self) -> Result<(), Error> {
        let mut state = self.open_state()?;
        state.usage.invalidated = true;
        state.usage.switched = false;
        state.begin_anew();
        Ok(())
    }
}

/// Facts about the session that do not change during a request.
impl Session {
    /// When this session began. Renewals, writes and `clear` do not move it.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        let mut state = self.lock();
        state.usage.seen = true;
        self.began(&state)
    }

    /// Whether the client brought no live session: none at all, one that was refused, or one that had expired. Also where
    /// it cannot be read what it brought; such a request fails unless it signs in or out (S79).
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.lock().usage.seen = true;
        self.shared.facts.origin != Origin::Live
    }

    /// Whether the client brought a session that had been idle for too long. Its data is gone.
    #[must_use]
    pub fn was_expired(&self) -> bool {
        self.lock().usage.seen = true;
        self.shared.facts.origin == Origin::Expired
    }

    /// How long the session lives from now if nobody comes back, or `None` if it has no such limit. By the limits that it
    /// has now, if it was given others or begins anew.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        let mut state = self.lock();
        state.usage.seen = true;
        let facts = &self.shared.facts;
        let own = match state.wishes.limits {
            Some(limits) => limits,
            None if state.usage.begins_anew() => None,
            None => return facts.idle_left,
        };
        let Some(limits) = own.or(facts.limits) else { return facts.idle_left };
        limits.left(self.began(&state), facts.now)
    }

    fn began(&self, state: &State) -> Timestamp {
        let facts = &self.shared.facts;
        // On a server what follows an end is another session.
        let is_another = facts.server.is_some() && state.usage.begins_anew();
        if is_another { facts.now } else { facts.created }
    }
}

/// For the crate: opening, closing, and the two doors to the state.
impl Session {
    #[inline]
    pub(crate) fn open<B>(opened: Opened<B>) -> (Self, Arc<B>) {
        let Opened { entries, brought, facts, base } = opened;
        let reads = Reads::new(facts.server.is_some());
        let gone = facts.origin == Origin::Superseded;
        let (opened, bounds) = (entries.clone(), facts.bounds);
        let state = Mutex::new(State { opened, entries, reads, bounds, gone, ..State::default() });
        let session = Self { shared: Arc::new(Shared { facts, state }) };
        if !brought.is_empty() {
            session.lock().bring(brought);
        }
        (session, base)
    }

    /// Ends the time for writing if this request leaves nothing to keep, and says how it used the session.
    pub(crate) fn close_at_rest(&self) -> Option<(Usage, bool)> {
        let mut state = self.lock();
        let rests = self.facts().rests_after(state.usage.accessed) && state.rests();
        state.closed |= rests;
        rests.then_some((state.usage, state.gone))
    }

    /// Ends the time for writing and hands over what was done.
    pub(crate) fn close(&self, ending: Ending) -> Commit {
        let mut state = self.lock();
        state.closed = true;
        let claims = std::mem::take(&mut state.claims);
        let is_seen = ending == Ending::Shown;
        let (shown, returned): (Vec<_>, Vec<_>) =
            claims.into_iter().partition(|(_, delivered)| is_seen && *delivered);
        let ids = |claims: Vec<(ClaimId, bool)>| claims.into_iter().map(|(id, _)| id).collect();
        let work = Box::new(Work {
            opened: state.opened.clone(),
            entries: state.entries.clone(),
            changes: std::mem::take(&mut state.changes),
            usage: state.usage,
            wishes: std::mem::take(&mut state.wishes),
            claims: Claims { shown: ids(shown), returned: ids(returned) },
            ending,
        });
        drop(state);
        let mut commit = Commit { session: self.clone(), work };
        commit.settle_ending();
        commit
    }

    /// Takes back what [`close`](Self::close) handed over: it could not be kept, and may be tried again.
    pub(crate) fn reopen(&self, commit: &mut Commit) {
        let Work { changes, wishes, claims, .. } = &mut *commit.work;
        let mut state = self.lock();
        state.closed = false;
        state.changes = std::mem::take(changes);
        state.wishes = std::mem::take(wishes);
        state.claims.extend(claims.shown.drain(..).map(|id| (id, true)));
        state.claims.extend(claims.returned.drain(..).map(|id| (id, false)));
    }

    /// The cookies that go out although the session could not be kept.
    pub(crate) fn take_regardless(&self) -> SetCookies {
        self.lock().regardless.take().map_or_else(SetCookies::none, |cookies| *cookies)
    }

    /// From now on writes are refused.
    pub(crate) fn refuse_writes(&self) {
        self.lock().closed = true;
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.shared.facts
    }

    pub(crate) fn random(&self) -> &dyn Random {
        self.shared.facts.random.as_deref().unwrap_or(&SystemRandom)
    }

    /// The state, for reading: the data counts as looked at.
    pub(crate) fn look(&self) -> MutexGuard<'_, State> {
        // Asked before the lock is taken: a clock may be user code.
        let accessed = self.facts().access_time();
        let mut state = self.lock();
        state.usage.seen = true;
        state.usage.looked = true;
        state.usage.accessed = accessed;
        state
    }

    /// The state, for reading what the application relies on.
    pub(crate) fn look_inside(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.look();
        self.must_be_readable(&state)?;
        Ok(state)
    }

    /// That it is known what the session holds: everything, if it begins anew (S73).
    pub(crate) fn must_be_readable(&self, state: &State) -> Result<(), Error> {
        let error = if state.usage.begins_anew() { None } else { self.facts().unreadable_error() };
        error.map_or(Ok(()), Err)
    }

    /// The state, for writing; refused once the response has begun.
    pub(crate) fn write(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.overwrite()?;
        self.must_be_readable(&state)?;
        Ok(state)
    }

    /// The same for what looks at nothing, and may stand before a login.
    fn overwrite(&self) -> Result<MutexGuard<'_, State>, Error> {
        let accessed = self.facts().access_time();
        let mut state = self.open_state()?;
        state.usage.looked = true;
        state.usage.accessed = accessed;
        state.usage.wrote = true;
        Ok(state)
    }

    /// The state, for wishes; refused once the response has begun.
    pub(crate) fn open_state(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        state.usage.seen = true;
        Ok(state)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so a panic cannot leave half a change behind.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes these changes as if the handler did, whatever the bounds: what is brought is there already, and nobody is here
    /// to be told. The bounds are for what it grows to.
    fn bring(&mut self, changes: Vec<Change>) {
        self.usage.wrote = true;
        for mut change in changes {
            // Setting a value cannot fail.
            let _ = change.apply(&mut self.entries);
            self.changes.push(change);
        }
    }

    /// Whether nothing but looking was done.
    fn rests(&self) -> bool {
        let Self { usage, wishes, claims, .. } = self;
        !usage.has_written() && !usage.handled && !wishes.has_any() && claims.is_empty()
    }

    /// The value of `key`, which the application gets to see.
    fn read(&mut self, key: &str, is_strict: bool) -> Option<Value> {
        self.reads.note(key, is_strict);
        self.entries.get(key)
    }

    /// All keys and values, which the application gets to see.
    fn read_all(&mut self) -> &Entries {
        self.reads.note_all();
        &self.entries
    }

    /// Sets what is not there. Where the key is strict, what is given out now has to be what is kept.
    fn note_default(&mut self, key: &str, value: Value) -> Result<(), Error> {
        let is_strict = self.read_from_store(key) == Some(true);
        if self.note(Change::SetDefault { key: key.into(), value })? && is_strict {
            self.changes.watch(key, true);
        }
        Ok(())
    }

    /// Whether what `key` has was read from the store, and if so, whether as a strict one.
    fn read_from_store(&self, key: &str) -> Option<bool> {
        self.reads.of(key).filter(|_| !self.changes.decide(key))
    }

    /// Does `change`, which gives `key` a value whatever it has, and notices if what it has was read from the store.
    fn note_over(&mut self, key: &str, is_strict: bool, change: Change) -> Result<(), Error> {
        let read = self.read_from_store(key);
        if self.note(change)?
            && let Some(was_strict) = read
        {
            self.changes.watch(key, is_strict || was_strict);
        }
        Ok(())
    }

    /// Sets all of these or none.
    fn set_all(&mut self, pairs: Vec<(String, bool, Value)>) -> Result<(), Error> {
        let (before, count) = (self.entries.clone(), self.changes.len());
        let mut over = Vec::new();
        for (key, is_strict, value) in pairs {
            let read = self.read_from_store(&key);
            match self.note(Change::Set { key: key.clone(), value }) {
                Ok(true) => over.extend(read.map(|was_strict| (key, is_strict || was_strict))),
                Ok(false) => {}
                Err(error) => {
                    self.entries = before;
                    self.changes.truncate(count);
                    return Err(error);
                }
            }
        }
        over.iter().for_each(|(key, is_strict)| self.changes.watch(key, *is_strict));
        Ok(())
    }

    /// Removes every key but these. Remembered even if there is none: another request may add one meanwhile.
    fn sweep(&mut self, kept: Vec<String>) {
        let sweep = Sweep::new(kept, self.reads.clone());
        let before = self.entries.clone();
        sweep.apply(&mut self.entries);
        let change = Change::Sweep(Box::new(sweep));
        if self.entries.same_bytes(&before) {
            self.changes.push_idle(change);
        } else {
            self.changes.push(change);
        }
    }

    /// Does `change` and remembers it, if it makes a difference; says whether it does.
    pub(crate) fn note(&mut self, mut change: Change) -> Result<bool, Error> {
        let before = self.entries.clone();
        change.apply(&mut self.entries)?;
        let differs = !self.entries.same_bytes(&before);
        if differs {
            self.fits(&before, change.key().unwrap_or_default())?;
            self.changes.push(change);
        }
        Ok(differs)
    }

    /// Undoes a write of `key` that goes beyond what a session may hold. What was taken and may come back counts.
    fn fits(&mut self, before: &Entries, key: &str) -> Result<(), Error> {
        let taken = self.changes.taken();
        let checked = if taken.is_empty() {
            self.bounds.check(before, &self.entries, Some(key))
        } else {
            let whole = |entries: &Entries| queue::with(entries, &taken);
            self.bounds.check(&whole(before), &whole(&self.entries), Some(key))
        };
        if checked.is_err() {
            self.entries = before.clone();
        }
        checked
    }

    /// From here on it is another session, which holds nothing and of which nothing is wished.
    pub(crate) fn begin_anew(&mut self) {
        self.wishes = Wishes::default();
        self.reads = Reads::new(false);
        self.changes = Changes::default();
        self.changes.push(Change::Clear);
        self.entries.clear();
    }
}

/// Reads `old` (or starts from the default), lets `change` at it, and writes it again.
fn modified<T, R>(
    key: &str,
    old: Option<&Value>,
    change: &mut impl FnMut(&mut T) -> R,
) -> Result<(Value, R), Error>
where
    T: Default + Serialize + DeserializeOwned,
{
    let mut value = old.map_or_else(|| Ok(T::default()), |old| old.decode(key))?;
    let result = change(&mut value);
    Ok((Value::encode_as::<T>(key, &value)?, result))
}

impl PartialEq for Session {
    /// By content: the same keys with equal values.
    fn eq(&self, other: &Self) -> bool {
        let entries = |session: &Self| {
            let mut state = session.lock();
            state.usage.seen = true;
            state.entries.clone()
        };
        entries(self) == entries(other)
    }
}

impl fmt::Debug for Session {
    /// How many keys, and no values (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Session")
            .field("keys", &state.entries.len())
            .field("changes", &state.changes.len())
            .finish_non_exhaustive()
    }
}
