//! The commit of a stored session: one function for each [`Plan`].

use std::sync::Arc;

use super::Event;
use super::anchor::{Anchor, Unwritten, Written};
use super::body::Body;
use super::budget::Budget;
use super::located::Located;
use super::next::{Reason, Renewal, begun};
use super::visit::Visit;
use crate::cookie::SetCookies;
use crate::factory::plan::{Arrival, Due, Plan, Wish, plan};
use crate::factory::{Commit, Origin};
use crate::session::Claims;
use crate::store::{Created, Record, Replaced, Store, StoreKey, Touched};
use crate::ticket::Ticket;
use crate::{Error, Timestamp};

/// How often a new place is looked for. One try in 2^128 needs a second.
const CREATE_ATTEMPTS: usize = 3;

type Sent = Result<SetCookies, Error>;

impl<S: Store> Visit<S> {
    /// Keeps what the request leaves, and ends the visit.
    pub(super) async fn commit(&self, mut commit: Commit) -> Sent {
        let budget = self.anchor.inner.budget();
        let sent = self.carry_out(&budget, &mut commit).await;
        if !self.has_ended() {
            self.has_kept(self.anchor.located());
        }
        sent
    }

    async fn carry_out(&self, budget: &Budget, commit: &mut Commit) -> Sent {
        if commit.has_failed() && !self.anchor.inner.settings.keep_on_error {
            commit.drop_changes();
        }
        match self.plan(commit) {
            Plan::Leave => Ok(SetCookies::none()),
            Plan::Gone => Ok(self.gone(commit)),
            Plan::Touch => self.touch(budget, commit).await,
            Plan::Rotate => self.rotate(budget, commit).await,
            Plan::Create => self.create(budget, commit).await,
            Plan::Recreate => {
                self.confirm(budget).await?;
                self.create(budget, commit).await
            }
            Plan::Replace => self.replace(budget, commit, None).await,
            Plan::ReplaceAndRotate => self.replace(budget, commit, Some(Reason::Age)).await,
            Plan::ReplaceAndTell => self.replace(budget, commit, Some(Reason::Lifetime)).await,
            Plan::Renew => self.replace(budget, commit, Some(Reason::Rights)).await,
            Plan::Restart => self.replace(budget, commit, Some(Reason::Restart)).await,
            Plan::Remove => {
                self.anchor.remove(budget).await?;
                self.forget_cookie()
            }
            Plan::Confirm => {
                self.confirm(budget).await?;
                Ok(SetCookies::none())
            }
            Plan::ForgetCookie => self.forget_cookie(),
            Plan::Refuse => Err(commit
                .unreadable_error()
                .unwrap_or_else(|| Error::keeping("nothing can be read"))),
            Plan::Abandon => {
                self.abandon(budget).await?;
                self.forget_cookie()
            }
            Plan::AbandonAndCreate => {
                self.abandon(budget).await?;
                self.create(budget, commit).await
            }
        }
    }

    fn plan(&self, commit: &mut Commit) -> Plan {
        let arrival = match commit.origin() {
            Origin::Absent if self.missing.is_some() => Arrival::Missing,
            Origin::Absent => Arrival::Absent,
            Origin::Expired => Arrival::Expired,
            Origin::Superseded => Arrival::Superseded,
            Origin::Unreadable => Arrival::Unreadable,
            Origin::Live => Arrival::Live,
        };
        let is_changed = commit.is_marked_changed()
            || if arrival == Arrival::Live { leaves(commit) } else { commit.holds_something() };
        let due =
            if arrival == Arrival::Live { self.due(commit, is_changed) } else { Due::Nothing };
        plan(arrival, Wish::of(commit, is_changed), commit.ending(), due)
    }

    /// What the passing of time asks for. Whatever is changed gets a new end anyway: then only a ticket may be due.
    fn due(&self, commit: &Commit, is_changed: bool) -> Due {
        let inner = &self.anchor.inner;
        let Some(located) = self.anchor.located() else { return Due::Nothing };
        let due = if is_changed && inner.settings.renew_every.is_none() {
            Due::Nothing
        } else {
            inner.due(&located, self.anchor.now())
        };
        match due {
            Due::Nothing | Due::Touch if commit.wishes().limits.is_some() => Due::Lifetime,
            due => due,
        }
    }

    /// Begins the idle time anew.
    async fn touch(&self, budget: &Budget, commit: &mut Commit) -> Sent {
        let (inner, now) = (&self.anchor.inner, self.anchor.now());
        let Some(located) = self.anchor.located() else { return Ok(self.gone(commit)) };
        let limits = inner.limits_of(&located.body);
        if located.has_ended(&limits, now) {
            // If it lives, whoever looked at it meanwhile has begun its idle time anew.
            let alive = self.anchor.reload(budget, "kept", &located).await?;
            return Ok(alive.map_or_else(|| self.gone(commit), |_| SetCookies::none()));
        }
        let end = limits.end(located.body.created, now);
        let asked = inner.store.touch(&located.key, located.version, end);
        match inner.call(budget, "kept", asked).await? {
            // No cookie: a login's may be on its way, and this one would arrive after it with a ticket that is dead.
            Touched::Done | Touched::Changed => Ok(SetCookies::none()),
            Touched::Gone => Ok(self.gone(commit)),
        }
    }

    /// Exchanges the ticket, if nobody wrote meanwhile.
    async fn rotate(&self, budget: &Budget, commit: &mut Commit) -> Sent {
        let Some(renewal) = self.renewal(Reason::Age)? else { return Ok(SetCookies::none()) };
        match self.anchor.write_once(budget, commit, &renewal).await {
            Ok(Some(kept)) => {
                self.has_kept(Some(kept.clone()));
                self.send_after(commit, &kept, Some(&renewal))
            }
            Ok(None) => Ok(SetCookies::none()),
            Err(Unwritten::Refused(error) | Unwritten::Failed(error)) => Err(error),
        }
    }

    async fn create(&self, budget: &Budget, commit: &mut Commit) -> Sent {
        let inner = &self.anchor.inner;
        let now = self.anchor.now();
        if self.is_over_before_begun(commit, now) {
            return Ok(self.gone(commit));
        }
        for _ in 0..CREATE_ATTEMPTS {
            let ticket = Ticket::generate(&*inner.settings.random)?;
            let mut begun = begun(inner, &ticket, commit, now);
            let created = self.anchor.create(budget, &begun.key, &begun.record()).await?;
            if let Created::Done(version) = created {
                Arc::make_mut(&mut begun).version = version;
                let sent = self.send(&ticket, &begun.body);
                self.has_kept(Some(begun));
                return sent;
            }
        }
        Err(Error::keeping("every new ticket was taken: is the randomness random?"))
    }

    /// Keeps the changes, under a new ticket where there is a reason for one.
    async fn replace(&self, budget: &Budget, commit: &mut Commit, reason: Option<Reason>) -> Sent {
        if reason == Some(Reason::Restart) && self.is_over_before_begun(commit, self.anchor.now()) {
            return Box::pin(self.overtaken(budget, commit, self.anchor.located(), reason)).await;
        }
        let renewal = reason.map(|reason| self.renewal(reason)).transpose()?.flatten();
        let renewal = renewal.as_deref();
        let (written, refused) = self.write(budget, commit, renewal).await?;
        let kept = match written {
            Written::Kept(kept) => kept,
            Written::Gone(there) => {
                // Boxed, because it is rare, and all commits would be as large.
                return Box::pin(self.overtaken(budget, commit, there, reason)).await;
            }
        };
        self.has_kept(Some(kept.clone()));
        let cookies = self.send_after(commit, &kept, renewal)?;
        // The old ticket is dead by now: the new one goes out with whatever response there is.
        let must_hold = matches!(reason, Some(Reason::Rights | Reason::Restart));
        let confirmed =
            if must_hold { self.anchor.confirm(budget, &kept.key).await } else { Ok(()) };
        match confirmed.err().or(refused) {
            Some(error) => {
                commit.send_regardless(cookies);
                Err(error)
            }
            None => Ok(cookies),
        }
    }

    /// Writes the changes; where they cannot be made any more, what has to hold all the same, and the error.
    async fn write(
        &self,
        budget: &Budget,
        commit: &mut Commit,
        renewal: Option<&Renewal>,
    ) -> Result<(Written, Option<Error>), Error> {
        match self.anchor.write(budget, commit, renewal, |_| {}).await {
            Ok(written) => Ok((written, None)),
            Err(Unwritten::Failed(error)) => Err(error),
            // Boxed, because it is rare, and all commits would be as large.
            Err(Unwritten::Refused(error)) => {
                Box::pin(self.write_without_changes(budget, commit, renewal, error)).await
            }
        }
    }

    async fn write_without_changes(
        &self,
        budget: &Budget,
        commit: &mut Commit,
        renewal: Option<&Renewal>,
        refused: Error,
    ) -> Result<(Written, Option<Error>), Error> {
        commit.drop_changes();
        commit.return_claims();
        if !commit.wishes().has_any() && commit.claims().is_empty() {
            return Err(refused);
        }
        match self.anchor.write(budget, commit, renewal, |_| {}).await {
            Ok(written) => Ok((written, Some(refused))),
            Err(Unwritten::Refused(_) | Unwritten::Failed(_)) => Err(refused),
        }
    }

    /// The session was ended or its rights changed while this request was under way.
    async fn overtaken(
        &self,
        budget: &Budget,
        commit: &mut Commit,
        there: Option<Arc<Located>>,
        reason: Option<Reason>,
    ) -> Sent {
        if reason == Some(Reason::Restart) && commit.is_invalidated() {
            // A logout holds whoever was faster. What was written after it begins a session only where none is.
            if there.is_some() {
                self.anchor.remove(budget).await?;
                self.gone(commit);
                return self.forget_cookie();
            }
            return self.create(budget, commit).await;
        }
        self.anchor.settle_left(budget, there, commit.claims()).await?;
        Ok(self.gone(commit))
    }

    /// Whether the request took longer than a session may live that begins with it.
    fn is_over_before_begun(&self, commit: &Commit, now: Timestamp) -> bool {
        let limits = commit.wishes().limits.flatten().unwrap_or(self.anchor.inner.settings.limits);
        limits.latest_end(commit.now()) <= now
    }

    /// The ticket that takes the place of the old one.
    fn renewal(&self, reason: Reason) -> Result<Option<Box<Renewal>>, Error> {
        let Some(ticket) = &self.ticket else { return Ok(None) };
        let settings = &self.anchor.inner.settings;
        let former = ticket.hash(&settings.namespace);
        let ticket = ticket.renewed(&*settings.random)?;
        let hash = ticket.hash(&settings.namespace);
        Ok(Some(Box::new(Renewal { ticket, hash, former, reason })))
    }

    /// The cookie that goes out after `kept` was written: the new ticket, or the one that there is where it was said how
    /// long the browser is to keep it.
    fn send_after(&self, commit: &Commit, kept: &Located, renewal: Option<&Renewal>) -> Sent {
        let renewed = renewal.map(|renewal| &renewal.ticket);
        let own = self.ticket.as_ref().filter(|_| commit.wishes().limits.is_some());
        let mut tickets = renewed.into_iter().chain(own);
        let namespace = &self.anchor.inner.settings.namespace;
        match tickets.find(|ticket| kept.body.ticket.is(&ticket.hash(namespace))) {
            Some(ticket) => self.send(ticket, &kept.body),
            None => Ok(SetCookies::none()),
        }
    }

    /// A persistent cookie is kept as long as the session can live at most. When it is unused for too long is judged by
    /// its record, so that a request that only looks has no cookie to send.
    fn send(&self, ticket: &Ticket, body: &Body) -> Sent {
        let (inner, text) = (&self.anchor.inner, ticket.to_text());
        let (cookie, limits) = (&inner.settings.cookie, inner.limits_of(body));
        if !limits.persistent {
            return Ok(SetCookies::one(cookie.set(text.as_str())?));
        }
        let left = limits.latest_end(body.created).since(self.anchor.now());
        if left.is_zero() {
            // It ended while it was kept. A cookie without a time to live would remove another session's.
            return Ok(SetCookies::none());
        }
        Ok(SetCookies::one(cookie.set_for(text.as_str(), left)?))
    }

    fn forget_cookie(&self) -> Sent {
        self.has_kept(None);
        Ok(SetCookies::one(self.anchor.inner.settings.cookie.remove()?))
    }

    fn gone(&self, commit: &Commit) -> SetCookies {
        self.has_kept(None);
        self.anchor.inner.tell(&Event::Gone);
        commit.report_gone();
        SetCookies::none()
    }

    /// Removes what cannot be read, if that is the visitor's to do. Otherwise it is left: whoever knows no more than where
    /// it is must not be able to end it.
    async fn abandon(&self, budget: &Budget) -> Result<(), Error> {
        let Some((key, _)) = &self.proved else { return Ok(()) };
        let inner = &self.anchor.inner;
        inner.call(budget, "kept", inner.store.remove(key)).await?;
        self.anchor.confirm(budget, key).await
    }

    /// What was there may have been removed by a logout that was not confirmed, and is tried again (S77).
    async fn confirm(&self, budget: &Budget) -> Result<(), Error> {
        match &self.missing {
            Some(key) => self.anchor.confirm(budget, key).await,
            None => Ok(()),
        }
    }
}

/// Whether the request leaves something to be written to a session that is there.
fn leaves(commit: &mut Commit) -> bool {
    let wishes = commit.wishes();
    let is_wished = wishes.limits.is_some() || wishes.csrf.is_some() || wishes.owner.is_some();
    is_wished || !commit.changes().is_empty() || !commit.claims().is_empty()
}

impl<S: Store> Anchor<S> {
    pub(super) async fn remove(&self, budget: &Budget) -> Result<(), Error> {
        if let Some(located) = self.located() {
            // Whether it was there does not matter: it is gone now.
            self.inner.call(budget, "kept", self.inner.store.remove(&located.key)).await?;
            self.confirm(budget, &located.key).await?;
        }
        self.set_located(None);
        Ok(())
    }

    /// Removes the session if its rights are those that it was opened with. A store removes whatever is there, so the record
    /// is first replaced by one that has ended: nobody signs in behind that.
    pub(super) async fn remove_own(&self, budget: &Budget) -> Result<(), Error> {
        let Some(mut seen) = self.located() else { return Ok(()) };
        let inner = &self.inner;
        for attempt in 0.. {
            let ended = seen.ended();
            let asked = inner.store.replace(&seen.key, seen.version, &ended);
            let Replaced::Conflict(stored) = inner.call(budget, "kept", asked).await? else {
                break;
            };
            if stored.record == ended {
                break; // by an earlier attempt
            }
            let other = Located::read("kept", seen.key, stored, self.now())?;
            if other.rights() != seen.rights() {
                return Ok(());
            }
            seen = other;
            if !budget.pause(attempt).await {
                return Err(Error::Busy { attempts: attempt as usize + 1 });
            }
        }
        self.remove(budget).await
    }

    async fn confirm(&self, budget: &Budget, key: &StoreKey) -> Result<(), Error> {
        self.inner.confirm(budget, "kept", key).await
    }

    /// Creates a record. After a call that failed, looks whether it took effect: a session whose ticket nobody gets must
    /// not stay.
    async fn create(
        &self,
        budget: &Budget,
        key: &StoreKey,
        record: &Record,
    ) -> Result<Created, Error> {
        let inner = &self.inner;
        match inner.call(budget.most(), "kept", inner.store.create(key, record)).await {
            Ok(created) => Ok(created),
            Err(error) => match inner.call(budget, "kept", inner.store.load(key)).await {
                Ok(Some(stored)) if stored.record == *record => Ok(Created::Done(stored.version)),
                Ok(_) | Err(_) => Err(error),
            },
        }
    }

    /// Settles the claims of a request that came too late for everything else.
    pub(super) async fn settle_left(
        &self,
        budget: &Budget,
        there: Option<Arc<Located>>,
        claims: &Claims,
    ) -> Result<(), Error> {
        if let (Some(there), false) = (there, claims.is_empty()) {
            self.settle(budget, there, &claims.shown, &claims.returned).await?;
        }
        Ok(())
    }
}
