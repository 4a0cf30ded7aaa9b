//! What goes wrong with files, and what is said then. That the store keeps its promises, the conformance suite says.

use std::fs;
use std::path::Path;

use rusqlite::OpenFlags;
use tempfile::TempDir;

use super::*;
use crate::store::{StoreError, StoreErrorKind};
use crate::testing::FakeClock;

struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sessions.db")
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::options(self.path()).durability(Durability::Fast).open().unwrap()
    }

    /// Another program's connection.
    fn other(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(expires_at: i64, data: impl Into<bytes::Bytes>) -> Record {
    Record::new(data, Timestamp::from_secs(expires_at), None)
}

async fn create(store: &SqliteStore, number: u8) {
    let created = store.create(&key(number), &record(2_000_000_000, "data")).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
}

/// The kind of a failure, and all that it says.
fn said(error: &StoreError) -> (StoreErrorKind, String) {
    (error.kind(), error.causes())
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again() {
    let file = File::new();
    create(&file.open(), 1).await;
    let again = SqliteStore::open(file.path()).unwrap();
    assert_eq!(again.load(&key(1)).await.unwrap().unwrap().record, record(2_000_000_000, "data"));
}

#[cfg(unix)]
#[tokio::test]
async fn s3_only_the_owner_of_the_file_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let file = File::new();
    create(&file.open(), 1).await;
    for beside in ["", "-wal", "-shm"] {
        let path = format!("{}{beside}", file.path().display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn s3_a_file_that_was_there_before_is_its_owner_s_alone_from_then_on() {
    use std::os::unix::fs::PermissionsExt;
    let (file, other) = (File::new(), File::new());
    let store = file.open();
    create(&store, 1).await;
    let path = |file: &File, beside| format!("{}{beside}", file.path().display());
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for beside in ["", "-wal", "-shm"] {
        fs::set_permissions(path(&file, beside), fs::Permissions::from_mode(0o664)).unwrap();
    }
    let again = file.open();
    for beside in ["", "-wal", "-shm"] {
        assert_eq!(mode(&path(&file, beside)), 0o600, "{beside}");
    }
    drop((store, again));
    // What is another program's is left as it is.
    other.other().execute_batch("CREATE TABLE t (a)").unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(SqliteStore::open(other.path()).is_err());
    assert_eq!(mode(&path(&other, "")), 0o644);
}

#[test]
fn r54_a_path_that_is_no_file_is_refused_before_anything_is_made() {
    for path in ["", ":memory:", "file::memory:?cache=shared", "file:sessions.db?mode=rwc"] {
        let error = SqliteStore::open(path).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{path}");
        assert!(!Path::new(path).exists(), "{path}");
    }
}

#[tokio::test]
async fn s79_a_file_that_a_later_version_has_changed_is_served_on_and_not_opened_again() {
    let file = File::new();
    let store = file.open();
    create(&store, 1).await;
    let later = "ALTER TABLE sessions ADD COLUMN more TEXT; PRAGMA user_version = 2;";
    file.other().execute_batch(later).unwrap();
    create(&store, 2).await;
    let there = store.load(&key(1)).await.unwrap().unwrap();
    let next = record(2_000_000_000, "next");
    assert!(matches!(store.replace(&key(1), there.version, &next).await, Ok(Replaced::Done(_))));
    let (kind, text) = said(&SqliteStore::open(file.path()).unwrap_err());
    assert_eq!(kind, StoreErrorKind::Rejected);
    assert!(text.contains("schema version 2, this program knows up to 1"), "{text}");
    assert_eq!(store.load(&key(1)).await.unwrap().unwrap().record, next, "nobody touched it");
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let file = File::new();
    let (one, two) = (file.open(), file.open());
    create(&one, 1).await;
    let there = two.load(&key(1)).await.unwrap().unwrap();
    let next = record(2_000_000_000, "next");
    assert!(matches!(two.replace(&key(1), there.version, &next).await, Ok(Replaced::Done(_))));
    assert!(matches!(one.replace(&key(1), there.version, &next).await, Ok(Replaced::Conflict(_))));
}

#[test]
fn many_may_open_a_new_file_at_once() {
    for _ in 0..10 {
        let file = File::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| drop(file.open()));
            }
        });
    }
}

#[tokio::test]
async fn s74_a_locked_file_is_unavailable_and_then_available_again() {
    let file = File::new();
    let short = Duration::from_millis(10);
    let store = SqliteStore::options(file.path()).busy_timeout(short).open().unwrap();
    create(&store, 1).await;
    let other = file.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (kind, text) = said(&store.remove(&key(1)).await.unwrap_err());
    assert_eq!(kind, StoreErrorKind::Unavailable);
    assert!(text.contains("locked"), "{text}");
    assert!(store.load(&key(1)).await.unwrap().is_some(), "readers are not kept waiting");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.remove(&key(1)).await.unwrap());
}

#[tokio::test]
async fn s78_a_full_disk_rejects_writes_and_keeps_what_is_there() {
    let file = File::new();
    create(&file.open(), 1).await;
    let store = SqliteStore::options(file.path()).max_bytes(64 << 10).open().unwrap();
    let large = record(2_000_000_000, vec![7; 256 << 10]);
    let (kind, text) = said(&store.create(&key(2), &large).await.unwrap_err());
    assert_eq!(kind, StoreErrorKind::Rejected);
    assert!(text.contains("full"), "{text}");
    assert_eq!(store.load(&key(2)).await.unwrap(), None, "nothing half-written");
    assert!(store.remove(&key(1)).await.unwrap(), "what was there can still be removed");
}

#[tokio::test]
async fn s78_a_read_only_file_rejects_writes_and_is_read() {
    let file = File::new();
    create(&file.open(), 1).await;
    // As root no file is read-only, so the connection is.
    let connection =
        Connection::open_with_flags(file.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let never = Sweeper { every: None, clock: Box::new(SystemClock), last: Timestamp::MAX };
    let shared = Shared {
        path: file.path(),
        writer: Worker::writing(connection, never).unwrap(),
        readers: Pool::new(vec![Worker::reading(file.other()).unwrap()]),
    };
    let store = SqliteStore { shared: Arc::new(shared) };
    let (kind, text) = said(&store.remove(&key(1)).await.unwrap_err());
    assert_eq!(kind, StoreErrorKind::Rejected);
    assert!(text.contains("read-only"), "{text}");
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[test]
fn s73_a_file_that_is_no_database_is_corrupt_and_stays_as_it_is() {
    let file = File::new();
    fs::write(file.path(), "not a database ".repeat(1000)).unwrap();
    let (kind, text) = said(&SqliteStore::open(file.path()).unwrap_err());
    assert_eq!(kind, StoreErrorKind::Corrupt);
    assert!(text.contains("no SQLite database"), "{text}");
    assert_eq!(fs::read(file.path()).unwrap(), "not a database ".repeat(1000).as_bytes());
}

#[test]
fn another_program_s_database_is_refused_untouched() {
    for prepare in ["CREATE TABLE users (name TEXT)", "PRAGMA application_id = 77"] {
        let file = File::new();
        file.other().execute_batch(prepare).unwrap();
        let before = fs::read(file.path()).unwrap();
        let (kind, text) = said(&SqliteStore::open(file.path()).unwrap_err());
        assert_eq!(kind, StoreErrorKind::Rejected);
        assert!(text.contains("another program"), "{text}");
        assert_eq!(fs::read(file.path()).unwrap(), before);
    }
}

#[test]
fn a_later_version_s_file_is_refused_untouched() {
    let file = File::new();
    drop(file.open());
    file.other().pragma_update(None, "user_version", 2).unwrap();
    let (kind, text) = said(&SqliteStore::open(file.path()).unwrap_err());
    assert_eq!(kind, StoreErrorKind::Rejected);
    assert!(text.contains("schema version 2"), "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_unavailable() {
    let error = SqliteStore::open("/no/such/folder/sessions.db").unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn s73_a_row_that_cannot_be_read_is_corrupt_and_never_absent() {
    let file = File::new();
    let store = file.open();
    create(&store, 1).await;
    // STRICT keeps types, but not a blob where the key's length is wrong, nor a page that is damaged.
    file.other()
        .execute_batch(
            "PRAGMA writable_schema = ON; \
        UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'sessions'",
        )
        .unwrap();
    file.other().execute_batch("UPDATE sessions SET data = 5").unwrap();
    drop(store);
    let error = file.open().load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn s80_expired_rows_go_by_themselves_and_never_many_at_once() {
    let (file, clock) = (File::new(), FakeClock::at(1_000.0));
    let store = SqliteStore::options(file.path())
        .durability(Durability::Fast)
        .clock(clock.clone())
        .sweep_every(Duration::from_secs(60))
        .open()
        .unwrap();
    for number in 0..700_u128 {
        let key = StoreKey::from_bytes(number.to_be_bytes());
        let _ = store.create(&key, &record(1_030, "data")).await.unwrap();
    }
    let nobody = StoreKey::from_bytes([0xff; 16]);
    let rows = || file.other().query_row("SELECT count(*) FROM sessions", [], |row| row.get(0));
    let before: i64 = rows().unwrap();
    clock.advance(Duration::from_secs(59));
    let _ = store.touch(&nobody, Version::FIRST, Timestamp::MAX).await.unwrap();
    assert_eq!(rows(), Ok(before), "not due yet");
    clock.advance(Duration::from_secs(1));
    // A write sets it going; the next ones wait for it, because one thread does both.
    for left in [before - 500, 0] {
        let _ = store.touch(&nobody, Version::FIRST, Timestamp::MAX).await.unwrap();
        while rows() != Ok(left) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn s69_a_call_that_is_given_up_leaves_no_thread_waiting() {
    let file = File::new();
    let store = file.open();
    create(&store, 1).await;
    for _ in 0..5_000 {
        let key = key(1);
        let mut call = std::pin::pin!(store.touch(&key, Version::FIRST, Timestamp::MAX));
        let waker = std::task::Waker::noop();
        let _ = call.as_mut().poll(&mut std::task::Context::from_waker(waker));
    }
    assert!(store.remove(&key(1)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s62_many_tasks_share_transactions_and_lose_nothing() {
    let file = File::new();
    let store = file.open();
    let _ = store.create(&key(1), &record(2_000_000_000, "0")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                let mut there = store.load(&key(1)).await.unwrap().unwrap();
                loop {
                    let n: u32 = std::str::from_utf8(&there.record.data).unwrap().parse().unwrap();
                    let next = record(2_000_000_000, (n + 1).to_string());
                    match store.replace(&key(1), there.version, &next).await.unwrap() {
                        Replaced::Done(_) => break,
                        Replaced::Conflict(now) => there = now,
                        Replaced::Gone => panic!("gone"),
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    let there = store.load(&key(1)).await.unwrap().unwrap();
    assert_eq!(there.record.data, "1600");
}
