//! The suite on MariaDB, and what only MySQL and MariaDB can do: refuse, end connections, compare text loosely.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[path = "engine/mysql_answers.rs"]
mod answers;
#[path = "engine/connections.rs"]
mod connections;
#[path = "engine/costs.rs"]
mod costs;
#[path = "engine/mysql_rights.rs"]
mod rights;
#[path = "engine/switchover.rs"]
mod switchover;
#[path = "engine/versions.rs"]
mod versions;
#[path = "engine/warnings.rs"]
mod warnings;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, MySqlStore, Record, Replaced, Store, StoreErrorKind, StoreKey, Stored, Sweep,
    Version,
};
use cloakroom::testing::FakeClock;
use cloakroom_engines::{MariaDb, Proxy};
use sqlx::{Connection, Executor, MySqlConnection, Row};

/// One server for all tests of this binary. Each has a table of its own.
static SERVER: LazyLock<MariaDb> =
    LazyLock::new(|| MariaDb::start().unwrap_or_else(|error| panic!("{error}")));

/// A store, and its table's name.
async fn open() -> (MySqlStore, String) {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let table = format!("sessions_{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let options = MySqlStore::options(&SERVER.url()).table(&table).max_connections(4);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    (store, table)
}

async fn connect() -> MySqlStore {
    open().await.0
}

cloakroom::store_conformance!(connect());
cloakroom::store_races!(connect());
// That the column counts further is tested below: all 65,536 writes take 10 s and more.
cloakroom::store_endurance!(connect(), writes = 300);
cloakroom::index_conformance!(connect());
cloakroom::scan_conformance!(connect());
cloakroom::sweep_conformance!(connect());

async fn beside() -> MySqlConnection {
    MySqlConnection::connect(&SERVER.url()).await.unwrap()
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(owner: Option<&str>) -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), owner.map(Into::into))
}

async fn create(store: &MySqlStore, number: u8, owner: Option<&str>) {
    let created = store.create(&key(number), &record(owner)).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
}

async fn create_expired(store: &MySqlStore, number: u8) {
    let expired = Record::new(&b""[..], Timestamp::from_secs(1), None);
    assert_eq!(store.create(&key(number), &expired).await.unwrap(), Created::Done(Version::FIRST));
}

#[tokio::test]
async fn owners_that_differ_in_case_accents_or_blanks_are_not_one() {
    let store = connect().await;
    for (number, owner) in (1..).zip(["ada", "Ada", "ada ", "ada\0", "adá", "ada🦀"]) {
        create(&store, number, Some(owner)).await;
    }
    assert_eq!(store.count("ada").await.unwrap(), 1);
    assert_eq!(store.list("ada ").await.unwrap()[0].key, key(3));
    assert_eq!(store.remove_all_but("ada🦀", None).await.unwrap(), 1);
    assert_eq!(store.remove_all_but("ADA", None).await.unwrap(), 0);
}

#[tokio::test]
async fn an_owner_longer_than_the_column_is_refused_and_not_cut_off() {
    let store = connect().await;
    let owner = "a".repeat(1025);
    let error = store.create(&key(1), &record(Some(&owner))).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    create(&store, 1, Some(&owner[1..])).await;
    let error = store.replace(&key(1), Version::FIRST, &record(Some(&owner))).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert_eq!(store.count(&owner[1..]).await.unwrap(), 1);
}

#[tokio::test]
async fn s62_versions_go_on_beyond_those_of_16_and_32_bits() {
    let (store, table) = open().await;
    let (mut beside, sql) = (beside().await, format!("UPDATE {table} SET version = ?"));
    let set = async |version: i64| {
        let set = sqlx::query(&sql).bind(version);
        assert_eq!(set.execute(&mut beside).await.unwrap().rows_affected(), 1);
    };
    versions::assert_they_go_on(store, set).await;
}

#[tokio::test]
async fn s79_a_table_with_a_column_of_a_later_version_is_served() {
    let (store, table) = open().await;
    let later = format!("ALTER TABLE {table} ADD COLUMN more text");
    sqlx::raw_sql(&later).execute(&mut beside().await).await.unwrap();
    versions::assert_it_is_served(store).await;
}

#[tokio::test]
async fn more_calls_than_connections_are_all_served() {
    let (store, _) = open().await;
    connections::assert_more_calls_than_connections_are_served(store).await;
}

#[tokio::test]
async fn s75_connections_that_were_forgotten_on_the_way_are_left_at_once() {
    let (_, table) = open().await;
    let proxy = Proxy::to(&SERVER.url()).unwrap();
    let options = MySqlStore::options(&proxy.before(&SERVER.url())).table(&table);
    let store = options.connect().await.unwrap();
    connections::assert_forgotten_connections_are_left_at_once(store, &proxy).await;
}

#[tokio::test]
async fn s69_a_call_that_is_given_up_leaves_its_answer_to_nobody() {
    let (store, _) = open().await;
    connections::assert_a_call_given_up_leaves_no_answer_behind(store).await;
}

#[tokio::test]
async fn s69_a_call_dropped_after_any_number_of_polls_leaves_its_answer_to_nobody() {
    let ((_, own), (_, given)) = (open().await, open().await);
    connections::assert_no_answer_is_left_on_any_pool::<sqlx::MySql>(&SERVER.url(), [&own, &given])
        .await;
}

#[tokio::test]
async fn a_request_takes_no_statement_untouched_one_to_read_and_two_to_write() {
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let store = MySqlStore::connect(&server.url()).await.unwrap();
    store.create_table().await.unwrap();
    let mut beside = MySqlConnection::connect(&server.url()).await.unwrap();
    let mut before = 0;
    costs::assert_of_requests(store, FakeClock::at(1_000_000.0), async || {
        // This one is none of them.
        let status = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'");
        let status = status.fetch_one(&mut beside).await.unwrap();
        let executed: usize = status.get::<String, _>(1).parse().unwrap();
        executed - std::mem::replace(&mut before, executed)
    })
    .await;
}

#[tokio::test]
async fn the_schema_can_be_made_twice_and_is_what_is_printed() {
    let (store, table) = open().await;
    store.create_table().await.unwrap();
    let indexes = "SELECT DISTINCT CAST(index_name AS char) FROM information_schema.statistics \
                   WHERE table_name = ? ORDER BY 1";
    let indexes: Vec<String> =
        sqlx::query_scalar(indexes).bind(&table).fetch_all(&mut beside().await).await.unwrap();
    let expected = ["PRIMARY", &format!("{table}_by_expiry"), &format!("{table}_by_owner")];
    assert_eq!(indexes, expected);
    assert!(store.schema().contains(&format!("CREATE TABLE IF NOT EXISTS {table} (")));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_said_with_what_to_do() {
    let store = MySqlStore::options(&SERVER.url()).table("nowhere").connect().await.unwrap();
    let error = store.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("create_table"), "{source}");
}

#[tokio::test]
async fn a_record_over_the_server_s_limit_is_rejected_and_the_store_goes_on() {
    let store = connect().await;
    let large = Record::new(vec![b'x'; 32 << 20], Timestamp::from_secs(4_102_444_800), None);
    let error = store.create(&key(1), &large).await.unwrap_err();
    assert!(matches!(error.kind(), StoreErrorKind::Rejected | StoreErrorKind::Unavailable));
    create(&store, 1, None).await;
}

#[tokio::test]
async fn s75_connections_that_end_are_made_anew() {
    let mut beside = beside().await;
    beside.execute("CREATE DATABASE alone").await.unwrap();
    let url = SERVER.url().replace("/cloakroom", "/alone");
    let store = MySqlStore::connect(&url).await.unwrap();
    store.create_table().await.unwrap();
    create(&store, 1, None).await;
    // A server that is restarted ends its connections like this.
    let mut end_connections = async || {
        let others =
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = 'alone'";
        let others: Vec<i64> = sqlx::query_scalar(others).fetch_all(&mut beside).await.unwrap();
        assert!(!others.is_empty(), "nothing was connected");
        for id in others {
            beside.execute(format!("KILL {id}").as_str()).await.unwrap();
        }
    };
    end_connections().await;
    let mut failed = 0;
    while store.load(&key(1)).await.is_err() {
        failed += 1;
        assert!(failed < 20, "it does not recover");
    }
    end_connections().await;
    // One that was idle for so long is asked first.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn s78_a_server_that_takes_no_writes_rejects_them_and_still_reads() {
    let (store, table) = open().await;
    create(&store, 1, None).await;
    let pool =
        sqlx::mysql::MySqlPoolOptions::new().max_connections(1).after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET SESSION TRANSACTION READ ONLY").await.map(drop)
            })
        });
    let reader = MySqlStore::on(pool.connect(&SERVER.url()).await.unwrap(), &table).unwrap();
    assert!(reader.load(&key(1)).await.unwrap().is_some());
    let error = reader.replace(&key(1), Version::FIRST, &record(None)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let kept = store.replace(&key(1), Version::FIRST, &record(None)).await.unwrap();
    assert!(matches!(kept, Replaced::Done(_)));
}

#[tokio::test]
async fn s80_a_sweep_passes_over_rows_that_are_in_use() {
    let (store, table) = open().await;
    for number in 1..=3 {
        create_expired(&store, number).await;
    }
    let mut other = beside().await;
    let mut transaction = other.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE `key` = ? FOR UPDATE");
    sqlx::query(&lock).bind(&[1_u8; 16][..]).execute(&mut *transaction).await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 2);
    transaction.rollback().await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn s80_one_sweeper_is_at_it_at_a_time_and_one_given_up_lets_go() {
    let (store, table) = open().await;
    create_expired(&store, 1).await;
    let mut other = beside().await;
    let name = format!("cloakroom sweeps {table}");
    let lock = sqlx::query("SELECT GET_LOCK(?, 0)").bind(&name);
    lock.execute(&mut other).await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 0);
    sqlx::query("DO RELEASE_LOCK(?)").bind(&name).execute(&mut other).await.unwrap();

    // Given up at every point on its way, it holds nothing up.
    for steps in 0..40 {
        let mut sweep = Box::pin(store.sweep(Timestamp::from_secs(2), 0));
        for _ in 0..steps {
            tokio::select! {
                biased;
                _ = &mut sweep => break,
                () = tokio::time::sleep(Duration::from_micros(100)) => {}
            }
        }
    }
    // Seen from elsewhere: the connection that has it could take it again.
    let is_free = format!("SELECT CAST(IS_FREE_LOCK('{name}') AS signed)");
    let mut asked = 0;
    while sqlx::query_scalar::<_, i64>(&is_free).fetch_one(&mut other).await.unwrap() == 0 {
        asked += 1;
        assert!(asked < 500, "a sweep that was given up holds its lock");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn s87_neither_debug_nor_errors_show_a_password() {
    let url = SERVER.url().replace("root@", "nobody:hunter2@");
    let error = MySqlStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let shown = format!("{error:?} {error} {:?}", connect().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Whether a server takes writes, of those who may not overrule it.
async fn set_read_only(server: &MariaDb, is_so: u8) {
    let mut beside = MySqlConnection::connect(&server.url()).await.unwrap();
    beside.execute(format!("SET GLOBAL read_only = {is_so}").as_str()).await.unwrap();
}

#[tokio::test]
async fn s77_after_a_switchover_that_leaves_connections_open_everybody_is_served() {
    let (old, other) = (MariaDb::start().unwrap(), MariaDb::start().unwrap());
    for server in [&old, &other] {
        MySqlStore::connect(&server.url()).await.unwrap().create_table().await.unwrap();
        let mut beside = MySqlConnection::connect(&server.url()).await.unwrap();
        beside.execute("CREATE USER app@'%'").await.unwrap();
        beside.execute("GRANT ALL ON cloakroom.* TO app@'%'").await.unwrap();
    }
    let proxy = Proxy::to(&old.url()).unwrap();
    let url = proxy.before(&old.url()).replace("root@", "app@");
    let store = MySqlStore::connect(&url).await.unwrap();
    let demote = set_read_only(&old, 1);
    switchover::assert_that_it_is_survived(store, demote, || proxy.lead_to(&other.url())).await;
    // The other way round, in a pool of the application's.
    set_read_only(&old, 0).await;
    let store = MySqlStore::on(sqlx::MySqlPool::connect(&url).await.unwrap(), "cloakroom_sessions");
    let demote = set_read_only(&other, 1);
    switchover::assert_that_it_is_survived(store.unwrap(), demote, || proxy.lead_to(&old.url()))
        .await;
}
