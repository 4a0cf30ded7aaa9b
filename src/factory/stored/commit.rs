//! The commit of a stored session: one function for each [`Plan`], and the loop that replays changes until they hold.

use std::sync::Arc;

use super::body::{Body, Former, FormerCsrf};
use super::claims::Claims;
use super::plan::{Plan, Wish, plan, wish};
use super::visit::{ATTEMPTS, Located, Offer, Visit};
use super::{Event, Inner, Overwrite};
use crate::cookie::SetCookies;
use crate::factory::Commit;
use crate::session::Limits;
use crate::store::{Created, Record, Store, StoreKey, Touched};
use crate::ticket::Ticket;
use crate::{Error, Timestamp};

/// How often a renewal is tried before it is given up: it has to take effect, whoever else writes (S27).
const RENEWAL_ATTEMPTS: usize = 100 * ATTEMPTS;
/// How often a new place is looked for. One try in 2^128 needs a second.
const CREATE_ATTEMPTS: usize = 3;

/// A ticket that takes the place of the one before.
struct Renewal {
    ticket: Ticket,
    /// Whether the visitor's rights changed, so that the old one is dead at once.
    is_of_rights: bool,
}

impl<S: Store> Visit<S> {
    pub(super) async fn commit(&self, mut commit: Commit) -> Result<SetCookies, Error> {
        if commit.has_failed() && !self.inner.settings.keep_on_error {
            commit.drop_changes();
        }
        let wish = wish(&mut commit);
        if let (Some(key), Wish::Invalidate | Wish::Restart) = (&self.missing, wish) {
            // It may have been removed by a logout that was not confirmed, and is tried again (S77).
            self.inner.call("kept", self.inner.store.await_replication(key)).await?;
        }
        match plan(commit.origin(), wish) {
            Plan::Leave => Ok(SetCookies::none()),
            Plan::Touch => self.touch(&mut commit).await,
            Plan::Create => self.create(&mut commit).await,
            Plan::Replace => self.replace(&mut commit).await,
            Plan::Remove => {
                self.remove().await?;
                self.forget_cookie()
            }
            Plan::Reopen => {
                self.remove().await?;
                self.create(&mut commit).await
            }
            Plan::ForgetCookie => self.forget_cookie(),
        }
    }

    /// Keeps what a handle changed: data, or the session's end.
    pub(super) async fn keep_data(&self, mut commit: Commit) -> Result<(), Error> {
        match wish(&mut commit) {
            Wish::Nothing | Wish::Use => Ok(()),
            Wish::Change | Wish::Renew => {
                if !self.write(&mut commit, None).await? {
                    self.gone(&commit);
                    self.set_located(None);
                }
                Ok(())
            }
            Wish::Invalidate | Wish::Restart => self.remove().await,
        }
    }

    /// Begins the idle time anew, if enough of it has passed to be worth a call.
    async fn touch(&self, commit: &mut Commit) -> Result<SetCookies, Error> {
        let Some(located) = self.located() else { return Ok(self.gone(commit)) };
        let now = self.now();
        if commit.has_response() && self.inner.is_renewal_due(&located.body, now) {
            return self.replace(commit).await;
        }
        let Some(end) = self.inner.new_end(&located, now) else { return Ok(SetCookies::none()) };
        let asked = self.inner.store.touch(&located.key, located.version, end);
        match self.inner.call("kept", asked).await? {
            Touched::Done => {}
            // Whoever was faster has computed the end anew.
            Touched::Changed => return Ok(SetCookies::none()),
            Touched::Gone => return Ok(self.gone(commit)),
        }
        let limits = self.inner.limits_of(&located.body);
        match &self.ticket {
            Some(ticket) if limits.persistent => self.send(ticket, &limits, end, now),
            _ => Ok(SetCookies::none()),
        }
    }

    async fn create(&self, commit: &mut Commit) -> Result<SetCookies, Error> {
        if !commit.has_response() {
            // Nobody would ever hold the ticket.
            return Ok(SetCookies::none());
        }
        for _ in 0..CREATE_ATTEMPTS {
            let ticket = Ticket::generate(&*self.inner.settings.random)?;
            let body = self.new_body(&ticket, commit);
            let (limits, now) = (self.inner.limits_of(&body), body.created);
            let (key, end) = (StoreKey::from_bytes(ticket.locator()), limits.end(now, now));
            let owner = commit.wishes().owner.clone().flatten();
            let record = Record::new(body.encode(), end, owner.clone());
            let asked = self.inner.store.create(&key, &record);
            if let Created::Done(version) = self.inner.call("kept", asked).await? {
                let located = Located { key, version, expires_at: end, owner, body };
                self.set_located(Some(Arc::new(located)));
                return self.send(&ticket, &limits, end, now);
            }
        }
        Err(Error::keeping("every new ticket was taken: is the randomness random?"))
    }

    async fn replace(&self, commit: &mut Commit) -> Result<SetCookies, Error> {
        let Some(seen) = self.located() else { return Ok(self.gone(commit)) };
        let renewal = self.renewal(&seen, commit)?;
        if !self.write(commit, renewal.as_ref()).await? {
            return Ok(self.gone(commit));
        }
        let Some(kept) = self.located() else { return Ok(SetCookies::none()) };
        let (limits, now) = (self.inner.limits_of(&kept.body), self.now());
        let renewed = renewal.filter(|renewal| kept.body.ticket.is(&renewal.ticket.hash()));
        if let Some(Renewal { ticket, .. }) = renewed {
            return self.send(&ticket, &limits, kept.expires_at, now);
        }
        let is_moved = limits.persistent
            && self.inner.is_worth_moving(&limits, seen.expires_at, kept.expires_at);
        if !is_moved && commit.wishes().limits.is_none() {
            return Ok(SetCookies::none());
        }
        match &self.ticket {
            Some(ticket) if kept.body.ticket.is(&ticket.hash()) => {
                self.send(ticket, &limits, kept.expires_at, now)
            }
            _ => Ok(SetCookies::none()),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        if let Some(located) = self.located() {
            // Whether it was there does not matter: it is gone now.
            self.inner.call("kept", self.inner.store.remove(&located.key)).await?;
            self.inner.call("kept", self.inner.store.await_replication(&located.key)).await?;
        }
        self.set_located(None);
        Ok(())
    }

    /// Replays the changes on what is stored until they hold. `false` if the session was ended meanwhile.
    ///
    /// A renewal takes effect even if the changes cannot be kept; their error is given then.
    async fn write(&self, commit: &mut Commit, renewal: Option<&Renewal>) -> Result<bool, Error> {
        let Some(mut seen) = self.located() else { return Ok(false) };
        let must_hold = renewal.is_some_and(|renewal| renewal.is_of_rights);
        let limit = if must_hold { RENEWAL_ATTEMPTS } else { ATTEMPTS };
        let contended = self.inner.is_contended(&seen.key);
        let mut turn = if contended { Some(self.inner.queue(&seen.key).await) } else { None };
        let mut refused = None;
        for _ in 0..limit {
            let (next, overwritten) = match self.next(&seen, commit, renewal) {
                Ok(next) => next,
                Err(error) if refused.is_none() => {
                    commit.drop_changes();
                    commit.return_claims();
                    refused = Some(error);
                    if !must_hold && commit.claims().is_empty() {
                        break;
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            match self.offer(&seen, next).await? {
                Some(Offer::Taken) => {
                    if must_hold {
                        self.inner
                            .call("kept", self.inner.store.await_replication(&seen.key))
                            .await?;
                    }
                    overwritten.iter().for_each(|key| self.inner.tell(&Event::Overwritten(key)));
                    return refused.map_or(Ok(true), Err);
                }
                Some(Offer::Conflict(now)) => seen = now,
                None => return Ok(false),
            }
            if turn.is_none() {
                turn = Some(self.inner.queue(&seen.key).await);
            }
        }
        Err(refused.unwrap_or(Error::Busy { attempts: limit }))
    }

    /// What is to stand in place of `seen`, and which keys of it are overwritten unseen.
    fn next(
        &self,
        seen: &Arc<Located>,
        commit: &mut Commit,
        renewal: Option<&Renewal>,
    ) -> Result<(Arc<Located>, Vec<String>), Error> {
        let overwritten = self.overwritten(seen, commit)?;
        let mut next = seen.clone();
        let Located { body, owner, expires_at, .. } = Arc::make_mut(&mut next);
        body.entries = if body.entries.same_bytes(commit.opened()) {
            commit.entries().clone()
        } else {
            commit.changes().replay(&body.entries)?
        };
        let wishes = commit.wishes();
        body.limits = wishes.limits.unwrap_or(body.limits);
        if let Some(other) = &wishes.owner {
            owner.clone_from(other);
        }
        commit.claims().shown.iter().for_each(|id| body.claims.settle(*id));
        for id in commit.claims().returned.iter().rev() {
            body.claims.give_back(&mut body.entries, *id);
        }
        let (now, secret) = (self.now(), body.csrf_secret());
        if let Some(renewal) = renewal {
            self.renew(body, renewal, now);
        }
        if let Some(made) = wishes.csrf {
            let until = now.saturating_add(self.inner.settings.csrf_grace);
            let former = FormerCsrf { secret, until };
            body.former_csrf = (!made.old_dies && until > now).then_some(former);
            body.csrf = Some(made.secret);
        }
        *expires_at = self.inner.limits_of(body).end(body.created, now);
        Ok((next, overwritten))
    }

    /// The keys that this request read and then set, and that somebody else changed in between.
    fn overwritten(&self, seen: &Located, commit: &mut Commit) -> Result<Vec<String>, Error> {
        if commit.changes().watched().is_empty() || seen.body.entries.same_bytes(commit.opened()) {
            return Ok(Vec::new());
        }
        let (opened, mut overwritten) = (commit.opened().clone(), Vec::new());
        for watched in commit.changes().watched() {
            let (then, now) = (opened.get(&watched.key), seen.body.entries.get(&watched.key));
            if then.as_ref().map(|value| value.as_bytes())
                == now.as_ref().map(|value| value.as_bytes())
            {
                continue;
            }
            if watched.is_strict || self.inner.settings.overwrite == Overwrite::Refuse {
                self.inner.tell(&Event::OverwriteRefused(&watched.key));
                return Err(Error::Overwrites { key: watched.key.clone() });
            }
            overwritten.push(watched.key.clone());
        }
        Ok(overwritten)
    }

    /// The ticket that takes the place of the old one, if one has to.
    fn renewal(&self, seen: &Located, commit: &Commit) -> Result<Option<Renewal>, Error> {
        let is_of_rights = commit.wishes().renew;
        let Some(ticket) = &self.ticket else { return Ok(None) };
        let is_due = || commit.has_response() && self.inner.is_renewal_due(&seen.body, self.now());
        if !is_of_rights && !is_due() {
            return Ok(None);
        }
        let ticket = ticket.renewed(&*self.inner.settings.random)?;
        Ok(Some(Renewal { ticket, is_of_rights }))
    }

    fn renew(&self, body: &mut Body, renewal: &Renewal, now: Timestamp) {
        let is_current = self.ticket.as_ref().is_some_and(|ticket| body.ticket.is(&ticket.hash()));
        if !renewal.is_of_rights && !is_current {
            return; // another request has renewed it meanwhile
        }
        let until = if renewal.is_of_rights {
            body.epoch = body.epoch.wrapping_add(1);
            body.csrf = None; // a new ticket makes new tokens (S51)
            // Not `now`: another request may have asked the clock before, or has the clock of another machine (S19).
            Timestamp::from_micros(i64::MIN)
        } else {
            // No rights changed, so that the forms of open tabs stay good.
            body.csrf = Some(body.csrf_secret());
            now.saturating_add(self.inner.settings.grace)
        };
        body.former = Some(Former { ticket: body.ticket, until });
        body.ticket = renewal.ticket.hash();
        body.renewed = now;
    }

    fn gone(&self, commit: &Commit) -> SetCookies {
        self.inner.tell(&Event::Gone);
        commit.report_gone();
        SetCookies::none()
    }

    fn send(
        &self,
        ticket: &Ticket,
        limits: &Limits,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<SetCookies, Error> {
        let (cookie, text) = (&self.inner.settings.cookie, ticket.to_text());
        Ok(SetCookies::one(if limits.persistent {
            cookie.set_for(&text, end.since(now))?
        } else {
            cookie.set(&text)?
        }))
    }

    fn forget_cookie(&self) -> Result<SetCookies, Error> {
        Ok(SetCookies::one(self.inner.settings.cookie.remove()?))
    }

    /// A session that begins now.
    fn new_body(&self, ticket: &Ticket, commit: &Commit) -> Body {
        let (now, wishes) = (self.now(), commit.wishes());
        Body {
            created: now,
            renewed: now,
            epoch: 0,
            ticket: ticket.hash(),
            former: None,
            csrf: wishes.csrf.map(|made| made.secret),
            former_csrf: None,
            limits: wishes.limits.flatten(),
            claims: Claims::default(),
            entries: commit.entries().clone(),
        }
    }

    fn now(&self) -> Timestamp {
        self.inner.settings.clock.now()
    }
}

/// What the passing of time asks for.
impl<S> Inner<S> {
    pub(super) fn limits_of(&self, body: &Body) -> Limits {
        body.limits.unwrap_or(self.settings.limits)
    }

    /// Whether the ticket is old enough for another (S30).
    pub(super) fn is_renewal_due(&self, body: &Body, now: Timestamp) -> bool {
        self.settings.renew_every.is_some_and(|span| now.since(body.renewed) >= span)
    }

    /// When a session ends that is used `now`, if that is worth being kept.
    pub(super) fn new_end(&self, seen: &Located, now: Timestamp) -> Option<Timestamp> {
        let limits = self.limits_of(&seen.body);
        let end = limits.end(seen.body.created, now);
        self.is_worth_moving(&limits, seen.expires_at, end).then_some(end)
    }

    /// Whether a new end is so far from the old one that it is worth being kept.
    fn is_worth_moving(&self, limits: &Limits, old: Timestamp, new: Timestamp) -> bool {
        let Some(idle) = limits.idle else { return old != new };
        let threshold = self.settings.touch_after.unwrap_or(idle / 10);
        new.since(old).max(old.since(new)) > threshold
    }
}
