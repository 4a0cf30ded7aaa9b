//! A record as it was read, with its place and its version.

use std::sync::Arc;
use std::time::Duration;

use super::body::{Body, Former};
use crate::csrf::CsrfSecrets;
use crate::factory::Refused;
use crate::session::{ClaimId, Limits};
use crate::store::{Record, StoreError, StoreErrorKind, StoreKey, Stored, Version};
use crate::ticket::TicketHash;
use crate::{Error, Timestamp};

/// How long after a renewal a request with a ticket from before counts as one that was sent before it: it comes from a
/// browser that has the new ticket or is about to get it. Longer than requests are under way; short, because a browser
/// that never got the new ticket is without a session for so long.
pub(super) const LATE: Duration = Duration::from_secs(30);

/// A record as it was seen last.
#[derive(Clone)]
pub(super) struct Located {
    pub(super) key: StoreKey,
    pub(super) version: Version,
    pub(super) expires_at: Timestamp,
    pub(super) owner: Option<Arc<str>>,
    pub(super) body: Body,
}

/// What a ticket is to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It opens it.
    Admitted,
    /// It opened it until a moment ago.
    Late,
    Refused(Refused),
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

    /// How long the session lives from now if nobody comes back, if it ends at all.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        (self.expires_at < Timestamp::MAX).then(|| self.expires_at.since(now))
    }

    /// What requests and handles of one session have in common: its record, and the epoch of their rights.
    pub(super) const fn rights(&self) -> (StoreKey, u32) {
        (self.key, self.body.epoch)
    }

    /// What stands in its place while it is being removed: nobody's, empty, and over since it began, so that no clock
    /// takes it for a session.
    pub(super) fn ended(&self) -> Record {
        let mut body = self.body.clone();
        (body.entries, body.claims) = Default::default();
        Record::new(body.encode(), body.created, None)
    }

    pub(super) fn record(&self) -> Record {
        Record::new(self.body.encode(), self.expires_at, self.owner.clone())
    }
}

/// What CSRF tokens are made from at this time, if there is a session.
pub(super) fn csrf_secrets(located: Option<Arc<Located>>, now: Timestamp) -> CsrfSecrets {
    let Some(Located { body, .. }) = located.as_deref() else { return CsrfSecrets::default() };
    let former = body.former_csrf.filter(|former| now < former.until);
    CsrfSecrets { current: Some(body.csrf_secret()), former: former.map(|former| former.secret) }
}

impl Body {
    /// What the ticket of this hash is to the session now.
    pub(super) fn admit(&self, ticket: &TicketHash, now: Timestamp) -> Admission {
        if self.ticket.is(ticket) {
            return Admission::Admitted;
        }
        let former = self.former.as_ref().filter(|former| former.ticket.is(ticket));
        match former {
            Some(Former { until, .. }) if now < *until => Admission::Admitted,
            None if !self.retired.contains(ticket) => Admission::Refused(Refused::Forged),
            // A slow clock counts as soon after; where no time passed between them it may be one of a request just before.
            Some(_) | None if now.since(self.renewed) < LATE => Admission::Late,
            Some(_) | None => Admission::Refused(Refused::Reused),
        }
    }

    /// Forgets claims that were shown and gives back others; says whether there was any of them.
    pub(super) fn settle(&mut self, shown: &[ClaimId], returned: &[ClaimId]) -> bool {
        let has = |id: &ClaimId| self.claims.list().iter().any(|claim| claim.id == *id);
        let concerns = shown.iter().chain(returned).any(has);
        shown.iter().for_each(|id| self.claims.settle(*id));
        for id in returned.iter().rev() {
            self.claims.give_back(&mut self.entries, *id);
        }
        concerns
    }
}
