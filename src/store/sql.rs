//! Records in a table of PostgreSQL, MySQL or MariaDB: for several servers that have a database anyway.
//!
//! Each call is one prepared statement; a `replace` or a `touch` that comes too late asks in a second one what was faster.
//! An answer to a write promises what the server is set up to promise (`synchronous_commit`,
//! `innodb_flush_log_at_trx_commit`).
//!
//! What a server answers has a meaning, by a table for each database; what is done follows from it. A statement that was
//! rolled back whole, because of a deadlock for one, is made again. A connection that leads to a server which takes no
//! writes any more, or is leaving, is closed, as are all that were made before it, and the call is made on another one; so
//! is a read whose connection was lost. Any other answer is a refusal, and no reason to take the store for dead.
//!
//! The server gives a statement up after one and a half seconds, long before a request does, so that a locked table
//! leaves no connections behind; a call that is given up reads its answer before anybody else uses its connection.
//!
//! `PgBouncer` is noticed by what it does not let through. Then each statement is sent as one text, with its values as
//! hexadecimal digits: what the server logs of statements has sessions in it.
//!
//! Expired rows stay until they are swept: [`sweep_forever`](super::sweep_forever) does so in the background, a few
//! at a time, passing over rows that are in use.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::{Error, Pool};

use super::{
    Created, Cursor, Index, Listed, Page, Record, Replaced, Result, Scan, Store, StoreError,
    StoreErrorKind, StoreKey, Stored, Sweep, Touched, Version, parameters, setting,
};
use crate::time::Timestamp;

mod attempts;
mod dialect;
mod error;
mod finish;
mod lent;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod renewal;
mod resting;
mod rights;
mod statements;
#[cfg(feature = "mysql")]
mod sweeper;

pub use dialect::Dialect;
use dialect::{Done, Row, Span, Value};
use lent::Lender;
use renewal::Renewal;
use statements::Statements;

/// When the server gives a statement up: before [`io_timeout`](crate::factory::StoredBuilder::io_timeout), which is 3
/// seconds unless said otherwise, so that it is not left at work for nobody. It is also how long connections that were
/// forgotten on the way, all of a pool's perhaps, are waited for: everybody is to be served again within two seconds.
const LIMIT: Duration = Duration::from_millis(1_500);

/// How many rows a statement of a sweep looks at.
const LOOKS: i64 = 1_000;

/// Keeps records in PostgreSQL 12 or later. Clones are the same store, on the same pool.
///
/// ```no_run
/// # async fn connect() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::{PostgresStore, sweep_forever};
///
/// let store = PostgresStore::connect("postgres://app:secret@localhost/app").await?;
/// store.create_table().await?; // or run `store.schema()` with your migrations
/// tokio::spawn(sweep_forever(store.clone(), std::time::Duration::from_secs(60)));
/// let sessions = StoredFactory::new("shop", store);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "postgres")]
pub type PostgresStore = SqlStore<sqlx::Postgres>;

/// How PostgreSQL is to be reached.
#[cfg(feature = "postgres")]
pub type PostgresOptions = SqlOptions<sqlx::Postgres>;

/// Keeps records in MySQL 8 or MariaDB 10.6, or later. Clones are the same store, on the same pool.
///
/// ```no_run
/// # async fn connect() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::{MySqlStore, sweep_forever};
///
/// let store = MySqlStore::connect("mysql://app:secret@localhost/app").await?;
/// store.create_table().await?; // or run `store.schema()` with your migrations
/// tokio::spawn(sweep_forever(store.clone(), std::time::Duration::from_secs(60)));
/// let sessions = StoredFactory::new("shop", store);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "mysql")]
pub type MySqlStore = SqlStore<sqlx::MySql>;

/// How MySQL or MariaDB is to be reached.
#[cfg(feature = "mysql")]
pub type MySqlOptions = SqlOptions<sqlx::MySql>;

/// What is kept in each dialect of SQL alike: use it as `PostgresStore` or `MySqlStore`.
pub struct SqlStore<D: Dialect> {
    lender: Lender<D>,
    statements: Arc<Statements>,
}

/// How a database is to be reached.
#[must_use = "nothing is connected before `connect` is called"]
#[derive(Clone)]
pub struct SqlOptions<D: Dialect> {
    url: String,
    table: String,
    pool: PoolOptions<D>,
}

impl<D: Dialect> SqlOptions<D> {
    /// The table, perhaps with its schema before a dot; default `cloakroom_sessions`. Letters, digits and `_` only.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = table.into();
        self
    }

    /// How many connections there may be; default 10.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.pool = self.pool.max_connections(connections);
        self
    }

    /// How long a call waits for a connection that is free or new; default 2 seconds. How long a call may take in all
    /// is for the factory to say: [`StoredBuilder::io_timeout`](crate::factory::StoredBuilder::io_timeout).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.pool = self.pool.acquire_timeout(timeout);
        self
    }

    /// The table and its indexes as SQL, without connecting.
    ///
    /// # Errors
    /// `Rejected` for a table's name that is none.
    pub fn schema(&self) -> Result<String> {
        Ok(Statements::new::<D>(&self.table)?.schema)
    }

    /// Whether all that was said can be served.
    pub(crate) fn check(&self) -> Result<()> {
        if !D::SCHEMES.iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(StoreError::new(StoreErrorKind::Rejected, D::NO_URL));
        }
        parameters::split(&self.url, D::PARAMETERS)?;
        setting::max_connections(self.pool.get_max_connections())?;
        setting::connect_timeout(self.pool.get_acquire_timeout())?;
        Statements::new::<D>(&self.table)?;
        let url = self.url.parse::<<D::Connection as sqlx::Connection>::Options>();
        url.map(drop).map_err(error::of::<D>)
    }

    /// Connects.
    ///
    /// # Errors
    /// `Rejected` for a URL or a table's name that is none, a parameter that is not known, an option that cannot be
    /// served, a password that is wrong, or a user who may not read, insert, update and delete rows of the table that is
    /// there; `Unavailable` or `TimedOut` for a server that does not answer.
    pub async fn connect(self) -> Result<SqlStore<D>> {
        self.check()?;
        let statements = Statements::new::<D>(&self.table)?;
        let timeout = setting::connect_timeout(self.pool.get_acquire_timeout())?;
        let renewal = Renewal::new(true);
        let pool = lent::watched(self.pool.acquire_timeout(timeout), &renewal);
        let connected = match D::connect(pool, &self.url).await {
            Err(Error::PoolTimedOut) => Err(match self.url.parse() {
                Ok(options) => lent::why_not::<D>(&options).await,
                Err(error) => error,
            }),
            connected => connected,
        };
        let (pool, manner) = connected.map_err(error::of::<D>)?;
        let lender = Lender::own(pool, manner, renewal);
        let store = SqlStore { lender, statements: Arc::new(statements) };
        // One that does not answer any more will say so to visitors.
        tokio::time::timeout(timeout, store.look_around()).await.unwrap_or(Ok(()))?;
        Ok(store)
    }
}

impl<D: Dialect> SqlStore<D> {
    /// Connects to `postgres://user:password@host[:port]/database`, or `mysql://…`, with the default options.
    ///
    /// # Errors
    /// As [`SqlOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options(url).connect().await
    }

    /// For other options.
    pub fn options(url: &str) -> SqlOptions<D> {
        let pool = PoolOptions::new()
            .max_connections(10)
            .acquire_timeout(Duration::from_secs(2))
            // One in use a moment ago is there still: asking it first would be a round trip more for each call.
            .test_before_acquire(false);
        SqlOptions { url: url.to_owned(), table: statements::TABLE.to_owned(), pool }
    }

    /// On a pool that the application has already. Its connections stay as they were set up: give them a
    /// `statement_timeout` (`max_statement_time`, `max_execution_time`) below
    /// [`io_timeout`](crate::factory::StoredBuilder::io_timeout), so that the server gives up when requests do. It must
    /// not be one by way of a pooler that gives each transaction another session, as `PgBouncer` does in transaction mode:
    /// that only works with a connection of the store's own, by [`connect`](Self::connect).
    ///
    /// # Errors
    /// `Rejected` for a table's name that is none.
    pub fn on(pool: Pool<D>, table: &str) -> Result<Self> {
        Ok(Self {
            lender: Lender::shared(pool),
            statements: Arc::new(Statements::new::<D>(table)?),
        })
    }

    /// Makes the table and its indexes, if they are not there, and brings a table of an earlier version up to date. Several
    /// processes may do so at once, and one that may not can do so where the table is as it should be already.
    ///
    /// # Errors
    /// `Rejected` if this user may not.
    pub async fn create_table(&self) -> Result<()> {
        let Err(error) = D::execute_script(&self.lender, &self.statements.make).await else {
            return Ok(());
        };
        let anything = StoreKey::from_bytes([0; 16]);
        let layout = &self.statements.layout;
        match D::count(&self.lender, layout, &[bytes(&anything)]).await {
            Ok(_) => {}
            Err(other) if error::is_of_column(&other) => return Err(other),
            Err(_) => return Err(error),
        }
        tracing::info!(error = &error as &dyn std::error::Error, "the table is there, as it is");
        Ok(())
    }

    /// The table and its indexes as SQL, for who runs migrations by other means. It can be run again, and brings a table of
    /// an earlier version up to date.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.statements.schema
    }

    /// Runs a statement and says how many rows it concerned.
    async fn execute(&self, sql: &Arc<str>, values: &[Value<'_>]) -> Result<usize> {
        let done = D::execute(&self.lender, sql, values).await?;
        Ok(usize::try_from(done.rows).unwrap_or(usize::MAX))
    }

    /// Whether what is there now is what a write in doubt has left. Another's is not the same to the microsecond.
    async fn is_there(&self, key: &StoreKey, version: Version, record: &Record) -> Result<bool> {
        let there = self.load(key).await?;
        Ok(there.is_some_and(|there| there.version == version && there.record == *record))
    }
}

impl<D: Dialect> Store for SqlStore<D> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let rows = D::fetch(&self.lender, &self.statements.select, &[bytes(key)]).await?;
        Ok(rows.into_iter().next().map(Row::stored))
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let [version, expires_at, owner, data] = columns::<D>(Version::FIRST, record)?;
        let values = [bytes(key), version, expires_at, owner, data];
        let Done { rows, is_in_doubt } =
            D::execute(&self.lender, &self.statements.insert, &values).await?;
        let is_ours =
            rows == 1 || is_in_doubt && self.is_there(key, Version::FIRST, record).await?;
        Ok(if is_ours { Created::Done(Version::FIRST) } else { Created::Taken })
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let next = expected.next();
        let [version, expires_at, owner, data] = columns::<D>(next, record)?;
        let values = [version, expires_at, owner, data, bytes(key), number(expected)];
        let Done { rows, is_in_doubt } =
            D::execute(&self.lender, &self.statements.update, &values).await?;
        if rows == 1 || is_in_doubt && self.is_there(key, next, record).await? {
            return Ok(Replaced::Done(next));
        }
        // A statement of its own: the one before sees the table as it was when it began.
        Ok(self.load(key).await?.map_or(Replaced::Gone, Replaced::Conflict))
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let values = [Value::Number(expires_at.as_micros()), bytes(key), number(seen)];
        if self.execute(&self.statements.touch, &values).await? == 1 {
            return Ok(Touched::Done);
        }
        // Only to tell the two apart: nothing was done, and nothing will be.
        let there = D::count(&self.lender, &self.statements.exists, &[bytes(key)]).await?;
        Ok(if there == 0 { Touched::Gone } else { Touched::Changed })
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        Ok(self.execute(&self.statements.delete, &[bytes(key)]).await? == 1)
    }

    /// The server waits before it answers, where it is set up to (`synchronous_standby_names`, semi-synchronous
    /// replication).
    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

impl<D: Dialect> Index for SqlStore<D> {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let values = [Value::Text(Some(owner))];
        let rows = D::fetch(&self.lender, &self.statements.list, &values).await?;
        rows.into_iter().map(Row::listed).collect()
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        let values = [Value::Text(Some(owner))];
        let count = D::count(&self.lender, &self.statements.count, &values).await?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let values = [bytes(key), Value::Text(Some(owner))];
        Ok(self.execute(&self.statements.delete_of, &values).await? == 1)
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let keep = Value::Bytes(keep.map(|key| &key.as_bytes()[..]));
        self.execute(&self.statements.delete_all_but, &[Value::Text(Some(owner)), keep]).await
    }
}

impl<D: Dialect> Scan for SqlStore<D> {
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = limit.max(1);
        let after = after.and_then(|cursor| StoreKey::parse(cursor.as_str()));
        let after = after.as_ref().map_or(&[][..], |key| &key.as_bytes()[..]);
        let values =
            [Value::Bytes(Some(after)), Value::Number(i64::try_from(limit).unwrap_or(i64::MAX))];
        let rows = D::fetch(&self.lender, &self.statements.scan, &values).await?;
        let records = rows.into_iter().map(Row::listed).collect::<Result<_>>()?;
        Ok(Page::in_order(records, limit))
    }
}

impl<D: Dialect> Sweep for SqlStore<D> {
    /// By one sweeper at a time: while another is at it, nothing is removed and the answer is 0.
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        let swept = &self.statements.swept;
        // What the server does in one statement well within its time, however much is asked for.
        let (to, looks) = (now.as_micros(), i64::try_from(limit).unwrap_or(i64::MAX).min(LOOKS));
        let mut removed = 0;
        loop {
            let (from, left) = (swept.load(Ordering::Relaxed), limit - removed);
            let removes = i64::try_from(left).unwrap_or(i64::MAX).min(looks);
            let span = Span { from, to, looks, removes };
            let done = D::sweep(&self.lender, &self.statements, span).await?;
            removed += usize::try_from(done.rows).unwrap_or(usize::MAX).min(left);
            // After a batch that was not full, from the beginning: some rows were in use, or have come late.
            let is_full = done.seen > 0 && done.seen >= looks.cast_unsigned();
            swept.store(if is_full { done.last } else { i64::MIN }, Ordering::Relaxed);
            if !is_full || removed >= limit {
                return Ok(removed);
            }
        }
    }
}

/// A record's columns but the key, in their order.
fn columns<D: Dialect>(version: Version, record: &Record) -> Result<[Value<'_>; 4]> {
    if record.owner.as_ref().is_some_and(|owner| owner.len() > D::LONGEST_OWNER) {
        let cause = format!("an owner of more than {} bytes", D::LONGEST_OWNER);
        return Err(StoreError::new(StoreErrorKind::Rejected, cause));
    }
    let expires_at = Value::Number(record.expires_at.as_micros());
    let owner = Value::Text(record.owner.as_deref());
    Ok([number(version), expires_at, owner, Value::Bytes(Some(&record.data))])
}

const fn number(version: Version) -> Value<'static> {
    Value::Number(version.number().cast_signed())
}

fn bytes(key: &StoreKey) -> Value<'_> {
    Value::Bytes(Some(key.as_bytes()))
}

impl<D: Dialect> Clone for SqlStore<D> {
    fn clone(&self) -> Self {
        Self { lender: self.lender.clone(), statements: self.statements.clone() }
    }
}

impl<D: Dialect> fmt::Debug for SqlStore<D> {
    /// Without the URL, which may hold a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("database", &D::NAME)
            .field("connections", &self.lender.size())
            .finish_non_exhaustive()
    }
}
