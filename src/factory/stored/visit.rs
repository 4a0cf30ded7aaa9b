//! One request's visit to a stored session: where its record is, in which state it was seen last, and the ticket that
//! was shown. Shared by the request, its commit, its flash claims and the handles that outlive it.

use std::sync::{Arc, Mutex, PoisonError};

use super::body::Body;
use super::{Event, Inner};
use crate::csrf::CsrfSecrets;
use crate::factory::{Commit, Opened, Refused};
use crate::session::{BoxFuture, ClaimId, Limits, Remote, Server};
use crate::store::{
    Record, Replaced, Store, StoreError, StoreErrorKind, StoreKey, Stored, Version,
};
use crate::ticket::{Ticket, TicketHash};
use crate::{Entries, Error, Timestamp, Value};

/// What `open` found out, for `commit`.
pub struct Visit<S> {
    pub(super) inner: Arc<Inner<S>>,
    /// What the request brought.
    pub(super) ticket: Option<Ticket>,
    /// The place that its ticket leads to, where nothing is.
    pub(super) missing: Option<StoreKey>,
    located: Mutex<Option<Arc<Located>>>,
}

/// A record as it was seen last.
#[derive(Clone)]
pub(super) struct Located {
    pub(super) key: StoreKey,
    pub(super) version: Version,
    pub(super) expires_at: Timestamp,
    pub(super) owner: Option<Arc<str>>,
    pub(super) body: Body,
}

impl Located {
    /// Reads a record. Flash messages whose lease has ended are back in their queues.
    pub(super) fn read(
        action: &'static str,
        key: StoreKey,
        stored: Stored,
        now: Timestamp,
    ) -> Result<Arc<Self>, Error> {
        let Stored { record: Record { data, expires_at, owner }, version } = stored;
        let mut body = Body::decode(data).ok_or_else(|| {
            let cause = format!("record {key} is not one that this version of cloakroom wrote");
            Error::Store { action, source: StoreError::new(StoreErrorKind::Corrupt, cause) }
        })?;
        body.claims.give_back_expired(&mut body.entries, now);
        Ok(Arc::new(Self { key, version, expires_at, owner, body }))
    }

    /// Whether the session is over, whatever its store says (S22).
    pub(super) fn has_ended(&self, limits: &Limits, now: Timestamp) -> bool {
        let limits = self.body.limits.as_ref().unwrap_or(limits);
        now >= self.expires_at.min(limits.latest_end(self.body.created))
    }

    pub(super) fn record(&self) -> Record {
        Record::new(self.body.encode(), self.expires_at, self.owner.clone())
    }
}

impl Body {
    /// Whether the ticket of this hash opens the session now.
    pub(super) fn admit(&self, ticket: &TicketHash, now: Timestamp) -> Result<(), Refused> {
        if self.ticket.is(ticket) {
            return Ok(());
        }
        match &self.former {
            Some(former) if former.ticket.is(ticket) && now < former.until => Ok(()),
            Some(former) if former.ticket.is(ticket) => Err(Refused::Reused),
            _ => Err(Refused::Forged),
        }
    }
}

impl<S: Store> Visit<S> {
    /// Of a request without a session.
    pub(super) fn absent(inner: &Arc<Inner<S>>, missing: Option<StoreKey>) -> Self {
        Self { inner: inner.clone(), ticket: None, missing, located: Mutex::new(None) }
    }

    /// Of a request with this ticket to this record.
    pub(super) fn live(
        inner: &Arc<Inner<S>>,
        ticket: Ticket,
        located: Arc<Located>,
        now: Timestamp,
    ) -> Opened<Self> {
        let (created, entries) = (located.body.created, located.body.entries.clone());
        let left = located.expires_at.since(now);
        let rests =
            !inner.is_renewal_due(&located.body, now) && inner.new_end(&located, now).is_none();
        let has_end = located.expires_at < Timestamp::MAX;
        let (ticket, located) = (Some(ticket), Mutex::new(Some(located)));
        let visit = Self { inner: inner.clone(), ticket, missing: None, located };
        Opened::live(now, created, entries, visit).idle_left(has_end.then_some(left)).rests(rests)
    }

    /// What the session can do because it is kept here.
    pub(super) fn serve(opened: Opened<Self>) -> Opened<Self> {
        let server = opened.base.clone().server(true);
        opened.on_server(server)
    }

    fn server(self: Arc<Self>, has_response: bool) -> Server {
        let located = self.located();
        Server {
            id: located.as_ref().map(|located| *located.key.as_bytes()),
            owner: located.as_ref().and_then(|located| located.owner.clone()),
            limits: located.as_ref().and_then(|located| located.body.limits),
            has_response,
            remote: self,
        }
    }

    pub(super) fn located(&self) -> Option<Arc<Located>> {
        self.located.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_located(&self, located: Option<Arc<Located>>) {
        *self.located.lock().unwrap_or_else(PoisonError::into_inner) = located;
    }

    /// Offers `next` in place of `seen`, and remembers what is there then. `None` if the session was ended meanwhile.
    pub(super) async fn offer(
        &self,
        seen: &Located,
        mut next: Arc<Located>,
    ) -> Result<Option<Offer>, Error> {
        let inner = &self.inner;
        let record = next.record();
        let asked = inner.store.replace(&seen.key, seen.version, &record);
        match inner.call("kept", asked).await? {
            Replaced::Done(version) => {
                Arc::make_mut(&mut next).version = version;
                self.set_located(Some(next));
                Ok(Some(Offer::Taken))
            }
            Replaced::Conflict(stored) => {
                inner.tell(&Event::Conflict);
                let now = inner.settings.clock.now();
                let other = Located::read("kept", seen.key, stored, now)?;
                // Another epoch: the rights of this session changed, and what came before has none of them (S19).
                Ok((other.body.epoch == seen.body.epoch).then_some(Offer::Conflict(other)))
            }
            Replaced::Gone => Ok(None),
        }
    }

    /// Takes a queue's messages out of the record, for one request alone.
    async fn claim_messages(&self, queue: &str, id: ClaimId) -> Result<Vec<Value>, Error> {
        let Some(mut seen) = self.located() else { return Ok(Vec::new()) };
        let mut turn = None;
        for _ in 0..ATTEMPTS {
            let mut next = seen.clone();
            let Body { claims, entries, .. } = &mut Arc::make_mut(&mut next).body;
            let until =
                self.inner.settings.clock.now().saturating_add(self.inner.settings.flash_lease);
            let messages = claims.take(entries, queue, id, until)?;
            if messages.is_empty() {
                self.set_located(Some(seen));
                return Ok(messages);
            }
            match self.offer(&seen, next).await? {
                Some(Offer::Taken) => return Ok(messages),
                Some(Offer::Conflict(now)) => seen = now,
                None => return Ok(Vec::new()),
            }
            if turn.is_none() {
                turn = Some(self.inner.queue(&seen.key).await);
            }
        }
        Err(Error::Busy { attempts: ATTEMPTS })
    }
}

/// How often a commit is tried. In one process few are needed, because those that lost wait for each other; between
/// processes each lost attempt is another's success.
pub(super) const ATTEMPTS: usize = 128;

/// What came of offering a record.
pub(super) enum Offer {
    Taken,
    /// Somebody else was faster, under the same rights.
    Conflict(Arc<Located>),
}

impl<S: Store> Remote for Visit<S> {
    fn claim<'a>(&'a self, key: &'a str, id: ClaimId) -> BoxFuture<'a, Result<Vec<Value>, Error>> {
        Box::pin(self.claim_messages(key, id))
    }

    fn reload(self: Arc<Self>) -> BoxFuture<'static, Result<Option<Opened<()>>, Error>> {
        Box::pin(async move {
            let inner = self.inner.clone();
            let Some(seen) = self.located() else { return Ok(None) };
            let now = inner.settings.clock.now();
            let stored = inner.call("opened", inner.store.load(&seen.key)).await?;
            let Some(stored) = stored else { return Ok(None) };
            let located = Located::read("opened", seen.key, stored, now)?;
            let is_other = located.body.epoch != seen.body.epoch;
            if is_other || located.has_ended(&inner.settings.limits, now) {
                return Ok(None);
            }
            let opened = Opened::live(now, located.body.created, located.body.entries.clone(), ())
                .idle_left(Some(located.expires_at.since(now)))
                .random(inner.settings.random.clone());
            self.set_located(Some(located));
            Ok(Some(opened.on_server(self.server(false))))
        })
    }

    fn csrf_secrets(&self, now: Timestamp) -> CsrfSecrets {
        let Some(located) = self.located() else { return CsrfSecrets::default() };
        let former = located.body.former_csrf.filter(|former| now < former.until);
        CsrfSecrets {
            current: Some(located.body.csrf_secret()),
            former: former.map(|former| former.secret),
        }
    }

    fn keep(&self, commit: Commit) -> BoxFuture<'_, Result<Option<Entries>, Error>> {
        Box::pin(async move {
            self.keep_data(commit).await?;
            Ok(self.located().map(|located| located.body.entries.clone()))
        })
    }
}
