//! Flash messages that a request or a handle has taken and not settled yet: as long as it lives, nobody else gets them.
//!
//! A task prolongs the lease of their claims. It holds its lessee only while it does so, and is over with the last claim.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::anchor::{Anchor, pause};
use super::located::Located;
use crate::session::ClaimId;
use crate::store::{Replaced, Store};
use crate::{Error, Timestamp};

const LONG_AGO: Timestamp = Timestamp::from_micros(i64::MIN);

/// Who takes flash messages.
pub(super) trait Lessee<S>: Send + Sync + 'static {
    fn lease(&self) -> &Lease;
    fn anchor(&self) -> &Anchor<S>;
}

/// The claims of a lessee that are not settled yet.
#[derive(Default)]
pub(super) struct Lease(Mutex<Held>);

#[derive(Default)]
struct Held {
    claims: Vec<ClaimId>,
    /// Whether a task prolongs them.
    is_prolonged: bool,
}

impl Lease {
    /// From now on this claim is prolonged.
    pub(super) fn hold<S: Store>(lessee: &Arc<impl Lessee<S>>, id: ClaimId) {
        let settings = &lessee.anchor().inner.settings;
        let mut held = lessee.lease().held();
        held.claims.push(id);
        if held.is_prolonged {
            return;
        }
        // Without a limit on calls no timer is used, so that none has to be there.
        let runtime = settings.io_timeout.and_then(|_| Handle::try_current().ok());
        if let Some(runtime) = runtime {
            held.is_prolonged = true;
            runtime.spawn(prolong(Arc::downgrade(lessee), settings.flash_lease / 2));
        }
    }

    /// These are settled.
    pub(super) fn forget(&self, ids: &[ClaimId]) {
        self.held().claims.retain(|id| !ids.contains(id));
    }

    /// All are.
    pub(super) fn end(&self) {
        self.held().claims.clear();
    }

    /// What is to be prolonged. Where it is nothing, whoever asks does so no more.
    fn claims(&self) -> Vec<ClaimId> {
        let mut held = self.held();
        held.is_prolonged = !held.claims.is_empty();
        held.claims.clone()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prolongs a lessee's claims until it has settled them or is no more.
async fn prolong<S: Store>(lessee: Weak<impl Lessee<S>>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(lessee) = lessee.upgrade() else { return };
        let claims = lessee.lease().claims();
        if claims.is_empty() {
            return;
        }
        if let Err(error) = lessee.anchor().prolong(&claims).await {
            tracing::warn!(%error, "the lease of flash messages could not be prolonged");
        }
    }
}

impl<S: Store> Anchor<S> {
    /// Has claims wait for another lease, whatever the session's rights are by now: a message is whoever's who took it.
    ///
    /// That is no use of the session, which may not live on for it (S22). So its end is read before, because looks move it
    /// and leave the version as it is; one in between is made again by the next look.
    async fn prolong(&self, claims: &[ClaimId]) -> Result<(), Error> {
        let Some(seen) = self.located() else { return Ok(()) };
        let (inner, budget) = (&self.inner, self.inner.budget());
        for attempt in 0.. {
            let asked = inner.store.load(&seen.key);
            let Some(stored) = inner.call(&budget, "kept", asked).await? else { break };
            let now = self.now();
            // Read as of long ago: what has lapsed and was not taken by others is not given back, but prolonged.
            let mut there = Located::read("kept", seen.key, stored, LONG_AGO)?;
            let until = now.saturating_add(inner.settings.flash_lease);
            let next = Arc::make_mut(&mut there);
            // What has ended stays so: nobody reads its messages any more.
            if next.has_ended(&inner.settings.limits, now)
                || !next.body.claims.extend(claims, until)
            {
                break;
            }
            let record = next.record();
            let asked = inner.store.replace(&seen.key, next.version, &record);
            match inner.call(&budget, "kept", asked).await? {
                Replaced::Done(_) | Replaced::Gone => break,
                Replaced::Conflict(_) => pause(&budget, attempt).await?,
            }
        }
        Ok(())
    }
}
