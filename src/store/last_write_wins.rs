//! Records in any store that was written for tower-sessions: for those who have one already.
//!
//! Such a store knows no versions: whoever writes last has written. Within one process that is made good by a queue for
//! each record, in which the next one's turn comes when the store has done what it was asked, even if nobody waits any
//! more; between processes nothing can.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use time::OffsetDateTime;
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record as Foreign};
use tower_sessions_core::session_store::Error;

use super::{
    Created, Record, Replaced, Result, Store, StoreError, StoreErrorKind, StoreKey, Stored,
    Touched, Turn, Turns, Version, row,
};
use crate::time::Timestamp;

mod given_up;

use given_up::GivenUp;

/// The one value of a foreign record.
const VALUE: &str = "cloakroom";
/// How long a record stays after its expiry, so that an expired one is told from one that never was.
const GRACE: Duration = Duration::from_secs(60);
/// The year 9999, beyond which some databases know no dates. In seconds since 1970.
const LATEST: i64 = 253_402_300_799;

/// Keeps records in a store that implements `SessionStore` of `tower-sessions-core` 0.14, which is what the stores of
/// tower-sessions for SQL databases, Redis and others implement. Clones are the same store, with the same order of calls.
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
/// A call that the foreign store does not answer holds up what is asked of the same record after it, for as long as the
/// factory waits ([`StoredBuilder::io_timeout`](crate::factory::StoredBuilder::io_timeout)), and of no other. While 256
/// writes that were given up have no answer, no other one begins: it is `Unavailable`.
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
///     StoredFactory::new("shop", LastWriteWins::new(store))
/// }
/// ```
pub struct LastWriteWins<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    store: S,
    turns: Arc<Turns>,
    given_up: GivenUp,
}

impl<S: SessionStore> LastWriteWins<S> {
    /// On this store. Make one and clone it: another one knows nothing of this one's calls.
    pub fn new(store: S) -> Self {
        let shared = Shared { store, turns: Arc::default(), given_up: GivenUp::default() };
        Self { shared: Arc::new(shared) }
    }

    async fn read(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let found = self.shared.store.load(&id(key)).await.map_err(|error| meaning(&error))?;
        found.map(|foreign| stored(key, &foreign)).transpose()
    }

    /// Writes what `next` makes of the record that is there, if it makes anything of it.
    async fn change<T>(
        &self,
        key: &StoreKey,
        next: impl FnOnce(Option<Stored>) -> (Option<Stored>, T),
    ) -> Result<T> {
        let turn = self.shared.turns.wait(*key).await;
        let (changed, answer) = next(self.read(key).await?);
        if let Some(changed) = changed {
            let (shared, foreign) = (self.shared.clone(), foreign(key, &changed));
            self.to_its_end(turn, async move { shared.store.save(&foreign).await }).await?;
        }
        Ok(answer)
    }

    /// Does it to its end, even if nobody waits any more, and has the next one's turn come after that: a write that is
    /// under way cannot be called off, and must not come after what the next one did.
    async fn to_its_end<T: Send + 'static>(
        &self,
        turn: Turn,
        write: impl Future<Output = std::result::Result<T, Error>> + Send + 'static,
    ) -> Result<T> {
        let (caller, doing) = self.shared.given_up.begin()?;
        let done = tokio::spawn(async move {
            let _until_then = (turn, doing);
            write.await.map_err(|error| meaning(&error))
        });
        let done = done.await;
        drop(caller);
        done.unwrap_or_else(|_| {
            let cause = "the store panicked, or everything ends";
            Err(StoreError::new(StoreErrorKind::Unavailable, cause))
        })
    }
}

impl<S: SessionStore> Store for LastWriteWins<S> {
    /// After the writes that were begun before.
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.shared.turns.wait_for_others(key).await;
        self.read(key).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let turn = self.shared.turns.wait(*key).await;
        if self.read(key).await?.is_some() {
            return Ok(Created::Taken);
        }
        let first = Stored::first(record);
        let (version, id, mut foreign) = (first.version, id(key), foreign(key, &first));
        let shared = self.shared.clone();
        let create = async move {
            let store = &shared.store;
            store.create(&mut foreign).await?;
            if foreign.id == id {
                return Ok(Created::Done(version));
            }
            // Another process was faster, and the store has found another place, where nobody would look.
            store.delete(&foreign.id).await?;
            Ok(Created::Taken)
        };
        self.to_its_end(turn, create).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        self.change(key, |found| match found {
            None => (None, Replaced::Gone),
            Some(other) if other.version != expected => (None, Replaced::Conflict(other)),
            Some(mut stored) => {
                let version = stored.replace(record);
                (Some(stored), Replaced::Done(version))
            }
        })
        .await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        self.change(key, |found| match found {
            None => (None, Touched::Gone),
            Some(other) if other.version != seen => (None, Touched::Changed),
            Some(mut stored) => {
                stored.record.expires_at = expires_at;
                (Some(stored), Touched::Done)
            }
        })
        .await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let turn = self.shared.turns.wait(*key).await;
        let was_there = self.read(key).await?.is_some();
        let (shared, id) = (self.shared.clone(), id(key));
        self.to_its_end(turn, async move { shared.store.delete(&id).await }).await?;
        Ok(was_there)
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
