//! A store that fails on demand, and counts what is asked of it.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::store::{
    Created, Index, Listed, Record, Replaced, Result, Store, StoreErrorKind, StoreKey, Stored,
    Sweep, Touched, Version,
};
use crate::time::Timestamp;

/// One of the calls that a [`Store`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names of the trait's methods
pub enum Call {
    Load,
    Create,
    Replace,
    Touch,
    Remove,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Load, Self::Create, Self::Replace, Self::Touch, Self::Remove];

    /// Its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Touch => "touch",
            Self::Remove => "remove",
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails, and the store did nothing.
    Before(StoreErrorKind),
    /// The store did it, but the answer is lost.
    After(StoreErrorKind),
    /// There is never an answer.
    Hang,
    /// A record in the answer is damaged. What is stored stays as it is.
    Garbage,
}

/// A store around another that fails as a test wishes. Clones share faults and counts.
///
/// ```
/// use cloakroom::store::{MemoryStore, StoreErrorKind};
/// use cloakroom::testing::{Call, Fault, FaultyStore};
///
/// let store = FaultyStore::new(MemoryStore::new());
/// let sessions = cloakroom::StoredFactory::new("shop", store.clone());
/// store.fail(Call::Replace, Fault::Before(StoreErrorKind::Unavailable));
/// // Requests that write now get a 503.
/// store.heal();
/// assert_eq!(store.calls(Call::Replace), 0);
/// ```
#[derive(Debug, Clone)]
pub struct FaultyStore<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    faults: HashMap<Call, Fault>,
    calls: HashMap<Call, u64>,
}

impl<S> FaultyStore<S> {
    /// A store that does as `inner` does, until it is told to fail.
    pub fn new(inner: S) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// From now on, this call fails in this way.
    pub fn fail(&self, call: Call, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// How often this call was made since the start, failed ones included.
    #[must_use]
    pub fn calls(&self, call: Call) -> u64 {
        self.state().calls.get(&call).copied().unwrap_or(0)
    }

    /// How many calls were made in all.
    #[must_use]
    pub fn all_calls(&self) -> u64 {
        self.state().calls.values().sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call, and does it or lets it fail.
    async fn with<T>(
        &self,
        call: Call,
        done: impl Future<Output = Result<T>>,
    ) -> Result<(T, bool)> {
        let fault = {
            let mut state = self.state();
            *state.calls.entry(call).or_default() += 1;
            state.faults.get(&call).copied()
        };
        match fault {
            None => Ok((done.await?, false)),
            Some(Fault::Before(kind)) => Err(kind.into()),
            Some(Fault::After(kind)) => done.await.and(Err(kind.into())),
            Some(Fault::Hang) => pending().await,
            Some(Fault::Garbage) => Ok((done.await?, true)),
        }
    }
}

/// The record with its last byte changed.
fn damaged(mut stored: Stored) -> Stored {
    let mut data = stored.record.data.to_vec();
    if let Some(last) = data.last_mut() {
        *last ^= 1;
    }
    stored.record.data = Bytes::from(data);
    stored
}

impl<S: Store> Store for FaultyStore<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let (stored, is_damaged) = self.with(Call::Load, self.inner.load(key)).await?;
        Ok(if is_damaged { stored.map(damaged) } else { stored })
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        Ok(self.with(Call::Create, self.inner.create(key, record)).await?.0)
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let done = self.inner.replace(key, expected, record);
        match self.with(Call::Replace, done).await? {
            (Replaced::Conflict(stored), true) => Ok(Replaced::Conflict(damaged(stored))),
            (answer, _) => Ok(answer),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        Ok(self.with(Call::Touch, self.inner.touch(key, seen, expires_at)).await?.0)
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        Ok(self.with(Call::Remove, self.inner.remove(key)).await?.0)
    }

    /// Without faults and counts.
    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        self.inner.await_replication(key).await
    }
}

/// Without faults and counts.
impl<S: Index> Index for FaultyStore<S> {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        self.inner.list(owner).await
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        self.inner.count(owner).await
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        self.inner.remove_of(owner, key).await
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        self.inner.remove_all_but(owner, keep).await
    }
}

/// Without faults and counts.
impl<S: Sweep> Sweep for FaultyStore<S> {
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.inner.sweep(now, limit).await
    }
}
