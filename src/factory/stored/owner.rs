//! The sessions of one owner: for a page "your devices", and for signing out elsewhere.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::located::Located;
use super::{Inner, StoredFactory};
use crate::session::MAX_OWNER_BYTES;
use crate::store::{Cursor, Index, Listed, Scan, Store, StoreKey, Sweep};
use crate::ticket::Ticket;
use crate::{Entries, Error, Session, Timestamp};

/// Side by side, so that a store that makes sure of several writes at once does so.
const REVOKED_AT_ONCE: usize = 32;

/// Whether there can be sessions of this owner: what no session can be given, no store is asked for.
const fn may_own(owner: &str) -> bool {
    owner.len() <= MAX_OWNER_BYTES
}

/// One live session of an owner. What it says of a device is what the application put into it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OwnedSession {
    /// What names it: as [`Session::id`] says it. No secret.
    pub id: String,
    /// Whose it is.
    pub owner: Option<Arc<str>>,
    /// When it began. `None` if its record [cannot be read](OwnedSession::is_readable).
    pub created: Option<Timestamp>,
    /// When it ends if nobody uses it.
    pub expires_at: Timestamp,
    /// What it holds; nothing if its record [cannot be read](OwnedSession::is_readable).
    pub entries: Entries,
}

impl OwnedSession {
    /// Whether its record can be read. One that is damaged, or that another version of cloakroom wrote, cannot: it
    /// serves no request, takes its place, and can be ended like others.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.created.is_some()
    }
}

/// What an owner may see and end. For stores that can find sessions by their owner.
///
/// It is of all sessions in the store, also where another [namespace](StoredFactory::new) began them: two applications
/// that share a prefix, a table or a file share their owners' lists, and what ends sessions ends both's.
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
    /// The live sessions of this owner, the newest first. At the end are those that
    /// [cannot be read](OwnedSession::is_readable).
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn sessions_of(&self, owner: &str) -> Result<Vec<OwnedSession>, Error> {
        if !may_own(owner) {
            return Ok(Vec::new());
        }
        let now = self.inner.settings.clock.now();
        let listed =
            self.inner.call(&self.inner.budget(), "listed", self.inner.store.list(owner)).await?;
        let mut sessions = self.inner.live(listed, now);
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created));
        Ok(sessions)
    }

    /// Ends the session of this [`id`](OwnedSession::id) if it is this owner's, and says whether it was.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn revoke(&self, owner: &str, id: &str) -> Result<bool, Error> {
        let Some(key) = StoreKey::parse(id).filter(|_| may_own(owner)) else { return Ok(false) };
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

    /// Ends all sessions of this session's owner but this one, and says how many there were.
    ///
    /// In the request of a login too, after [`set_owner`](Session::set_owner): the owner is the new one, and a session
    /// that is only kept when the request ends is not among those that are ended.
    ///
    /// # Errors
    /// [`Error::NoOwner`] for a session of nobody; [`Error::NotSupported`] for one that is not kept on a server, which no
    /// factory can list; [`Error::Store`]. Then nobody was signed out.
    pub async fn revoke_others(&self, session: &Session) -> Result<usize, Error> {
        let server = session.facts().server.as_ref();
        let server =
            server.ok_or(Error::NotSupported { what: "ending an owner's other sessions" })?;
        let owner = session.owner().ok_or(Error::NoOwner)?;
        // One that is not stored yet has no place: all that are stored are others. One that begins anew has its place still.
        let own = server.remote.id().map(StoreKey::from_bytes);
        self.inner.revoke_all_but(&owner, own.as_ref()).await
    }
}

/// For care from outside of requests.
impl<S: Store> StoredFactory<S> {
    /// The live session of this [`id`](OwnedSession::id), whoever's it is, [readable](OwnedSession::is_readable) or
    /// not.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn session_of_id(&self, id: &str) -> Result<Option<OwnedSession>, Error> {
        let Some(key) = StoreKey::parse(id) else { return Ok(None) };
        let now = self.inner.settings.clock.now();
        let stored =
            self.inner.call(&self.inner.budget(), "listed", self.inner.store.load(&key)).await?;
        let listed = stored.map(|stored| Listed { key, stored });
        Ok(listed.and_then(|listed| self.inner.live(vec![listed], now).pop()))
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
    /// Live sessions, whoever's they are, [readable](OwnedSession::is_readable) or not: about as many as `limit` allows
    /// from this place on, and where to go on.
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
        Ok((self.inner.live(page.records, now), page.next))
    }

    /// Ends sessions, whoever's they are, and with them records that have expired or cannot be read: about as many as
    /// `limit` allows from this place on. Says how many there were, and where to go on. Round trips: one, and up to
    /// two for each, 32 of them side by side.
    ///
    /// What begins meanwhile may stay.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
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
        for records in page.records.chunks(REVOKED_AT_ONCE) {
            let mut removals = JoinSet::new();
            for key in records.iter().map(|listed| listed.key) {
                let inner = self.inner.clone();
                removals.spawn(async move { inner.revoke_one(&key).await });
            }
            while let Some(done) = removals.join_next().await {
                revoked += usize::from(done.map_err(Error::keeping)??);
            }
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
        self.confirm(&self.budget(), "revoked", key).await?;
        Ok(removed)
    }

    /// Those of these records that are live sessions, or may be for all that is known.
    fn live(&self, listed: Vec<Listed>, now: Timestamp) -> Vec<OwnedSession> {
        // What has expired is no session, whatever is in it.
        let kept = listed.into_iter().filter(|it| it.stored.record.expires_at > now);
        kept.filter_map(|it| self.owned(it, now)).collect()
    }

    /// The session of this record, if it has not ended.
    fn owned(&self, Listed { key, stored }: Listed, now: Timestamp) -> Option<OwnedSession> {
        let (owner, expires_at) = (stored.record.owner.clone(), stored.record.expires_at);
        let (created, entries) = match Located::read("listed", key, stored, now) {
            Ok(located) if located.has_ended(&self.settings.limits, now) => return None,
            Ok(located) => (Some(located.body.created), located.body.entries.clone()),
            // One that is damaged hides none of the others: whoever looks for it has to find it, and can end it.
            Err(_) => (None, Entries::new()),
        };
        Some(OwnedSession { id: key.to_string(), owner, created, expires_at, entries })
    }
}

impl<S: Index> Inner<S> {
    async fn revoke_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize, Error> {
        if !may_own(owner) {
            return Ok(0);
        }
        self.call(&self.budget(), "revoked", self.store.remove_all_but(owner, keep)).await
    }
}
