//! Records in an SQLite file: kept over restarts, shared by the processes of one machine, with nothing to be run.
//!
//! SQLite 3 comes with the crate. The file is in WAL mode (two more files lie beside it), only its owner may read
//! it, and its schema (`sqlite/schema_1.sql`, FORMATS.md) is made and brought up to date when it is opened. A file that
//! a killed process left opens as it is.
//!
//! Each call is one statement on a thread of its own: one thread writes, two read. What waits for the writer goes
//! into one transaction, and a call is answered when that is committed. Expired rows are removed by the writer now and
//! then. What it cannot do: lie on a network file system, or serve two machines.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row};

use super::{
    Created, Cursor, Index, Listed, Page, Record, Replaced, Result, Scan, Store, StoreKey, Stored,
    Sweep, Touched, Version,
};
use crate::time::{Clock, SystemClock, Timestamp};

mod error;
mod open;
#[cfg(test)]
mod tests;
mod worker;

use open::How;
use worker::{Pool, Sweeper, Worker};

const READERS: usize = 2;

/// What an answer to a write promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It survives a loss of power: every commit waits for the disk. The default.
    #[default]
    Durable,
    /// It survives the end of this process, however sudden. A loss of power takes the last moments back, a logout
    /// among them; what is left is whole.
    Fast,
}

/// Keeps records in an SQLite file. Clones are the same store; its threads end with the last.
///
/// ```
/// use cloakroom::StoredFactory;
/// use cloakroom::store::{Durability, SqliteStore};
///
/// # let folder = std::env::temp_dir().join(format!("cloakroom-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// # let path = folder.join("sessions.db");
/// let store = SqliteStore::options(&path).durability(Durability::Fast).open()?;
/// let sessions = StoredFactory::new("shop", store);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), cloakroom::store::StoreError>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: Worker,
    readers: Pool,
}

/// How an SQLite file is to be opened.
#[must_use = "nothing is opened before `open` is called"]
pub struct SqliteOptions {
    path: PathBuf,
    how: How,
    sweep_every: Option<Duration>,
    clock: Box<dyn Clock>,
}

impl SqliteOptions {
    /// What an answer promises; default [`Durability::Durable`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.how.durability = durability;
        self
    }

    /// How long to wait for another program that has locked the file; default 2 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.how.busy_timeout = timeout;
        self
    }

    /// How large the file may become, in bytes, the write-ahead log beside it not counted; then writes are rejected.
    /// Default what the disk holds.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.how.max_bytes = Some(bytes);
        self
    }

    /// How often expired rows are removed, 500 at a time, by a write that comes then; `None` leaves it to
    /// [`Sweep::sweep`]. Default once a minute.
    pub fn sweep_every(mut self, span: impl Into<Option<Duration>>) -> Self {
        self.sweep_every = span.into();
        self
    }

    /// Another clock, for tests. Only the removal of expired rows asks it.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Opens the file, or makes it. Nobody but its owner may read it from then on.
    ///
    /// # Errors
    /// `Rejected` for a file of another program, of a later version, or that cannot be written, and for a path that is
    /// none (`:memory:`, `file:…`); `Corrupt` for one
    /// that is no database; `Unavailable` for one that is locked or cannot be reached.
    pub fn open(self) -> Result<SqliteStore> {
        let Self { path, how, sweep_every, clock } = self;
        open::check_path(&path)?;
        how.check()?;
        let last = clock.now();
        let sweeper = Sweeper { every: sweep_every, clock, last };
        let writer = Worker::writing(open::writer(&path, &how)?, sweeper)?;
        let reader = |_| Worker::reading(open::reader(&path, &how)?);
        let readers = Pool::new((0..READERS).map(reader).collect::<Result<_>>()?);
        Ok(SqliteStore { shared: Arc::new(Shared { path, writer, readers }) })
    }
}

impl SqliteStore {
    /// Opens the file, or makes it, with the default options.
    ///
    /// # Errors
    /// As [`SqliteOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::options(path).open()
    }

    /// For other options.
    pub fn options(path: impl AsRef<Path>) -> SqliteOptions {
        let how = How {
            durability: Durability::Durable,
            busy_timeout: Duration::from_secs(2),
            max_bytes: None,
        };
        SqliteOptions {
            path: path.as_ref().to_owned(),
            how,
            sweep_every: Some(Duration::from_secs(60)),
            clock: Box::new(SystemClock),
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.writer.ask(work).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared.readers.any().ask(work).await
    }
}

impl Store for SqliteStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let key = *key;
        self.read(move |connection| select(connection, &key)).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let (key, record) = (*key, record.clone());
        self.write(move |connection| {
            let created = connection.prepare_cached(INSERT)?.execute((
                key.as_bytes(),
                number(Version::FIRST),
                record.expires_at.as_micros(),
                record.owner.as_deref(),
                &record.data[..],
            ))?;
            Ok(if created == 1 { Created::Done(Version::FIRST) } else { Created::Taken })
        })
        .await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let (key, record, next) = (*key, record.clone(), expected.next());
        self.write(move |connection| {
            let replaced = connection.prepare_cached(UPDATE)?.execute((
                key.as_bytes(),
                number(expected),
                number(next),
                record.expires_at.as_micros(),
                record.owner.as_deref(),
                &record.data[..],
            ))?;
            if replaced == 1 {
                return Ok(Replaced::Done(next));
            }
            // In the same transaction: what is there now is what was in the way.
            Ok(select(connection, &key)?.map_or(Replaced::Gone, Replaced::Conflict))
        })
        .await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let key = *key;
        self.write(move |connection| {
            let mut touch = connection.prepare_cached(TOUCH)?;
            let row = (key.as_bytes(), number(seen), expires_at.as_micros());
            if touch.execute(row)? == 1 {
                return Ok(Touched::Done);
            }
            // In the same transaction: what is there now is what was in the way.
            let is_there = connection.prepare_cached(EXISTS)?.exists([key.as_bytes()])?;
            Ok(if is_there { Touched::Changed } else { Touched::Gone })
        })
        .await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let key = *key;
        self.write(move |connection| {
            Ok(connection.prepare_cached(DELETE)?.execute([key.as_bytes()])? == 1)
        })
        .await
    }

    /// There is one file, and a write is answered when it is as safe as [`Durability`] asks for.
    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

impl Index for SqliteStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let owner = owner.to_owned();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(LIST)?;
            let rows = statement.query_map([owner], listed)?;
            rows.collect()
        })
        .await
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        let owner = owner.to_owned();
        self.read(move |connection| {
            let count = connection.prepare_cached(COUNT)?.query_row([owner], |row| row.get(0));
            count.map(|count: i64| usize::try_from(count).unwrap_or(0))
        })
        .await
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let (owner, key) = (owner.to_owned(), *key);
        self.write(move |connection| {
            Ok(connection.prepare_cached(DELETE_OF)?.execute((key.as_bytes(), owner))? == 1)
        })
        .await
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let (owner, keep) = (owner.to_owned(), keep.map(|key| *key.as_bytes()));
        self.write(move |connection| {
            connection.prepare_cached(DELETE_ALL_BUT)?.execute((owner, keep))
        })
        .await
    }
}

impl Sweep for SqliteStore {
    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize> {
        self.write(move |connection| worker::sweep(connection, now, limit)).await
    }
}

impl Scan for SqliteStore {
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let limit = limit.max(1);
        let after = after.and_then(|cursor| StoreKey::parse(cursor.as_str()));
        let after = after.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
        let at_most = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(SCAN)?;
            let rows = statement.query_map((after, at_most), listed)?;
            Ok(Page::in_order(rows.collect::<rusqlite::Result<_>>()?, limit))
        })
        .await
    }
}

const SELECT: &str = "SELECT version, expires_at, owner, data FROM sessions WHERE key = ?1";
const INSERT: &str = "INSERT INTO sessions (key, version, expires_at, owner, data) \
                      VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE sessions SET version = ?3, expires_at = ?4, owner = ?5, data = ?6 \
                      WHERE key = ?1 AND version = ?2";
const TOUCH: &str = "UPDATE sessions SET expires_at = ?3 WHERE key = ?1 AND version = ?2";
const EXISTS: &str = "SELECT 1 FROM sessions WHERE key = ?1";
const DELETE: &str = "DELETE FROM sessions WHERE key = ?1";
const LIST: &str = "SELECT version, expires_at, owner, data, key FROM sessions WHERE owner = ?1";
const SCAN: &str = "SELECT version, expires_at, owner, data, key FROM sessions \
                    WHERE key > ?1 ORDER BY key LIMIT ?2";
const COUNT: &str = "SELECT count(*) FROM sessions WHERE owner = ?1";
const DELETE_OF: &str = "DELETE FROM sessions WHERE key = ?1 AND owner = ?2";
const DELETE_ALL_BUT: &str = "DELETE FROM sessions WHERE owner = ?1 AND key IS NOT ?2";

fn select(connection: &Connection, key: &StoreKey) -> rusqlite::Result<Option<Stored>> {
    connection.prepare_cached(SELECT)?.query_row([key.as_bytes()], stored).optional()
}

/// The record in a row that begins with version, expiry, owner and data.
fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let (version, expires_at) = (row.get::<_, i64>(0)?, row.get(1)?);
    let (owner, data) = (row.get::<_, Option<Arc<str>>>(2)?, row.get::<_, Vec<u8>>(3)?);
    Ok(Stored {
        record: Record::new(data, Timestamp::from_micros(expires_at), owner),
        version: Version::from_number(version.cast_unsigned()),
    })
}

/// The same with its key after it.
fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed { key: StoreKey::from_bytes(row.get(4)?), stored: stored(row)? })
}

/// SQLite's integers are signed; the bits are the same.
const fn number(version: Version) -> i64 {
    version.number().cast_signed()
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.shared.path).finish()
    }
}
