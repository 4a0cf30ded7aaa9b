//! One request's visit to a stored session: the ticket that was shown, and an [`Anchor`] on the record that it opens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Inner;
use super::anchor::Anchor;
use super::lease::{Lease, Lessee};
use super::located::{Located, csrf_secrets};
use super::pinned::{Outcome, Pinned};
use crate::csrf::{CsrfSecret, CsrfSecrets};
use crate::factory::plan::Due;
use crate::factory::{Commit, Opened};
use crate::session::{BoxFuture, ClaimId, Reloaded, Remote, Server};
use crate::store::{Store, StoreKey};
use crate::ticket::{Ticket, TicketHash};
use crate::{Entries, Error, Timestamp, Value};

/// What `open` found out, for `commit`.
pub struct Visit<S> {
    pub(super) anchor: Anchor<S>,
    /// What the request brought.
    pub(super) ticket: Option<Ticket>,
    /// The place that its ticket leads to, where nothing is.
    pub(super) missing: Option<StoreKey>,
    /// The record that its ticket opens and that cannot be read, and the ticket's hash.
    pub(super) proved: Option<(StoreKey, TicketHash)>,
    /// The record that its ticket opened, and the rights that the ticket gave.
    former: Option<(StoreKey, u32)>,
    /// For the handles on what this request begins: what it has kept of that, once it has ended.
    outcome: OnceLock<Arc<Outcome>>,
    has_ended: AtomicBool,
    /// The flash messages that are claimed by this request.
    lease: Lease,
}

impl<S: Store> Visit<S> {
    /// Of a request without a session.
    pub(super) fn absent(inner: &Arc<Inner<S>>, missing: Option<StoreKey>) -> Self {
        Self::new(Anchor::new(inner, None), None, missing)
    }

    /// Of a request with a ticket to a record that cannot be read.
    pub(super) fn unreadable(
        inner: &Arc<Inner<S>>,
        proved: Option<(StoreKey, TicketHash)>,
    ) -> Self {
        let mut visit = Self::absent(inner, None);
        visit.proved = proved;
        visit
    }

    /// Of a request with this ticket to this record.
    pub(super) fn live(
        inner: &Arc<Inner<S>>,
        ticket: Ticket,
        located: Arc<Located>,
        now: Timestamp,
    ) -> Opened<Self> {
        let (created, entries) = (located.body.created, located.body.entries.clone());
        let left = located.left(now);
        let rests = inner.due(&located, now) == Due::Nothing;
        let visit = Self::new(Anchor::new(inner, Some(located)), Some(ticket), None);
        Opened::live(now, created, entries, visit).idle_left(left).rests(rests)
    }

    fn new(anchor: Anchor<S>, ticket: Option<Ticket>, missing: Option<StoreKey>) -> Self {
        let (outcome, has_ended, lease) = Default::default();
        let former = anchor.located().map(|located| located.rights());
        Self { anchor, ticket, missing, proved: None, former, outcome, has_ended, lease }
    }

    /// What the session can do because it is kept here.
    pub(super) fn serve(opened: Opened<Self>) -> Opened<Self> {
        let visit = opened.base.clone();
        let located = visit.anchor.located();
        let server = Server {
            owner: located.as_ref().and_then(|located| located.owner.clone()),
            left: located.as_ref().and_then(|located| located.body.left.clone()),
            limits: located.as_ref().and_then(|located| located.body.limits),
            csrf: None,
            has_response: true,
            remote: visit,
        };
        opened.on_server(server)
    }

    /// Ends the visit, and tells the handles that wait for it what was kept.
    pub(super) fn has_kept(&self, located: Option<Arc<Located>>) {
        self.anchor.set_located(located);
        self.has_ended.store(true, Ordering::SeqCst);
        self.lease.end();
        if let Some(outcome) = self.outcome.get() {
            let _ = outcome.set(self.begun());
        }
    }

    /// What this request has begun, if it has kept that: another record, or the same under other rights. What it came with
    /// is none of it, whatever else was kept there.
    fn begun(&self) -> Option<Arc<Located>> {
        self.anchor.located().filter(|located| self.former != Some(located.rights()))
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// What a handle on what this request begins waits for.
    fn outcome(&self) -> Arc<Outcome> {
        let outcome = self.outcome.get_or_init(Arc::default).clone();
        if self.has_ended() {
            let _ = outcome.set(self.begun());
        }
        outcome
    }
}

impl<S> Drop for Visit<S> {
    fn drop(&mut self) {
        // A request that was never committed has kept nothing.
        if let Some(outcome) = self.outcome.get() {
            let _ = outcome.set(None);
        }
    }
}

impl<S: Store> Lessee<S> for Visit<S> {
    fn lease(&self) -> &Lease {
        &self.lease
    }

    fn anchor(&self) -> &Anchor<S> {
        &self.anchor
    }
}

/// A request's session does not do what only a handle does.
fn only_of_a_handle<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, Error>> {
    Box::pin(std::future::ready(Err(Error::NotSupported { what: "keeping a session by hand" })))
}

impl<S: Store> Remote for Visit<S> {
    fn id(&self) -> Option<[u8; 16]> {
        self.anchor.located().map(|located| *located.key.as_bytes())
    }

    fn claim(
        self: Arc<Self>,
        key: String,
        id: ClaimId,
    ) -> BoxFuture<'static, Result<Vec<Value>, Error>> {
        Box::pin(async move {
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
        Box::pin(async move { self.anchor.settle_now(&shown, &returned).await })
    }

    fn csrf_secrets(&self, now: Timestamp) -> Result<CsrfSecrets, Error> {
        // So that a form can end what cannot be read: tokens come from the ticket's hash, unless it was changed.
        let proved = self.proved.as_ref().filter(|_| self.anchor.located().is_none());
        Ok(match proved {
            Some((_, hash)) => CsrfSecrets {
                current: Some(CsrfSecret::from_bytes(*hash.as_bytes())),
                former: None,
            },
            None => csrf_secrets(self.anchor.located(), now),
        })
    }

    fn pin(&self, follows: bool) -> Arc<dyn Remote> {
        let located = if follows { None } else { self.anchor.located() };
        let outcome = follows.then(|| self.outcome());
        Arc::new(Pinned::new(Anchor::new(&self.anchor.inner, located), outcome))
    }

    fn reload(&self) -> BoxFuture<'_, Result<Option<Reloaded>, Error>> {
        only_of_a_handle()
    }

    fn keep<'a>(&'a self, _: &'a mut Commit) -> BoxFuture<'a, Result<Option<Entries>, Error>> {
        only_of_a_handle()
    }
}
