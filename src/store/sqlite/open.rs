//! Opening the file: whose it is, which version its schema has, and how it is to be written.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::Durability;
use super::error::store_error;
use crate::store::{Result, StoreError, StoreErrorKind, setting};

/// Says in the file's head that it is ours: "cloa" in ASCII.
const APPLICATION_ID: i64 = 0x636c_6f61;
/// Each brings the schema from one version to the next; the first from nothing.
const MIGRATIONS: [&str; 1] = [include_str!("schema_1.sql")];
const NEWEST: i64 = MIGRATIONS.len() as i64;

pub(super) struct How {
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    pub(super) max_bytes: Option<u64>,
}

/// A page of a file, as SQLite makes it.
const PAGE: u64 = 4096;

impl How {
    /// Whether SQLite can do so (R54).
    pub(super) fn check(&self) -> Result<()> {
        if self.max_bytes.is_some_and(|bytes| bytes < PAGE) {
            // A limit of no page is none to SQLite.
            let reason =
                "is less than a page of 4096 bytes, so that nothing could be written: give more";
            return Err(setting::refused("max_bytes", reason));
        }
        Ok(())
    }

    /// SQLite counts milliseconds in 31 bits.
    fn patience(&self) -> Duration {
        self.busy_timeout.min(Duration::from_millis(i32::MAX as u64))
    }
}

/// Refuses what SQLite takes for something else than the path of a file.
pub(super) fn check_path(path: &Path) -> Result<()> {
    let text = path.to_string_lossy();
    let reason = if text.is_empty() || text == ":memory:" {
        "is no file, and what one connection writes there no other can read: give the path of a file, or use \
         `MemoryStore`"
    } else if text.starts_with("file:") {
        "is a URI: give the path of the file alone, and the rest as options"
    } else {
        return Ok(());
    };
    Err(setting::refused("path", reason))
}

/// A connection that may write, to a file with the newest schema.
pub(super) fn writer(path: &Path, how: &How) -> Result<Connection> {
    create_private(path)?;
    let mut connection = connect(path, how)?;
    check_whose(&connection)?;
    keep_private(path);
    configure(&connection, how).map_err(store_error)?;
    migrate(&mut connection).map_err(store_error)?;
    Ok(connection)
}

/// A connection that reads what has been committed.
pub(super) fn reader(path: &Path, how: &How) -> Result<Connection> {
    let connection = connect(path, how)?;
    connection.pragma_update(None, "query_only", true).map_err(store_error)?;
    Ok(connection)
}

fn connect(path: &Path, how: &How) -> Result<Connection> {
    // Each connection stays on one thread; SQLite need not guard it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(store_error)?;
    connection.busy_timeout(how.patience()).map_err(store_error)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}

/// Makes the file if there is none, for its owner alone: it holds sessions. SQLite gives the files beside it the
/// same rights.
fn create_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(StoreError::new(StoreErrorKind::Unavailable, error))
        }
        _ => Ok(()),
    }
}

/// Takes from everybody else what rights they have to a file that was there before, and to those beside it.
#[cfg(unix)]
fn keep_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for beside in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        let Ok(rights) = std::fs::metadata(&name).map(|there| there.permissions()) else {
            continue;
        };
        let own = rights.mode() & 0o700;
        if rights.mode() & 0o777 != own
            && let Err(error) = std::fs::set_permissions(&name, PermissionsExt::from_mode(own))
        {
            let file = name.display();
            tracing::warn!(%file, %error, "others may read sessions here, and it cannot be changed");
        }
    }
}

#[cfg(not(unix))]
const fn keep_private(_: &Path) {}

/// Refuses a file of another program, or of a later version, before anything is written to it.
fn check_whose(connection: &Connection) -> Result<()> {
    // One statement sees one moment: another process may be making the file right now.
    let sql = "SELECT (SELECT application_id FROM pragma_application_id), \
               (SELECT user_version FROM pragma_user_version), \
               (SELECT count(*) FROM sqlite_schema)";
    let header = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let (id, version, tables): (i64, i64, i64) = header.map_err(store_error)?;
    if id != APPLICATION_ID && (id != 0 || tables != 0) {
        let cause = "the file is another program's database; give sessions a file of their own";
        return Err(StoreError::new(StoreErrorKind::Rejected, cause));
    }
    if !(0..=NEWEST).contains(&version) {
        let cause = format!(
            "the file has schema version {version}, this program knows up to {NEWEST}: \
             use the newer cloakroom that wrote it"
        );
        return Err(StoreError::new(StoreErrorKind::Rejected, cause));
    }
    Ok(())
}

fn configure(connection: &Connection, how: &How) -> rusqlite::Result<()> {
    write_ahead(connection, how.patience())?;
    let synchronous = match how.durability {
        Durability::Durable => "full",
        Durability::Fast => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // What was removed is overwritten where that costs no further write.
    connection.pragma_update(None, "secure_delete", "fast")?;
    if let Some(bytes) = how.max_bytes {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        // The pragma answers with the limit in force.
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    Ok(())
}

/// Makes the journal a write-ahead log. SQLite does not wait by itself for others that open the file too.
fn write_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(5);
    let mut left = patience;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_busy(&error) && left > PAUSE => {
                left -= PAUSE;
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// All steps that are missing, or none. Two processes that open a new file do it once.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    if version(connection)? == NEWEST {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(version(&transaction)?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", NEWEST)?;
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}
