//! One record, under the rights it was opened with, as it was seen last: what a request and a handle write to.
//!
//! Each has one of its own and shares none. A write says which version it replaces; what another request wrote under
//! the same rights is replayed on, and once the rights have changed (another epoch) nothing is written any more.

use std::sync::{Arc, Mutex, PoisonError};

use super::body::Body;
use super::budget::Budget;
use super::located::Located;
use super::next::{Renewal, next};
use super::{Event, Inner};
use crate::random::distinct;
use crate::session::{BoxFuture, ClaimId, Commit};
use crate::store::{Replaced, Store, Turn};
use crate::{Error, Timestamp, Value};

pub(super) struct Anchor<S> {
    pub(super) inner: Arc<Inner<S>>,
    located: Mutex<Option<Arc<Located>>>,
}

/// What came of offering a record.
pub(super) enum Offer {
    Taken(Arc<Located>),
    /// Somebody else was faster, under the same rights.
    Conflict(Arc<Located>),
    /// The rights of the session changed, and what came before has none of them (S19).
    Overtaken(Arc<Located>),
    Gone,
}

/// What came of writing.
pub(super) enum Written {
    Kept(Arc<Located>),
    /// The session was ended, or its rights changed: then this is what is there.
    Gone(Option<Arc<Located>>),
}

/// Why nothing was written.
pub(super) enum Unwritten {
    /// The changes cannot be made to what is there by now. What else has to hold can be written without them.
    Refused(Error),
    Failed(Error),
}

impl From<Error> for Unwritten {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl<S: Store> Anchor<S> {
    pub(super) fn new(inner: &Arc<Inner<S>>, located: Option<Arc<Located>>) -> Self {
        Self { inner: inner.clone(), located: Mutex::new(located) }
    }

    pub(super) fn located(&self) -> Option<Arc<Located>> {
        self.located.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_located(&self, located: Option<Arc<Located>>) {
        *self.located.lock().unwrap_or_else(PoisonError::into_inner) = located;
    }

    pub(super) fn now(&self) -> Timestamp {
        // As stores keep it, so that what was written is recognised when it is read again.
        self.inner.settings.clock.now().floor_micros()
    }

    /// Replays the changes on what is stored until they hold. `offered` is told of each attempt.
    pub(super) async fn write(
        &self,
        budget: &Budget,
        commit: &mut Commit,
        renewal: Option<&Renewal>,
        offered: impl Fn(&Arc<Located>),
    ) -> Result<Written, Unwritten> {
        let Some(mut seen) = self.located() else { return Ok(Written::Gone(None)) };
        let inner = &*self.inner;
        let mut patience = Patience::new(self, budget);
        if inner.turns.is_contended(&seen.key) {
            patience.take_turn(&seen).await?;
        }
        loop {
            let now = self.now();
            if seen.has_ended(&inner.settings.limits, now) {
                let Some(alive) = self.reload(budget, "kept", &seen).await? else {
                    return Ok(Written::Gone(Some(seen)));
                };
                seen = alive;
                continue;
            }
            let (next, overwritten) = next(inner, &seen, commit, renewal, now)?;
            offered(&next);
            match self.offer(budget, &seen, next).await? {
                Offer::Taken(kept) => {
                    self.set_located(Some(kept.clone()));
                    overwritten.iter().for_each(|key| inner.tell(&Event::Overwritten(key)));
                    return Ok(Written::Kept(kept));
                }
                Offer::Conflict(other) => seen = other,
                Offer::Overtaken(other) => return Ok(Written::Gone(Some(other))),
                Offer::Gone => return Ok(Written::Gone(None)),
            }
            patience.try_again(&seen).await?;
        }
    }

    /// Writes once, and leaves it if another request was faster: for what is worth no second call.
    pub(super) async fn write_once(
        &self,
        budget: &Budget,
        commit: &mut Commit,
        renewal: &Renewal,
    ) -> Result<Option<Arc<Located>>, Unwritten> {
        // What has ended by now is not revived.
        let Some(seen) = self.located().filter(|seen| !self.has_ended(seen)) else {
            return Ok(None);
        };
        let (next, _) = next(&self.inner, &seen, commit, Some(renewal), self.now())?;
        match self.offer(budget, &seen, next).await? {
            Offer::Taken(kept) => Ok(Some(kept)),
            Offer::Conflict(_) | Offer::Overtaken(_) | Offer::Gone => Ok(None),
        }
    }

    /// Forgets claims that were shown and gives back the others.
    pub(super) async fn settle(
        &self,
        budget: &Budget,
        seen: Arc<Located>,
        shown: &[ClaimId],
        returned: &[ClaimId],
    ) -> Result<Arc<Located>, Error> {
        self.amend(budget, seen, |body| body.settle(shown, returned)).await
    }

    /// Does what `edit` does to claims, until it holds or changes nothing, whatever the session's rights are by now: a
    /// message is whoever's who took it.
    async fn amend(
        &self,
        budget: &Budget,
        mut seen: Arc<Located>,
        edit: impl Fn(&mut Body) -> bool,
    ) -> Result<Arc<Located>, Error> {
        for attempt in 0.. {
            let mut next = self.used(&seen);
            // What has ended stays so: nobody reads its messages any more.
            if self.has_ended(&seen) || !edit(&mut Arc::make_mut(&mut next).body) {
                break;
            }
            match self.offer(budget, &seen, next).await? {
                Offer::Taken(kept) => return Ok(kept),
                Offer::Conflict(other) | Offer::Overtaken(other) => seen = other,
                Offer::Gone => break,
            }
            pause(budget, attempt).await?;
        }
        Ok(seen)
    }

    /// Takes a queue's messages out of the record, for one request alone.
    pub(super) async fn claim(&self, queue: &str, id: ClaimId) -> Result<Vec<Value>, Error> {
        let budget = self.inner.budget();
        let Some(mut seen) = self.located() else { return Ok(Vec::new()) };
        let mut patience = Patience::new(self, &budget);
        loop {
            let mut next = self.used(&seen);
            let body = &mut Arc::make_mut(&mut next).body;
            let until = self.now().saturating_add(self.inner.settings.flash_lease);
            let messages = body.claims.take(&mut body.entries, queue, id, until);
            if messages.is_empty() {
                self.set_located(Some(seen));
                return Ok(messages);
            }
            if self.has_ended(&seen) {
                let alive = self.reload(&budget, "kept", &seen).await?;
                let Some(alive) = alive else { return Ok(Vec::new()) };
                seen = alive;
                continue;
            }
            match self.offer(&budget, &seen, next).await? {
                Offer::Taken(kept) => {
                    self.set_located(Some(kept));
                    return Ok(messages);
                }
                Offer::Conflict(other) => seen = other,
                Offer::Overtaken(_) | Offer::Gone => return Ok(Vec::new()),
            }
            patience.try_again(&seen).await?;
        }
    }

    /// Reads a session again; `None` if it has ended, or its rights are others. Also for one that has ended as far as one
    /// knows: others may have looked at it since, which moves its end and leaves the version as it is.
    pub(super) async fn reload(
        &self,
        budget: &Budget,
        action: &'static str,
        seen: &Located,
    ) -> Result<Option<Arc<Located>>, Error> {
        let asked = self.inner.store.load(&seen.key);
        let Some(stored) = self.inner.call(budget, action, asked).await? else { return Ok(None) };
        let there = Located::read(action, seen.key, stored, self.now())?;
        let is_same = there.body.epoch == seen.body.epoch;
        Ok((is_same && !self.has_ended(&there)).then_some(there))
    }

    /// A copy, to be written, with the end of a session that is used now: a touch since then left the version as it is,
    /// and the end that was seen must not take its place.
    fn used(&self, seen: &Arc<Located>) -> Arc<Located> {
        let mut next = seen.clone();
        let Located { body, expires_at, .. } = Arc::make_mut(&mut next);
        body.mark = distinct();
        *expires_at = self.inner.limits_of(body).end(body.created, self.now());
        next
    }

    /// Offers `next` in place of `seen`.
    async fn offer(
        &self,
        budget: &Budget,
        seen: &Arc<Located>,
        mut next: Arc<Located>,
    ) -> Result<Offer, Error> {
        let inner = &*self.inner;
        let record = next.record();
        let asked = inner.store.replace(&seen.key, seen.version, &record);
        let replaced = match inner.call(budget.most(), "kept", asked).await {
            Ok(replaced) => replaced,
            Err(error) => {
                // Boxed, because it is rare, and all writes would be as large.
                let found = Box::pin(self.find_out(budget, seen, &next)).await;
                return found.ok().flatten().map(Offer::Taken).ok_or(error);
            }
        };
        match replaced {
            Replaced::Done(version) => {
                Arc::make_mut(&mut next).version = version;
                Ok(Offer::Taken(next))
            }
            Replaced::Conflict(stored) => {
                inner.tell(&Event::Conflict);
                let other = Located::read("kept", seen.key, stored, self.now())?;
                Ok(if other.body.epoch == seen.body.epoch {
                    Offer::Conflict(other)
                } else {
                    Offer::Overtaken(other)
                })
            }
            Replaced::Gone => Ok(Offer::Gone),
        }
    }

    /// After an offer without an answer: what is there, if it was taken all the same. A look of another request leaves the
    /// mark of the write as it is. Nobody else makes the same ticket, so a renewal is recognised even when others have
    /// written since.
    pub(super) async fn find_out(
        &self,
        budget: &Budget,
        seen: &Located,
        next: &Located,
    ) -> Result<Option<Arc<Located>>, Error> {
        let asked = self.inner.store.load(&seen.key);
        let Some(stored) = self.inner.call(budget, "kept", asked).await? else { return Ok(None) };
        let there = Located::read("kept", seen.key, stored, self.now())?;
        let is_same = there.version != seen.version && there.body.mark == next.body.mark;
        let is_renewal = !next.body.ticket.is(&seen.body.ticket);
        let is_taken = is_same || is_renewal && there.body.ticket.is(&next.body.ticket);
        Ok(is_taken.then_some(there))
    }

    /// Settles claims outside of a commit.
    pub(super) async fn settle_now(
        &self,
        shown: &[ClaimId],
        returned: &[ClaimId],
    ) -> Result<(), Error> {
        let Some(seen) = self.located() else { return Ok(()) };
        let settled = self.settle(&self.inner.budget(), seen, shown, returned).await?;
        self.set_located(Some(settled));
        Ok(())
    }

    fn has_ended(&self, seen: &Located) -> bool {
        seen.has_ended(&self.inner.settings.limits, self.now())
    }
}

/// What a write that lost does before it is tried again: it waits for its turn, and once it has that, lets other
/// processes go first for a moment.
struct Patience<'a, S> {
    anchor: &'a Anchor<S>,
    budget: &'a Budget,
    turn: Option<Turn>,
    attempt: u32,
}

impl<'a, S: Store> Patience<'a, S> {
    fn new(anchor: &'a Anchor<S>, budget: &'a Budget) -> Self {
        Self { anchor, budget, turn: None, attempt: 0 }
    }

    async fn take_turn(&mut self, seen: &Located) -> Result<(), Error> {
        let turn = self.budget.within(self.anchor.inner.turns.wait(seen.key)).await;
        self.turn = Some(turn.ok_or(Error::Busy { attempts: 1 })?);
        Ok(())
    }

    /// Boxed, because it is rare, and all writes would be as large.
    fn try_again<'b>(&'b mut self, seen: &'b Located) -> BoxFuture<'b, Result<(), Error>> {
        Box::pin(async move {
            if self.turn.is_none() {
                self.take_turn(seen).await?;
            } else {
                pause(self.budget, self.attempt).await?;
            }
            self.attempt += 1;
            Ok(())
        })
    }
}

/// Lets those go first who won, while there is time.
pub(super) async fn pause(budget: &Budget, attempt: u32) -> Result<(), Error> {
    let has_time = budget.pause(attempt).await;
    if has_time { Ok(()) } else { Err(Error::Busy { attempts: attempt as usize + 1 }) }
}
