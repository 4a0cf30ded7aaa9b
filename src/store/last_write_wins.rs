//! Records in any store that was written for tower-sessions: for those who have one already.
//!
//! Such a store knows no versions: whoever writes last has written. Within one process that is made good by a lock for
//! each record, which is held until the store has done what it was asked, even if nobody waits any more; between
//! processes nothing can.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use time::OffsetDateTime;
use tokio::sync::{Mutex, MutexGuard};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record as Foreign};
use tower_sessions_core::session_store::Error;

use super::{
    Created, Record, Replaced, Result, Store, StoreError, StoreErrorKind, StoreKey, Stored,
    Touched, Version, row,
};
use crate::time::Timestamp;

/// The one value of a foreign record.
const VALUE: &str = "cloakroom";
/// Locks, each for a share of all records.
const LOCKS: usize = 64;
/// How long a record stays after its expiry, so that an expired one is told from one that never was.
const GRACE: Duration = Duration::from_secs(60);
/// The year 9999, beyond which some databases know no dates. In seconds since 1970.
const LATEST: i64 = 253_402_300_799;

/// Keeps records in a store that implements `SessionStore` of `tower-sessions-core` 0.14, which is what the stores of
/// tower-sessions for SQL databases, Redis and others implement. Clones are the same store, with the same locks.
///
/// Such a store can load, save and delete, and not compare what is there with what was. So of what
/// [`Store`] promises, this holds:
///
/// | promise | one process | several processes on one store |
/// |---|---|---|
/// | a failure is an error and never an empty record | kept | kept |
/// | what was acknowledged is read by the next request | kept, if the foreign store does so | the same |
/// | no change is lost when requests race | kept, among clones | **not kept: the last write wins** |
/// | a logout is final; no late request revives the record (S64) | kept, among clones | **not kept** |
/// | a flash message is shown once (S67) | kept, among clones | **not kept** |
/// | a call that is given up has happened or has not, and nothing later (S69) | kept, among clones | **not kept** |
///
/// Give it a table or a prefix of its own: what names a record here is no secret, and would be one to the other library.
/// A call takes two round trips where it has to look first. There is no index by owner, so `sessions_of` and what
/// belongs to it do not compile. What has expired is removed by the foreign store's own means. A record of the other
/// library is none of these: to take sessions over, see [`MovingFactory`](crate::factory::MovingFactory).
///
/// ```
/// use cloakroom::{StoredFactory, store::LastWriteWins};
/// # use tower_sessions_core::SessionStore;
///
/// fn sessions<S: SessionStore>(store: S) -> StoredFactory<LastWriteWins<S>> {
///     StoredFactory::new(LastWriteWins::new(store))
/// }
/// ```
pub struct LastWriteWins<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    store: S,
    locks: [Mutex<()>; LOCKS],
}

impl<S: SessionStore> LastWriteWins<S> {
    /// On this store. Make one and clone it: another one has other locks.
    pub fn new(store: S) -> Self {
        Self { shared: Arc::new(Shared { store, locks: [const { Mutex::const_new(()) }; LOCKS] }) }
    }

    /// Keeps all other writers of this process away from the record.
    async fn lock(&self, key: &StoreKey) -> MutexGuard<'_, ()> {
        self.shared.locks[usize::from(key.as_bytes()[0]) % LOCKS].lock().await
    }

    async fn read(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let found = self.shared.store.load(&id(key)).await.map_err(|error| meaning(&error))?;
        found.map(|foreign| stored(key, &foreign)).transpose()
    }

    async fn write(&self, key: &StoreKey, stored: &Stored) -> Result<()> {
        self.shared.store.save(&foreign(key, stored)).await.map_err(|error| meaning(&error))
    }

    async fn create_locked(&self, key: &StoreKey, stored: &Stored) -> Result<Created> {
        let _lock = self.lock(key).await;
        if self.read(key).await?.is_some() {
            return Ok(Created::Taken);
        }
        let (store, mut foreign) = (&self.shared.store, foreign(key, stored));
        store.create(&mut foreign).await.map_err(|error| meaning(&error))?;
        if foreign.id == id(key) {
            return Ok(Created::Done(stored.version));
        }
        // Another process was faster, and the store has found another place, where nobody would look.
        store.delete(&foreign.id).await.map_err(|error| meaning(&error))?;
        Ok(Created::Taken)
    }

    /// Writes what `next` makes of the record that is there, if it makes anything of it.
    async fn change_locked<T>(
        &self,
        key: &StoreKey,
        next: impl FnOnce(Option<Stored>) -> (Option<Stored>, T),
    ) -> Result<T> {
        let _lock = self.lock(key).await;
        let (changed, answer) = next(self.read(key).await?);
        if let Some(changed) = changed {
            self.write(key, &changed).await?;
        }
        Ok(answer)
    }

    async fn remove_locked(&self, key: &StoreKey) -> Result<bool> {
        let _lock = self.lock(key).await;
        let was_there = self.read(key).await?.is_some();
        self.shared.store.delete(&id(key)).await.map_err(|error| meaning(&error))?;
        Ok(was_there)
    }
}

/// Does it to its end, lock included, even if nobody waits any more: a write that is under way cannot be called off, and
/// must not come after what the next one did.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let done = tokio::spawn(work).await;
    done.unwrap_or_else(|_| {
        Err(StoreError::new(StoreErrorKind::Unavailable, "the store panicked, or everything ends"))
    })
}

impl<S: SessionStore> Store for LastWriteWins<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.read(key).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let (this, key, first) = (self.clone(), *key, Stored::first(record));
        to_its_end(async move { this.create_locked(&key, &first).await }).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let (this, key, record) = (self.clone(), *key, record.clone());
        let next = move |found: Option<Stored>| match found {
            None => (None, Replaced::Gone),
            Some(other) if other.version != expected => (None, Replaced::Conflict(other)),
            Some(mut stored) => {
                let version = stored.replace(&record);
                (Some(stored), Replaced::Done(version))
            }
        };
        to_its_end(async move { this.change_locked(&key, next).await }).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let (this, key) = (self.clone(), *key);
        let next = move |found: Option<Stored>| match found {
            None => (None, Touched::Gone),
            Some(other) if other.version != seen => (None, Touched::Changed),
            Some(mut stored) => {
                stored.record.expires_at = expires_at;
                (Some(stored), Touched::Done)
            }
        };
        to_its_end(async move { this.change_locked(&key, next).await }).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let (this, key) = (self.clone(), *key);
        to_its_end(async move { this.remove_locked(&key).await }).await
    }

    /// A foreign store knows no more than its answer.
    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

/// The record as the foreign store keeps it.
fn foreign(key: &StoreKey, stored: &Stored) -> Foreign {
    let Stored { record, version } = stored;
    let value = BASE64_STANDARD_NO_PAD.encode(row::encode(*version, record));
    let data = HashMap::from([(VALUE.to_owned(), value.into())]);
    Foreign { id: id(key), data, expiry_date: date(record.expires_at) }
}

fn id(key: &StoreKey) -> Id {
    Id(i128::from_be_bytes(*key.as_bytes()))
}

fn stored(key: &StoreKey, foreign: &Foreign) -> Result<Stored> {
    let value = foreign.data.get(VALUE).and_then(|value| value.as_str());
    let value = value.and_then(|value| BASE64_STANDARD_NO_PAD.decode(value).ok());
    value.and_then(row::decode).ok_or_else(|| {
        let cause = format!("record {key} is not one that cloakroom wrote");
        StoreError::new(StoreErrorKind::Corrupt, cause)
    })
}

fn date(expires_at: Timestamp) -> OffsetDateTime {
    let seconds = expires_at.as_micros().div_euclid(1_000_000).saturating_add(1);
    let seconds = seconds.saturating_add_unsigned(GRACE.as_secs()).clamp(0, LATEST);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What cannot be read or written may be quoted in the foreign error, so that is not handed on (S87).
fn meaning(error: &Error) -> StoreError {
    let (kind, cause) = match error {
        Error::Backend(cause) => (StoreErrorKind::Unavailable, cause.as_str()),
        Error::Encode(_) => (StoreErrorKind::Rejected, "the store cannot write the record"),
        Error::Decode(_) => (StoreErrorKind::Corrupt, "the store cannot read the record"),
    };
    StoreError::new(kind, cause)
}

impl<S> Clone for LastWriteWins<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S> fmt::Debug for LastWriteWins<S> {
    /// Without the store within, which may show an address with a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LastWriteWins").finish_non_exhaustive()
    }
}
