//! The store that a URL names, so that a deployment chooses and the program stays as it is.
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `memory:` | [`MemoryStore`] | |
//! | `sqlite:PATH`, perhaps with `?durability=fast` | `SqliteStore` | `sqlite` |
//! | `redis://[user:password@]host[:port][/database]`, and [more](super::RedisStore::connect); also `valkey://` | `RedisStore` | `redis` |
//! | `postgres://user:password@host[:port]/database` | `PostgresStore` | `postgres` |
//! | `mysql://user:password@host[:port]/database`, or `mariadb://` | `MySqlStore` | `mysql` |
//! | `memcached://host[:port][,host[:port]…]` | `MemcachedStore` | `memcached` |
//!
//! A parameter after the question mark that the store does not know is an error. Those of PostgreSQL and MySQL are
//! sqlx's: `sslmode`, `sslrootcert`, `sslcert` and `sslkey` for one, `ssl-mode`, `ssl-ca`, `ssl-cert` and `ssl-key`
//! for the other.

use std::fmt;
use std::sync::Arc;

use super::{
    Created, Cursor, Index, Listed, MemoryStore, Page, Record, Replaced, Result, Scan, Store,
    StoreKey, Stored, Sweep, Touched, Version,
};
use crate::time::Timestamp;

mod engine;
mod later;
mod options;

use engine::{Engine, on_each};
use later::Later;
pub use options::AnyOptions;

/// One of the stores of this crate, chosen while the program runs. Clones are the same store.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::AnyStore;
///
/// let url = std::env::var("SESSIONS").unwrap_or_else(|_| "memory:".to_owned());
/// let sessions = StoredFactory::new("shop", AnyStore::open(&url).await?);
/// # Ok(())
/// # }
/// ```
///
/// memcached finds nothing but by key: what asks for an owner's sessions, or for all, is `Rejected` there.
#[derive(Clone)]
pub struct AnyStore(Arc<Later>);

impl AnyStore {
    /// Opens the store of a URL with the default options.
    ///
    /// # Errors
    /// As [`AnyOptions::open`].
    pub async fn open(url: &str) -> Result<Self> {
        Self::options(url).open().await
    }

    /// For other options.
    pub fn options(url: &str) -> AnyOptions {
        AnyOptions::new(url)
    }

    /// Returns what the store's URL begins with, in its usual spelling: `memory`, `sqlite`, `redis`, `postgres`, `mysql`
    /// or `memcached`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        self.0.scheme()
    }

    /// Whether expired records stay until they are [swept](Sweep), because nothing else removes them.
    #[must_use]
    pub fn keeps_expired(&self) -> bool {
        matches!(self.scheme(), "postgres" | "mysql")
    }

    /// Makes the table, where the store has one and it is not there.
    ///
    /// # Errors
    /// `Rejected` if this user may not.
    pub async fn create_table(&self) -> Result<()> {
        self.0.engine()?.create_table().await
    }
}

impl Store for AnyStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        on_each!(self.0.engine()?, store => store.load(key).await)
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        on_each!(self.0.engine()?, store => store.create(key, record).await)
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        on_each!(self.0.engine()?, store => store.replace(key, expected, record).await)
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        on_each!(self.0.engine()?, store => store.touch(key, seen, expires_at).await)
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        on_each!(self.0.engine()?, store => store.remove(key).await)
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        on_each!(self.0.engine()?, store => store.await_replication(key).await)
    }
}

impl Index for AnyStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        on_each!(self.0.engine()?, store => store.list(owner).await, by_key_only)
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        on_each!(self.0.engine()?, store => store.count(owner).await, by_key_only)
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        on_each!(self.0.engine()?, store => store.remove_of(owner, key).await, by_key_only)
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        on_each!(self.0.engine()?, store => store.remove_all_but(owner, keep).await, by_key_only)
    }
}

impl Scan for AnyStore {
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        on_each!(self.0.engine()?, store => store.scan(after, limit).await, by_key_only)
    }
}

impl Sweep for AnyStore {
    /// Nothing is to be done in Redis and memcached, which drop what has expired by themselves, nor in a store that is
    /// not open yet.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        match self.0.engine() {
            Ok(engine) => engine.sweep(now, limit).await,
            Err(_) => Ok(0),
        }
    }
}

impl fmt::Debug for AnyStore {
    /// Without the URL, which may hold a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStore").field(&self.scheme()).finish()
    }
}

#[cfg(test)]
mod tests;
