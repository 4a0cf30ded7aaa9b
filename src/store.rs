//! Stores: where a server-side factory keeps its records, and how to write one.
//!
//! A store knows nothing of sessions. It keeps a [`Record`] under a [`StoreKey`] with a [`Version`] that every
//! write moves on, and it never creates what it was asked to replace: that is what makes a logout final. Whether a
//! record has expired is judged by the factory too, with the factory's clock, so a store may keep what is past.
//!
//! A whole store, over a map:
//! ```
//! use std::collections::{HashMap, hash_map::Entry};
//! use std::sync::{Mutex, MutexGuard, PoisonError};
//!
//! use cloakroom::Timestamp;
//! use cloakroom::store::{Created, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version};
//!
//! #[derive(Debug, Default)]
//! pub struct MapStore(Mutex<HashMap<StoreKey, Stored>>);
//!
//! impl Store for MapStore {
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
//!         Ok(self.rows().get(key).cloned())
//!     }
//!
//!     async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
//!         match self.rows().entry(*key) {
//!             Entry::Occupied(_) => Ok(Created::Taken),
//!             Entry::Vacant(free) => Ok(Created::Done(free.insert(Stored::first(record)).version)),
//!         }
//!     }
//!
//!     async fn replace(&self, key: &StoreKey, expected: Version, record: &Record) -> Result<Replaced> {
//!         match self.rows().get_mut(key) {
//!             None => Ok(Replaced::Gone),
//!             Some(other) if other.version != expected => Ok(Replaced::Conflict(other.clone())),
//!             Some(row) => Ok(Replaced::Done(row.replace(record))),
//!         }
//!     }
//!
//!     async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
//!         match self.rows().get_mut(key) {
//!             None => Ok(Touched::Gone),
//!             Some(other) if other.version != seen => Ok(Touched::Changed),
//!             Some(row) => {
//!                 row.record.expires_at = expires_at;
//!                 Ok(Touched::Done)
//!             }
//!         }
//!     }
//!
//!     async fn remove(&self, key: &StoreKey) -> Result<bool> {
//!         Ok(self.rows().remove(key).is_some())
//!     }
//!
//!     async fn await_replication(&self, _: &StoreKey) -> Result<()> {
//!         Ok(()) // there is one map, and it outlasts nothing
//!     }
//! }
//!
//! impl MapStore {
//!     fn rows(&self) -> MutexGuard<'_, HashMap<StoreKey, Stored>> {
//!         self.0.lock().unwrap_or_else(PoisonError::into_inner)
//!     }
//! }
//! ```

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::BoxError;
use crate::random::distinct;
use crate::time::Timestamp;

mod any;
#[cfg(any(feature = "memcached", feature = "mysql", feature = "postgres", feature = "redis"))]
mod clocks;
mod index;
#[cfg(feature = "tower-sessions")]
mod last_write_wins;
#[cfg(feature = "memcached")]
mod memcached;
mod memory;
#[cfg(any(
    feature = "memcached",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
#[cfg_attr(not(all(feature = "redis", feature = "tls")), allow(dead_code))]
// only Redis has parameters of each kind
mod parameters;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "memcached", feature = "redis", feature = "tower-sessions"))]
mod row;
mod scan;
#[cfg(any(
    feature = "memcached",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
#[cfg_attr(not(any(feature = "mysql", feature = "postgres")), allow(dead_code))]
// only they have all of these settings
mod setting;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod sweep;
mod turns;

pub use any::{AnyOptions, AnyStore};
pub use index::{Index, Listed};
#[cfg(feature = "tower-sessions")]
pub use last_write_wins::LastWriteWins;
#[cfg(feature = "memcached")]
pub use memcached::{MemcachedOptions, MemcachedStore};
pub use memory::{Counts, MemoryBuilder, MemoryStore};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisStore};
pub use scan::{Cursor, Page, Scan};
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub use sql::{Dialect, SqlOptions, SqlStore};
#[cfg(feature = "mysql")]
pub use sql::{MySqlOptions, MySqlStore};
#[cfg(feature = "postgres")]
pub use sql::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteOptions, SqliteStore};
pub use sweep::{Sweep, sweep_forever};
pub(crate) use turns::{Turn, Turns};

/// What a store answers with.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Keeps records. Implementers write plain `async fn`; see the [module](self) for a whole one.
///
/// Each call should be one round trip. A failure is an error, never "absent" and never an empty record. A call whose
/// future is dropped has happened or has not; a later call sees which.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a session store")]
pub trait Store: Send + Sync + 'static {
    /// Reads a record with its version.
    fn load(&self, key: &StoreKey) -> impl Future<Output = Result<Option<Stored>>> + Send;

    /// Writes a record that must not exist yet.
    fn create(
        &self,
        key: &StoreKey,
        record: &Record,
    ) -> impl Future<Output = Result<Created>> + Send;

    /// Replaces version `expected`, or says what is there instead. Never creates.
    fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> impl Future<Output = Result<Replaced>> + Send;

    /// Moves the expiry of version `seen`, or says that it is not there any more. It carries no data, so it can
    /// overwrite none, and it leaves the version as it is. Never creates.
    fn touch(
        &self,
        key: &StoreKey,
        seen: Version,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Touched>> + Send;

    /// Removes a record and says whether it existed.
    fn remove(&self, key: &StoreKey) -> impl Future<Output = Result<bool>> + Send;

    /// Waits until what was last written of this record outlasts the loss of a machine, where the store answers before
    /// that and can wait; elsewhere there is nothing to wait for, and the answer is `Ok`. Asked for after a logout and a
    /// renewal, which must not be undone (S77). A store around another asks that one.
    fn await_replication(&self, key: &StoreKey) -> impl Future<Output = Result<()>> + Send;
}

/// What a record is kept under: 128 random bits that name it for its whole life.
///
/// No secret: whoever knows it still needs the other half of the ticket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey([u8; 16]);

impl StoreKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes, for stores that keep keys in binary.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(digits) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for StoreKey {
    /// 32 lower-case hexadecimal digits, for stores that keep keys as text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({self})")
    }
}

/// What a store keeps under a key. Cheap to clone: it shares the data.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The session, encoded (FORMATS.md, "Record"). A store keeps it byte for byte and does not look inside.
    pub data: Bytes,
    /// When the record is of no use any more; a store may drop it from then on.
    pub expires_at: Timestamp,
    /// Whose session it is, for stores with an [`Index`].
    pub owner: Option<Arc<str>>,
}

impl Record {
    /// A record of these parts.
    pub fn new(data: impl Into<Bytes>, expires_at: Timestamp, owner: Option<Arc<str>>) -> Self {
        Self { data: data.into(), expires_at, owner }
    }
}

impl fmt::Debug for Record {
    /// Without the data: it is somebody's session (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("bytes", &self.data.len())
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Tells the states of one record apart: each write gives it another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// That of a record that was just created.
    pub const FIRST: Self = Self(1);

    /// The version of this number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// One for the next write, a step ahead of this one.
    ///
    /// The step is at random, between 1 and 2^32. Where a replica takes over, it may not have had the last writes, and makes
    /// others in their place; counted, both would have the same number, and whoever saw a write that was lost would
    /// replace one that was not.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1 + u64::from(distinct())))
    }
}

/// A record as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What is kept.
    pub record: Record,
    /// Which write left it.
    pub version: Version,
}

impl Stored {
    /// A record that was just created.
    #[must_use]
    pub fn first(record: &Record) -> Self {
        Self { record: record.clone(), version: Version::FIRST }
    }

    /// Takes the place of what was there, one version later; returns that version.
    pub fn replace(&mut self, record: &Record) -> Version {
        *self = Self { record: record.clone(), version: self.version.next() };
        self.version
    }
}

/// How a [`create`](Store::create) ended.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The record is there, in this version.
    Done(Version),
    /// The key had one already, which stays as it is.
    Taken,
}

/// How a [`replace`](Store::replace) ended. All three ways have to be matched.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// The record is there, in this version.
    Done(Version),
    /// Somebody else was faster; this is what they left.
    Conflict(Stored),
    /// There is no such record; nothing was written.
    Gone,
}

/// How a [`touch`](Store::touch) ended.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// The expiry was moved.
    Done,
    /// Somebody wrote the record meanwhile; nothing was done.
    Changed,
    /// There is no such record.
    Gone,
}

/// A store that could not do as asked. It is not known to be "absent".
#[derive(Debug, thiserror::Error)]
#[error("session store: {kind}")]
pub struct StoreError {
    kind: StoreErrorKind,
    #[source]
    source: Option<BoxError>,
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It could not be reached, or is too busy.
    Unavailable,
    /// It did not answer in time.
    TimedOut,
    /// What it holds cannot be read.
    Corrupt,
    /// It refuses: read-only, full, the record is too large for it, or it is not set up for this.
    Rejected,
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "it cannot be reached",
            Self::TimedOut => "it did not answer in time",
            Self::Corrupt => "a record cannot be read",
            Self::Rejected => {
                "it refuses (read-only, full, the record too large, or not set up for this)"
            }
        })
    }
}

/// A refusal for this reason.
fn rejected(cause: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Rejected, cause.into())
}

impl StoreError {
    /// A failure of this kind with its cause, which must not hold session data.
    pub fn new(kind: StoreErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What kind of failure it was.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// That of a store which was not asked, because it did not answer for a while.
    pub(crate) fn left_alone() -> Self {
        Self::new(StoreErrorKind::Unavailable, LeftAlone)
    }

    /// Whether it was not asked. That the store does not answer, was said in the log before.
    #[cfg_attr(not(any(feature = "tower", feature = "actix")), allow(dead_code))]
    pub(crate) fn is_left_alone(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<LeftAlone>())
    }

    /// What is behind it, as one line.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))] // where many share one failure
    pub(crate) fn causes(&self) -> String {
        crate::error::causes(self)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it has not answered for a while, and is left alone for a moment")]
struct LeftAlone;

impl From<StoreErrorKind> for StoreError {
    fn from(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }
}
