//! The sessions of one owner: for a page "your devices", and for signing out elsewhere.

use std::sync::Arc;

use super::located::Located;
use super::{Inner, StoredFactory};
use crate::store::{Cursor, Index, Listed, Scan, Store, StoreKey, Sweep};
use crate::ticket::Ticket;
use crate::{Entries, Error, Session, Timestamp};

/// One live session of an owner. What it says of a device is what the application put into it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnedSession {
    /// What names it: as [`Session::id`] says it. No secret.
    pub id: String,
    /// Whose it is.
    pub owner: Option<Arc<str>>,
    /// When it began.
    pub created: Timestamp,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
    /// What it holds.
    pub entries: Entries,
}

/// What an owner may see and end. For stores that can find sessions by their owner.
///
/// ```
/// # use cloakroom::{Error, Session, StoredFactory, store::MemoryStore};
/// async fn sign_out_elsewhere(
///     sessions: &StoredFactory<MemoryStore>,
///     session: &Session,
/// ) -> Result<usize, Error> {
///     sessions.revoke_others(session).await
/// }
/// ```
impl<S: Index> StoredFactory<S> {
    /// The live sessions of this owner, the newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sessions_of(&self, owner: &str) -> Result<Vec<OwnedSession>, Error> {
        let now = self.inner.settings.clock.now();
        let listed =
            self.inner.call(&self.inner.budget(), "listed", self.inner.store.list(owner)).await?;
        let mut sessions = self.inner.live(listed, now)?;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created));
        Ok(sessions)
    }

    /// Ends the session of this [`id`](OwnedSession::id) if it is this owner's, and says whether it was.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke(&self, owner: &str, id: &str) -> Result<bool, Error> {
        let Some(key) = StoreKey::parse(id) else { return Ok(false) };
        self.inner
            .call(&self.inner.budget(), "revoked", self.inner.store.remove_of(owner, &key))
            .await
    }

    /// Ends all sessions of this owner, and says how many there were. No request that starts afterwards is his by an
    /// old ticket (S29).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_all(&self, owner: &str) -> Result<usize, Error> {
        self.inner.revoke_all_but(owner, None).await
    }

    /// Ends all sessions of this session's owner but this one, and says how many there were. Nobody's session has no
    /// others.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_others(&self, session: &Session) -> Result<usize, Error> {
        let (owner, id) = (session.owner(), session.id());
        match (owner, id.as_deref().and_then(StoreKey::parse)) {
            (Some(owner), Some(key)) => self.inner.revoke_all_but(&owner, Some(&key)).await,
            _ => Ok(0),
        }
    }
}

/// For care from outside of requests.
impl<S: Store> StoredFactory<S> {
    /// The live session of this [`id`](OwnedSession::id), whoever's it is.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn session_of_id(&self, id: &str) -> Result<Option<OwnedSession>, Error> {
        let Some(key) = StoreKey::parse(id) else { return Ok(None) };
        let now = self.inner.settings.clock.now();
        let stored =
            self.inner.call(&self.inner.budget(), "listed", self.inner.store.load(&key)).await?;
        let listed = stored.map(|stored| Listed { key, stored });
        Ok(self.inner.live(listed.into_iter().collect(), now)?.pop())
    }

    /// Ends the session of this [`id`](OwnedSession::id), whoever's it is, and says whether there was one.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_of_id(&self, id: &str) -> Result<bool, Error> {
        let Some(key) = StoreKey::parse(id) else { return Ok(false) };
        self.inner.revoke_one(&key).await
    }

    /// The [`id`](OwnedSession::id) that a cookie's value names, if it has the form of a ticket. It proves nothing.
    #[must_use]
    pub fn id_in_cookie(value: &str) -> Option<String> {
        let ticket = Ticket::parse(value.as_bytes())?;
        Some(StoreKey::from_bytes(ticket.locator()).to_string())
    }
}

/// For stores whose records can be gone through.
impl<S: Scan> StoredFactory<S> {
    /// Live sessions, whoever's they are: about as many as `limit` allows from this place on, and where to go on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sessions_after(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<(Vec<OwnedSession>, Option<Cursor>), Error> {
        let now = self.inner.settings.clock.now();
        let page = self
            .inner
            .call(&self.inner.budget(), "listed", self.inner.store.scan(after, limit))
            .await?;
        Ok((self.inner.live(page.records, now)?, page.next))
    }

    /// Ends sessions, whoever's they are, and with them records that have expired or cannot be read: about as many as
    /// `limit` allows from this place on. Says how many there were, and where to go on. Round trips: one, and up to
    /// two for each.
    ///
    /// What begins meanwhile may stay.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke_after(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<(usize, Option<Cursor>), Error> {
        let page = self
            .inner
            .call(&self.inner.budget(), "revoked", self.inner.store.scan(after, limit))
            .await?;
        let mut revoked = 0;
        for listed in page.records {
            revoked += usize::from(self.inner.revoke_one(&listed.key).await?);
        }
        Ok((revoked, page.next))
    }
}

/// For stores that keep expired sessions until they are swept.
impl<S: Sweep> StoredFactory<S> {
    /// Removes expired sessions, at most `limit` of them, and says how many. Fewer than `limit` means that none are
    /// left.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sweep(&self, limit: usize) -> Result<usize, Error> {
        let now = self.inner.settings.clock.now();
        self.inner.call(&self.inner.budget(), "swept", self.inner.store.sweep(now, limit)).await
    }
}

impl<S: Store> Inner<S> {
    async fn revoke_one(&self, key: &StoreKey) -> Result<bool, Error> {
        let removed = self.call(&self.budget(), "revoked", self.store.remove(key)).await?;
        self.call(&self.budget(), "revoked", self.store.await_replication(key)).await?;
        Ok(removed)
    }

    /// Those of these records that are live sessions.
    fn live(&self, listed: Vec<Listed>, now: Timestamp) -> Result<Vec<OwnedSession>, Error> {
        // What has expired is no session, whatever is in it.
        let kept = listed.into_iter().filter(|it| it.stored.record.expires_at > now);
        let located = kept.map(|it| Located::read("listed", it.key, it.stored, now));
        let live = |located: &Arc<Located>| !located.has_ended(&self.settings.limits, now);
        let seen = |located: Arc<Located>| OwnedSession {
            id: located.key.to_string(),
            owner: located.owner.clone(),
            created: located.body.created,
            expires_at: located.expires_at,
            entries: located.body.entries.clone(),
        };
        located.filter(|it| it.as_ref().map_or(true, live)).map(|it| it.map(seen)).collect()
    }
}

impl<S: Index> Inner<S> {
    async fn revoke_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize, Error> {
        self.call(&self.budget(), "revoked", self.store.remove_all_but(owner, keep)).await
    }
}
