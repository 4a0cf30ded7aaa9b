//! What is behind a session handle: an anchor of its own on one record, under one epoch, for its whole life.
//!
//! Where the record that a handle is meant for does not exist before the request has ended, the handle waits for that
//! request to say what it has kept. It shares nothing else with it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::Event;
use super::anchor::{Anchor, Unwritten, Written};
use super::budget::Budget;
use super::lease::{Lease, Lessee};
use super::located::{Located, csrf_secrets};
use crate::csrf::CsrfSecrets;
use crate::factory::{Commit, Opened};
use crate::session::{BoxFuture, ClaimId, Claims, Limits, Reloaded, Remote};
use crate::store::Store;
use crate::{Entries, Error, Timestamp, Value};

/// What a request has kept of what it began: nothing, or this record. Set once.
pub(super) type Outcome = OnceLock<Option<Arc<Located>>>;

/// A session outside of its request.
pub(super) struct Pinned<S> {
    anchor: Anchor<S>,
    /// Of the request that begins what this is a handle on.
    outcome: Option<Arc<Outcome>>,
    /// What was offered last without an answer that it was taken, and how many changes of the handle were in it.
    offered: Mutex<Option<(Arc<Located>, usize)>>,
    /// The flash messages that were taken, until it is kept.
    lease: Lease,
}

impl<S: Store> Pinned<S> {
    pub(super) fn new(anchor: Anchor<S>, outcome: Option<Arc<Outcome>>) -> Self {
        Self { anchor, outcome, offered: Mutex::default(), lease: Lease::default() }
    }

    /// The record that this is a handle on, as it was seen last; `None` if it was ended.
    fn located(&self) -> Result<Option<Arc<Located>>, Error> {
        if let (None, Some(outcome)) = (self.anchor.located(), &self.outcome) {
            let kept = outcome.get().ok_or(Error::NotYet)?;
            self.anchor.set_located(kept.clone());
        }
        Ok(self.anchor.located())
    }

    /// From now on it is gone, for good.
    fn is_gone(&self) {
        if let Some(outcome) = &self.outcome {
            let _ = outcome.set(None);
        }
        self.anchor.set_located(None);
    }

    async fn read_again(&self) -> Result<Option<Reloaded>, Error> {
        let Some(seen) = self.located()? else { return Ok(None) };
        let budget = self.anchor.inner.budget();
        let there = self.anchor.reload(&budget, "opened", &seen).await?;
        let Some(located) = there else { return Ok(None) };
        let now = self.anchor.now();
        let opened = Opened::live(now, located.body.created, located.body.entries.clone(), ())
            .idle_left(located.left(now));
        let (owner, limits): (_, Option<Limits>) = (located.owner.clone(), located.body.limits);
        self.anchor.set_located(Some(located));
        self.set_offered(None);
        Ok(Some(Reloaded { opened, owner, limits }))
    }

    async fn keep_changes(&self, commit: &mut Commit) -> Result<Option<Entries>, Error> {
        if self.located()?.is_none() {
            return Ok(None);
        }
        let (inner, budget) = (&self.anchor.inner, self.anchor.inner.budget());
        self.recall(&budget, commit).await?;
        if commit.is_invalidated() {
            self.anchor.remove_own(&budget).await?;
            self.is_gone();
            return Ok(None);
        }
        let has_work = !commit.changes().is_empty()
            || !commit.claims().is_empty()
            || commit.wishes().csrf.is_some()
            || commit.is_marked_changed();
        if !has_work {
            return Ok(self.read_again().await?.map(|reloaded| reloaded.opened.entries));
        }
        let count = commit.changes().len();
        let offered = |next: &Arc<Located>| self.set_offered(Some((next.clone(), count)));
        match self.anchor.write(&budget, commit, None, offered).await {
            Ok(Written::Kept(kept)) => {
                self.set_offered(None);
                Ok(Some(kept.body.entries.clone()))
            }
            Ok(Written::Gone(there)) => {
                inner.tell(&Event::Gone);
                self.is_gone();
                self.anchor.settle_left(&budget, there, commit.claims()).await?;
                Ok(None)
            }
            Err(Unwritten::Refused(error)) => {
                self.set_offered(None);
                Err(error)
            }
            Err(Unwritten::Failed(error)) => Err(error),
        }
    }

    /// Where an earlier attempt had no answer: leaves out the changes of it if it took effect all the same.
    async fn recall(&self, budget: &Budget, commit: &mut Commit) -> Result<(), Error> {
        let offered = self.offered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some((next, count)), Some(seen)) = (offered, self.anchor.located()) else {
            return Ok(());
        };
        if let Some(kept) = self.anchor.find_out(budget, &seen, &next).await? {
            commit.continue_from(&kept.body.entries, count)?;
            self.anchor.set_located(Some(kept));
        }
        self.set_offered(None);
        Ok(())
    }

    fn set_offered(&self, offered: Option<(Arc<Located>, usize)>) {
        *self.offered.lock().unwrap_or_else(PoisonError::into_inner) = offered;
    }
}

impl<S: Store> Lessee<S> for Pinned<S> {
    fn lease(&self) -> &Lease {
        &self.lease
    }

    fn anchor(&self) -> &Anchor<S> {
        &self.anchor
    }
}

impl<S: Store> Remote for Pinned<S> {
    fn id(&self) -> Option<[u8; 16]> {
        self.located().ok()?.map(|located| *located.key.as_bytes())
    }

    fn claim(
        self: Arc<Self>,
        key: String,
        id: ClaimId,
    ) -> BoxFuture<'static, Result<Vec<Value>, Error>> {
        Box::pin(async move {
            self.located()?;
            let claimed = self.anchor.claim(&key, id).await?;
            if !claimed.is_empty() {
                Lease::hold(&self, id);
            }
            Ok(claimed)
        })
    }

    fn settle(
        &self,
        shown: Vec<ClaimId>,
        returned: Vec<ClaimId>,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.anchor.settle_now(&shown, &returned).await?;
            self.lease.forget(&[shown, returned].concat());
            Ok(())
        })
    }

    fn csrf_secrets(&self, now: Timestamp) -> Result<CsrfSecrets, Error> {
        Ok(csrf_secrets(self.located()?, now))
    }

    fn pin(&self, _: bool) -> Arc<dyn Remote> {
        let anchor = Anchor::new(&self.anchor.inner, self.anchor.located());
        Arc::new(Self::new(anchor, self.outcome.clone()))
    }

    fn reload(&self) -> BoxFuture<'_, Result<Option<Reloaded>, Error>> {
        Box::pin(self.read_again())
    }

    fn keep<'a>(&'a self, commit: &'a mut Commit) -> BoxFuture<'a, Result<Option<Entries>, Error>> {
        Box::pin(async move {
            let kept = self.keep_changes(commit).await?;
            let Claims { shown, returned, .. } = commit.claims();
            self.lease.forget(&[&**shown, returned].concat());
            Ok(kept)
        })
    }
}
