//! The store that a URL names, so that a deployment chooses and the program stays as it is.
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `memory:` | [`MemoryStore`] | |
//! | `sqlite:PATH`, perhaps with `?durability=fast` | `SqliteStore` | `sqlite` |
//! | `redis://[user:password@]host[:port][/database]`, and [more](super::RedisStore::connect) | `RedisStore` | `redis` |
//! | `postgres://user:password@host[:port]/database` | `PostgresStore` | `postgres` |
//! | `mysql://user:password@host[:port]/database` | `MySqlStore` | `mysql` |

use std::time::Duration;

use super::{
    Created, Cursor, Index, Listed, MemoryStore, Page, Record, Replaced, Result, Scan, Store,
    StoreError, StoreErrorKind, StoreKey, Stored, Sweep, Touched, Version,
};
use crate::time::Timestamp;

/// One of the stores of this crate, chosen while the program runs.
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
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyStore {
    /// In this process.
    Memory(MemoryStore),
    /// In a file.
    #[cfg(feature = "sqlite")]
    Sqlite(super::SqliteStore),
    /// In Redis or Valkey.
    #[cfg(feature = "redis")]
    Redis(super::RedisStore),
    /// In PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(super::PostgresStore),
    /// In MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    MySql(super::MySqlStore),
}

/// How the store of a URL is to be reached. What a store has no use for is not an error.
#[must_use = "nothing is opened before `open` is called"]
#[derive(Clone, Default)]
pub struct AnyOptions {
    pub(crate) url: String,
    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    pub(crate) prefix: Option<String>,
    #[cfg_attr(not(any(feature = "mysql", feature = "postgres")), allow(dead_code))]
    pub(crate) table: Option<String>,
    #[cfg_attr(not(any(feature = "mysql", feature = "postgres")), allow(dead_code))]
    pub(crate) max_connections: Option<u32>,
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres", feature = "redis")),
        allow(dead_code)
    )]
    pub(crate) connect_timeout: Option<Duration>,
}

/// What a URL begins with, and the feature that it takes.
const SCHEMES: [(&str, &str); 13] = [
    ("memory", ""),
    ("sqlite", "sqlite"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+unix", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss+sentinel", "redis"),
    ("redis+cluster", "redis"),
    ("rediss+cluster", "redis"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
];

impl AnyOptions {
    /// What all keys begin with, in Redis.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The table, in PostgreSQL and MySQL.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// How many connections there may be, in PostgreSQL and MySQL.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// How long a connection may take to be made.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// The table and its indexes as SQL, without opening the store; `None` where it has none that can be made
    /// beforehand.
    ///
    /// # Errors
    /// `Rejected` for a table's name that is none, or the URL of no known store or of one that this build does not
    /// have.
    pub fn schema(&self) -> Result<Option<String>> {
        let (scheme, _) = self.url.split_once(':').unwrap_or((&self.url, ""));
        let feature =
            SCHEMES.iter().find(|(known, _)| *known == scheme).map(|(_, feature)| feature);
        match feature.copied() {
            #[cfg(feature = "postgres")]
            Some("postgres") => self.sql::<sqlx::Postgres>().schema().map(Some),
            #[cfg(feature = "mysql")]
            Some("mysql") => self.sql::<sqlx::MySql>().schema().map(Some),
            Some("" | "sqlite" | "redis") => Ok(None),
            _ => Err(no_store(scheme)),
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// `Rejected` for a URL of no known store, or of one that this build does not have; otherwise as the store's own
    /// options say.
    pub async fn open(self) -> Result<AnyStore> {
        let (scheme, rest) = self.url.split_once(':').unwrap_or((&self.url, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(AnyStore::Memory(MemoryStore::new())),
            #[cfg(feature = "sqlite")]
            "sqlite" if !rest.is_empty() => sqlite(rest)?.open().map(AnyStore::Sqlite),
            #[cfg(feature = "redis")]
            "redis" | "rediss" | "redis+unix" | "redis+sentinel" | "rediss+sentinel"
            | "redis+cluster" | "rediss+cluster" => {
                self.redis().connect().await.map(AnyStore::Redis)
            }
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => self.sql().connect().await.map(AnyStore::Postgres),
            #[cfg(feature = "mysql")]
            "mysql" | "mariadb" => self.sql().connect().await.map(AnyStore::MySql),
            _ => Err(no_store(scheme)),
        }
    }

    #[cfg(feature = "redis")]
    fn redis(&self) -> super::RedisOptions {
        let mut options = super::RedisStore::options(&self.url);
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        options
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    fn sql<D: super::Dialect>(&self) -> super::SqlOptions<D> {
        let mut options = super::SqlStore::options(&self.url);
        if let Some(table) = &self.table {
            options = options.table(table);
        }
        if let Some(connections) = self.max_connections {
            options = options.max_connections(connections);
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        options
    }
}

/// The path of a file, and after a question mark what its answers promise.
#[cfg(feature = "sqlite")]
fn sqlite(rest: &str) -> Result<super::SqliteOptions> {
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let mut options = super::SqliteStore::options(path.strip_prefix("//").unwrap_or(path));
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let durability = match parameter {
            "durability=durable" => super::Durability::Durable,
            "durability=fast" => super::Durability::Fast,
            _ => {
                let cause = "sqlite: knows `durability=durable` and `durability=fast` after the question mark";
                return Err(StoreError::new(StoreErrorKind::Rejected, cause));
            }
        };
        options = options.durability(durability);
    }
    Ok(options)
}

/// Names the scheme only: the rest of a URL may hold a password (S87).
fn no_store(scheme: &str) -> StoreError {
    let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
    let cause = match known {
        None if scheme == "memcached" => {
            "memcached: finds nothing by its owner, as this store has to: use `MemcachedStore` itself"
                .to_owned()
        }
        Some((_, "")) | None => {
            let names: Vec<&str> = SCHEMES.iter().map(|(name, _)| *name).collect();
            format!("no store's URL begins like this one; known are: {}", names.join(", "))
        }
        Some((_, "sqlite")) if cfg!(feature = "sqlite") => {
            "sqlite: needs the path of a file after it".to_owned()
        }
        Some((_, feature)) => {
            format!("{scheme}: turn on cloakroom's feature `{feature}` to have this store")
        }
    };
    StoreError::new(StoreErrorKind::Rejected, cause)
}

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
        AnyOptions { url: url.to_owned(), ..AnyOptions::default() }
    }

    /// The table and its indexes as SQL, where the store has a table that can be made beforehand.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Some(store.schema()),
            #[cfg(feature = "mysql")]
            Self::MySql(store) => Some(store.schema()),
            _ => None,
        }
    }

    /// Whether expired records stay until they are [swept](Sweep), because nothing else removes them.
    #[must_use]
    pub const fn keeps_expired(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
            #[cfg(feature = "mysql")]
            Self::MySql(_) => true,
            _ => false,
        }
    }

    /// Makes the table, where the store has one and it is not there.
    ///
    /// # Errors
    /// `Rejected` if this user may not.
    pub async fn create_table(&self) -> Result<()> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.create_table().await,
            #[cfg(feature = "mysql")]
            Self::MySql(store) => store.create_table().await,
            _ => Ok(()),
        }
    }
}

/// The same call on whichever store it is.
macro_rules! on_each {
    ($any:expr, $store:ident => $call:expr) => {
        match $any {
            AnyStore::Memory($store) => $call,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite($store) => $call,
            #[cfg(feature = "redis")]
            AnyStore::Redis($store) => $call,
            #[cfg(feature = "postgres")]
            AnyStore::Postgres($store) => $call,
            #[cfg(feature = "mysql")]
            AnyStore::MySql($store) => $call,
        }
    };
}

impl Store for AnyStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        on_each!(self, store => store.load(key).await)
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        on_each!(self, store => store.create(key, record).await)
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        on_each!(self, store => store.replace(key, expected, record).await)
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        on_each!(self, store => store.touch(key, seen, expires_at).await)
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        on_each!(self, store => store.remove(key).await)
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        on_each!(self, store => store.await_replication(key).await)
    }
}

impl Index for AnyStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        on_each!(self, store => store.list(owner).await)
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        on_each!(self, store => store.count(owner).await)
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        on_each!(self, store => store.remove_of(owner, key).await)
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        on_each!(self, store => store.remove_all_but(owner, keep).await)
    }
}

impl Scan for AnyStore {
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        on_each!(self, store => store.scan(after, limit).await)
    }
}

impl Sweep for AnyStore {
    /// Nothing is to be done in Redis, which drops what has expired by itself.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        match self {
            Self::Memory(store) => store.sweep(now, limit).await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.sweep(now, limit).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.sweep(now, limit).await,
            #[cfg(feature = "mysql")]
            Self::MySql(store) => store.sweep(now, limit).await,
            #[cfg(feature = "redis")]
            Self::Redis(_) => Ok(0),
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r54_what_a_url_says_of_a_file_is_done_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions.db").display().to_string();
        for parameters in ["", "?", "?durability=fast", "?durability=durable"] {
            let url = format!("sqlite:{path}{parameters}");
            assert!(matches!(AnyStore::open(&url).await, Ok(AnyStore::Sqlite(_))), "{url}");
        }
        for parameters in ["?mode=rwc", "?durability=none", "?durability=fast&cache=shared"] {
            let error = AnyStore::open(&format!("sqlite:{path}{parameters}")).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Rejected, "{parameters}");
            assert!(format!("{error:?}").contains("durability"), "{error:?}");
        }
        let mut files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        assert!(!files.any(|file| file.display().to_string().contains('?')), "it is no name");
        assert!(AnyStore::open("sqlite::memory:").await.is_err());
    }
}
