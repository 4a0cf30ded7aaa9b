//! Records in a table of PostgreSQL 12 or later: for several servers that have a database anyway.
//!
//! Each call is one prepared statement; a `replace` that comes too late reads in a second one what was faster.
//! An answer to a write promises what the server's `synchronous_commit` does.
//!
//! Expired rows stay until they are swept: [`sweep_forever`](super::sweep_forever) does so in the background, a few
//! at a time, passing over rows that are in use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::{Executor, Row};

use super::{
    Created, Index, Listed, Record, Replaced, Result, Store, StoreError, StoreErrorKind, StoreKey,
    Stored, Sweep, Version,
};
use crate::time::Timestamp;

mod error;

use error::store_error;

const TABLE: &str = "cloakroom_sessions";
const SCHEMA: &str = include_str!("postgres/schema.sql");

/// Keeps records in PostgreSQL. Clones are the same store, on the same pool.
///
/// ```no_run
/// # async fn connect() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::{PostgresStore, sweep_forever};
///
/// let store = PostgresStore::connect("postgres://app:secret@localhost/app").await?;
/// store.create_table().await?; // or run `store.schema()` with your migrations
/// tokio::spawn(sweep_forever(store.clone(), std::time::Duration::from_secs(60)));
/// let sessions = StoredFactory::new(store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    shared: Arc<Shared>,
}

/// The statements, with the table's name in them.
struct Shared {
    schema: String,
    select: String,
    insert: String,
    update: String,
    touch: String,
    delete: String,
    list: String,
    count: String,
    delete_of: String,
    delete_all_but: String,
    sweep: String,
}

/// How PostgreSQL is to be reached.
#[must_use = "nothing is connected before `connect` is called"]
#[derive(Clone)]
pub struct PostgresOptions {
    url: String,
    table: String,
    max_connections: u32,
    connect_timeout: Duration,
}

impl PostgresOptions {
    /// The table, perhaps with its schema before a dot; default `cloakroom_sessions`. Letters, digits and `_` only.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// How many connections there may be; default 10.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// How long a call waits for a connection that is free or new; default 2 seconds. How long a call may take in all
    /// is for the factory to say: [`StoredBuilder::io_timeout`](crate::factory::StoredBuilder::io_timeout).
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// `Rejected` for a URL or a table's name that is none, or a password that is wrong; `Unavailable` or `TimedOut` for
    /// a server that does not answer.
    pub async fn connect(self) -> Result<PostgresStore> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(error::no_url());
        }
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.connect_timeout);
        let pool = pool.connect(&self.url).await.map_err(store_error)?;
        PostgresStore::on(pool, &self.table)
    }
}

impl PostgresStore {
    /// Connects to `postgres://user:password@host[:port]/database` with the default options.
    ///
    /// # Errors
    /// As [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options(url).connect().await
    }

    /// For other options.
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions {
            url: url.to_owned(),
            table: TABLE.to_owned(),
            max_connections: 10,
            connect_timeout: Duration::from_secs(2),
        }
    }

    /// On a pool that the application has already.
    ///
    /// # Errors
    /// `Rejected` for a table's name that is none.
    pub fn on(pool: PgPool, table: &str) -> Result<Self> {
        Ok(Self { pool, shared: Arc::new(Shared::new(table)?) })
    }

    /// Makes the table and its indexes, if they are not there.
    ///
    /// # Errors
    /// `Rejected` if this user may not.
    pub async fn create_table(&self) -> Result<()> {
        self.pool.execute(self.shared.schema.as_str()).await.map(drop).map_err(store_error)
    }

    /// The table and its indexes as SQL, for who runs migrations by other means.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.shared.schema
    }
}

impl Shared {
    fn new(table: &str) -> Result<Self> {
        let is_word = |word: &str| {
            let mut bytes = word.bytes();
            bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
                && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        let mut words = table.split('.');
        if !(words.clone().all(is_word) && words.clone().count() <= 2) {
            let cause = format!("{table:?} is no table's name: letters, digits and _ only");
            return Err(StoreError::new(StoreErrorKind::Rejected, cause));
        }
        let name = words.next_back().unwrap_or(table);
        let sql = |text: &str| text.replace("{table}", table).replace("{name}", name);
        let row = "version, expires_at, owner, data";
        Ok(Self {
            schema: sql(SCHEMA),
            select: sql(&format!("SELECT {row} FROM {{table}} WHERE key = $1")),
            insert: sql("INSERT INTO {table} (key, version, expires_at, owner, data) \
                         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"),
            update: sql("UPDATE {table} SET version = $3, expires_at = $4, owner = $5, data = $6 \
                         WHERE key = $1 AND version = $2"),
            touch: sql("UPDATE {table} SET expires_at = $2 WHERE key = $1"),
            delete: sql("DELETE FROM {table} WHERE key = $1"),
            list: sql(&format!("SELECT {row}, key FROM {{table}} WHERE owner = $1")),
            count: sql("SELECT count(*) FROM {table} WHERE owner = $1"),
            delete_of: sql("DELETE FROM {table} WHERE key = $1 AND owner = $2"),
            delete_all_but: sql("DELETE FROM {table} WHERE owner = $1 AND key IS DISTINCT FROM $2"),
            sweep: sql("DELETE FROM {table} WHERE key IN (SELECT key FROM {table} \
                        WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)"),
        })
    }
}

impl Store for PostgresStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let query = sqlx::query(&self.shared.select).bind(&key.as_bytes()[..]);
        let row = query.fetch_optional(&self.pool).await.map_err(store_error)?;
        row.map(|row| stored(&row)).transpose()
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let query = sqlx::query(&self.shared.insert)
            .bind(&key.as_bytes()[..])
            .bind(number(Version::FIRST))
            .bind(record.expires_at.as_micros())
            .bind(record.owner.as_deref())
            .bind(&record.data[..]);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(match done.rows_affected() {
            1 => Created::Done(Version::FIRST),
            _ => Created::Taken,
        })
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let query = sqlx::query(&self.shared.update)
            .bind(&key.as_bytes()[..])
            .bind(number(expected))
            .bind(number(expected.next()))
            .bind(record.expires_at.as_micros())
            .bind(record.owner.as_deref())
            .bind(&record.data[..]);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        if done.rows_affected() == 1 {
            return Ok(Replaced::Done(expected.next()));
        }
        // A statement of its own: the one before sees the table as it was when it began.
        Ok(self.load(key).await?.map_or(Replaced::Gone, Replaced::Conflict))
    }

    async fn touch(&self, key: &StoreKey, expires_at: Timestamp) -> Result<bool> {
        let query = sqlx::query(&self.shared.touch).bind(&key.as_bytes()[..]);
        let query = query.bind(expires_at.as_micros());
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() == 1)
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let query = sqlx::query(&self.shared.delete).bind(&key.as_bytes()[..]);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() == 1)
    }
}

impl Index for PostgresStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let query = sqlx::query(&self.shared.list).bind(owner);
        let rows = query.fetch_all(&self.pool).await.map_err(store_error)?;
        rows.iter().map(listed).collect()
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        let query = sqlx::query_scalar(&self.shared.count).bind(owner);
        let count: i64 = query.fetch_one(&self.pool).await.map_err(store_error)?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let query = sqlx::query(&self.shared.delete_of).bind(&key.as_bytes()[..]).bind(owner);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(done.rows_affected() == 1)
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let keep = keep.map(|key| &key.as_bytes()[..]);
        let query = sqlx::query(&self.shared.delete_all_but).bind(owner).bind(keep);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }
}

impl Sweep for PostgresStore {
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let query = sqlx::query(&self.shared.sweep).bind(now.as_micros()).bind(limit);
        let done = query.execute(&self.pool).await.map_err(store_error)?;
        Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
    }
}

const fn number(version: Version) -> i64 {
    version.number().cast_signed()
}

/// The record in a row that begins with version, expiry, owner and data.
fn stored(row: &PgRow) -> Result<Stored> {
    let read = || -> std::result::Result<Stored, sqlx::Error> {
        let (version, expires_at): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (owner, data): (Option<String>, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
        let expires_at = Timestamp::from_micros(expires_at);
        Ok(Stored {
            record: Record::new(data, expires_at, owner.map(Arc::from)),
            version: Version::from_number(version.cast_unsigned()),
        })
    };
    read().map_err(store_error)
}

fn listed(row: &PgRow) -> Result<Listed> {
    let key: &[u8] = row.try_get(4).map_err(store_error)?;
    let key = key.try_into().map_err(|_| {
        StoreError::new(StoreErrorKind::Corrupt, "a key in the table has not 16 bytes")
    })?;
    Ok(Listed { key: StoreKey::from_bytes(key), stored: stored(row)? })
}

impl fmt::Debug for PostgresStore {
    /// Without the URL, which may hold a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.pool.size())
            .finish_non_exhaustive()
    }
}
