//! The store of the programs: an engine behind a gate where every call stops once, so that the test decides what
//! comes first. It can also be made careless, to see that the oracle notices.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, Listed, MemoryStore, Record, Replaced, Result, SqliteStore, Store, StoreKey,
    Stored, Touched, Version,
};

thread_local! {
    static STOPPED: Cell<bool> = const { Cell::new(false) };
    static WORKING: Cell<usize> = const { Cell::new(0) };
}

/// Whether whoever was polled stopped at a gate since this was last asked.
pub fn has_stopped() -> bool {
    STOPPED.replace(false)
}

/// Whether an engine is at work for somebody.
pub fn is_working() -> bool {
    WORKING.get() > 0
}

/// A gate: whoever comes here goes on when polled again.
pub struct Gate(bool);

pub fn gate() -> Gate {
    Gate(false)
}

impl Future for Gate {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        STOPPED.set(true);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Counts a call for as long as the engine works on it.
struct Work;

impl Work {
    fn begins() -> Self {
        WORKING.set(WORKING.get() + 1);
        Self
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        WORKING.set(WORKING.get() - 1);
    }
}

#[derive(Debug, Clone)]
pub enum Engine {
    Memory(MemoryStore),
    Sqlite(SqliteStore),
}

/// What a store can get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    Full,
    /// `replace` overwrites whatever version is there.
    IgnoresVersions,
    /// `replace` makes a record that is gone anew.
    Revives,
    /// `remove` says that it did, and does not.
    KeepsWhatWasRemoved,
    /// `remove_all_but` and `remove_of` leave everything as it is.
    RevokesNothing,
    /// `touch` says that it did, and does not.
    TouchesNothing,
}

impl Care {
    /// All that are careless.
    pub const LESS: [Self; 5] = [
        Self::IgnoresVersions,
        Self::Revives,
        Self::KeepsWhatWasRemoved,
        Self::RevokesNothing,
        Self::TouchesNothing,
    ];
}

pub struct Paced {
    engine: Engine,
    care: Care,
}

macro_rules! engine {
    ($self:ident, $store:ident => $call:expr) => {{
        gate().await;
        let _work = Work::begins();
        match &$self.engine {
            Engine::Memory($store) => $call.await,
            Engine::Sqlite($store) => $call.await,
        }
    }};
}

impl Paced {
    pub fn new(engine: Engine, care: Care) -> Self {
        Self { engine, care }
    }
}

impl Store for Paced {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        engine!(self, store => store.load(key))
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        engine!(self, store => store.create(key, record))
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let answer = engine!(self, store => store.replace(key, expected, record))?;
        match (self.care, answer) {
            (Care::IgnoresVersions, Replaced::Conflict(other)) => {
                engine!(self, store => store.replace(key, other.version, record))
            }
            (Care::Revives, Replaced::Gone) => {
                let _ = engine!(self, store => store.create(key, record))?;
                Ok(Replaced::Done(Version::FIRST))
            }
            (_, answer) => Ok(answer),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        if self.care == Care::TouchesNothing {
            return Ok(Touched::Done);
        }
        engine!(self, store => store.touch(key, seen, expires_at))
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        engine!(self, store => store.await_replication(key))
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        if self.care == Care::KeepsWhatWasRemoved {
            return Ok(true);
        }
        engine!(self, store => store.remove(key))
    }
}

impl Index for Paced {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        engine!(self, store => store.list(owner))
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        engine!(self, store => store.count(owner))
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        if self.care == Care::RevokesNothing {
            return Ok(true);
        }
        engine!(self, store => store.remove_of(owner, key))
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        if self.care == Care::RevokesNothing {
            return engine!(self, store => store.count(owner));
        }
        engine!(self, store => store.remove_all_but(owner, keep))
    }
}
