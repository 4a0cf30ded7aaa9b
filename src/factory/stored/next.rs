//! What is to stand in place of a record: the changes replayed on what is there, and what was wished for the session as
//! a whole. Arithmetic on records, without a store.

use std::sync::Arc;
use std::time::Duration;

use super::anchor::Unwritten;
use super::body::{Body, Former, FormerCsrf, Retired};
use super::claims::Claims;
use super::located::{LATE, Located};
use super::{Event, Inner, Overwrite};
use crate::random::distinct;
use crate::session::{Commit, Wishes};
use crate::store::{Store, StoreKey, Version};
use crate::ticket::{Ticket, TicketHash};
use crate::{Entries, Error, Timestamp};

/// A ticket that takes the place of the one before.
pub(super) struct Renewal {
    pub(super) ticket: Ticket,
    pub(super) hash: TicketHash,
    /// The hash of the one before.
    pub(super) former: TicketHash,
    pub(super) reason: Reason,
}

/// Why there is a new ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// The old one is old enough. It may be good for a moment longer, and another request may be faster to exchange it.
    Age,
    /// The browser is to be told how long to keep its ticket, and another request has exchanged the one of this one.
    Lifetime,
    /// The visitor's rights changed: the old one is dead at once.
    Rights,
    /// Another session begins in the place of the old one.
    Restart,
}

impl Renewal {
    /// The epoch that begins with this ticket. Not counted: a replica that takes over may not have had the last renewal,
    /// and another one in its place would get the same number.
    fn epoch(&self) -> u32 {
        let [one, two, three, four, ..] = *self.hash.as_bytes();
        u32::from_be_bytes([one, two, three, four])
    }
}

/// What is to stand in place of `seen`, and which keys of it are overwritten unseen.
pub(super) fn next<S: Store>(
    inner: &Inner<S>,
    seen: &Arc<Located>,
    commit: &mut Commit,
    renewal: Option<&Renewal>,
    now: Timestamp,
) -> Result<(Arc<Located>, Vec<String>), Unwritten> {
    if let Some(renewal @ Renewal { reason: Reason::Restart, .. }) = renewal {
        return Ok((restarted(inner, seen, commit, renewal, now), Vec::new()));
    }
    let overwritten = overwritten(inner, seen, commit).map_err(Unwritten::Refused)?;
    let mut next = seen.clone();
    let Located { body, owner, expires_at, .. } = Arc::make_mut(&mut next);
    // First of all: what waits again was there before what this request did.
    body.settle(&commit.claims().shown, &commit.claims().returned);
    body.entries = replayed(&seen.body, &body.entries, commit).map_err(Unwritten::Refused)?;
    fits(inner, &seen.body, body, commit).map_err(Unwritten::Refused)?;
    body.mark = distinct();
    let wishes = commit.wishes();
    body.limits = wishes.limits.unwrap_or(body.limits);
    if let Some(other) = &wishes.owner {
        owner.clone_from(other);
        body.left.clone_from(&wishes.left);
    }
    let secret = body.csrf_secret();
    match renewal {
        Some(renewal) if body.is_renewed(renewal, wishes) => {
            body.renew(renewal, now, inner.settings.grace);
        }
        Some(_) => {}
        // An owner that was lost without a new ticket: requests from before have its rights no more.
        None if wishes.owner.is_some() => body.epoch = body.epoch.wrapping_add(1),
        None => {}
    }
    if let Some(made) = wishes.csrf {
        let until = now.saturating_add(inner.settings.csrf_grace);
        let former = FormerCsrf { secret, until };
        body.former_csrf = (!made.old_dies && until > now).then_some(former);
        body.csrf = Some(made.secret);
    }
    let limits = inner.limits_of(body);
    if wishes.limits.is_some() {
        // They were not over when they were set.
        limits.check_age(body.created, now).map_err(|over| Unwritten::Refused(over.into()))?;
    }
    *expires_at = limits.end(body.created, now);
    Ok((next, overwritten))
}

/// The changes on `base`, which is what `seen` holds with the messages that wait again.
fn replayed(seen: &Body, base: &Entries, commit: &mut Commit) -> Result<Entries, Error> {
    if !seen.entries.same_bytes(commit.opened()) {
        return commit.changes().replay(base);
    }
    // Nobody else wrote, so closures do not run again: none works on a queue.
    let mut entries = commit.entries().clone();
    if seen.claims.is_empty() {
        return Ok(entries);
    }
    for queue in seen.claims.queues(&commit.claims().returned.clone()) {
        commit.changes().put_replayed(queue, base, &mut entries);
    }
    Ok(entries)
}

/// Whether the record stays within its bounds. Messages that are claimed, by whomever, have their place in it. What the
/// session itself has checked, without knowing of others, is not checked again.
fn fits<S>(inner: &Inner<S>, seen: &Body, next: &Body, commit: &Commit) -> Result<(), Error> {
    if seen.claims.is_empty() && seen.entries.same_bytes(commit.opened()) {
        return Ok(());
    }
    let whole = |body: &Body| body.claims.with_all(&body.entries);
    inner.settings.bounds.check(&whole(seen), &whole(next), None)
}

/// The keys that this request read and then wrote, and that somebody else changed in between.
fn overwritten<S: Store>(
    inner: &Inner<S>,
    seen: &Located,
    commit: &mut Commit,
) -> Result<Vec<String>, Error> {
    if !commit.changes().watches() || seen.body.entries.same_bytes(commit.opened()) {
        return Ok(Vec::new());
    }
    let opened = commit.opened().clone();
    let mut overwritten = Vec::new();
    for watched in commit.changes().overtaken(&opened, &seen.body.entries) {
        if watched.is_strict || inner.settings.overwrite == Overwrite::Refuse {
            inner.tell(&Event::OverwriteRefused(&watched.key));
            return Err(Error::Overwrites { key: watched.key });
        }
        overwritten.push(watched.key);
    }
    Ok(overwritten)
}

/// Another session in the place of `seen`. Nothing of that one stays but what recognises its tickets.
fn restarted<S>(
    inner: &Inner<S>,
    seen: &Located,
    commit: &Commit,
    renewal: &Renewal,
    now: Timestamp,
) -> Arc<Located> {
    let former = &seen.body;
    let mut body = new_body(&former.ticket, commit);
    (body.former, body.retired) = (former.former, former.retired.clone());
    let csrf = body.csrf;
    body.renew(renewal, now, inner.settings.grace);
    body.csrf = csrf;
    Arc::new(Located {
        key: seen.key,
        version: seen.version,
        expires_at: inner.limits_of(&body).end(body.created, now),
        owner: commit.wishes().owner.clone().flatten(),
        body,
    })
}

/// A session that begins with this request, as it is to be kept.
pub(super) fn begun<S>(
    inner: &Inner<S>,
    ticket: &Ticket,
    commit: &Commit,
    now: Timestamp,
) -> Arc<Located> {
    let limits = commit.wishes().limits.flatten().unwrap_or(inner.settings.limits);
    Arc::new(Located {
        key: StoreKey::from_bytes(ticket.locator()),
        version: Version::FIRST,
        expires_at: limits.end(commit.now(), now),
        owner: commit.wishes().owner.clone().flatten(),
        body: new_body(&ticket.hash(&inner.settings.namespace), commit),
    })
}

fn new_body(ticket: &TicketHash, commit: &Commit) -> Body {
    let wishes = commit.wishes();
    Body {
        created: commit.now(),
        renewed: commit.now(),
        epoch: 0,
        mark: distinct(),
        ticket: *ticket,
        former: None,
        retired: Retired::default(),
        csrf: wishes.csrf.map(|made| made.secret),
        former_csrf: None,
        limits: wishes.limits.flatten(),
        left: wishes.left.clone(),
        claims: Claims::default(),
        entries: commit.entries().clone(),
    }
}

impl Body {
    /// Whether there is a reason still: another request may have renewed the ticket meanwhile.
    fn is_renewed(&self, renewal: &Renewal, wishes: &Wishes) -> bool {
        match renewal.reason {
            // What is to be told goes with a ticket, and nobody knows the one that the other request made.
            Reason::Age => wishes.limits.is_some() || self.ticket.is(&renewal.former),
            Reason::Lifetime => !self.ticket.is(&renewal.former),
            Reason::Rights | Reason::Restart => true,
        }
    }

    fn renew(&mut self, renewal: &Renewal, now: Timestamp, grace: Duration) {
        let until = match renewal.reason {
            Reason::Age | Reason::Lifetime => {
                // No rights changed, so that the forms of open tabs stay good.
                self.csrf = Some(self.csrf_secret());
                now.saturating_add(grace)
            }
            Reason::Rights | Reason::Restart => {
                self.epoch = renewal.epoch();
                self.csrf = None; // a new ticket makes new tokens (S51)
                // Not `now`: another request may have asked the clock before, or has the clock of another machine (S19).
                Timestamp::from_micros(i64::MIN)
            }
        };
        if let Some(former) = self.former.replace(Former { ticket: self.ticket, until }) {
            self.retired.push(&former.ticket, now.since(self.renewed) < LATE);
        }
        self.ticket = renewal.hash;
        self.renewed = now;
    }
}
