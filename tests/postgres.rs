//! The suite on PostgreSQL, and what only PostgreSQL can do: refuse, end connections, be counted.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[path = "engine/postgres_answers.rs"]
mod answers;
#[path = "engine/connections.rs"]
mod connections;
#[path = "engine/costs.rs"]
mod costs;
#[path = "engine/pooler.rs"]
mod pooler;
#[path = "engine/postgres_rights.rs"]
mod rights;
#[path = "engine/switchover.rs"]
mod switchover;
#[path = "engine/postgres_touches.rs"]
mod touches;
#[path = "engine/versions.rs"]
mod versions;
#[path = "engine/warnings.rs"]
mod warnings;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, PostgresStore, Record, Replaced, Store, StoreErrorKind, StoreKey, Stored,
    Sweep, Version,
};
use cloakroom::testing::FakeClock;
use cloakroom_engines::{Postgres, Proxy};
use sqlx::{Connection, PgConnection};

/// One server for all tests of this binary. Each has a table of its own.
static SERVER: LazyLock<Postgres> =
    LazyLock::new(|| Postgres::start().unwrap_or_else(|error| panic!("{error}")));

/// A store, and its table's name.
async fn open() -> (PostgresStore, String) {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let table = format!("sessions_{}", TABLES.fetch_add(1, Ordering::Relaxed));
    // A few connections each: a hundred is all that the server has.
    let options = PostgresStore::options(&SERVER.url()).table(&table).max_connections(4);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    (store, table)
}

async fn connect() -> PostgresStore {
    open().await.0
}

cloakroom::store_conformance!(connect());
cloakroom::store_races!(connect());
// That the column counts further is tested below: all 65,536 writes take 10 s and more.
cloakroom::store_endurance!(connect(), writes = 300);
cloakroom::index_conformance!(connect());
cloakroom::scan_conformance!(connect());
cloakroom::sweep_conformance!(connect());

async fn beside() -> PgConnection {
    PgConnection::connect(&SERVER.url()).await.unwrap()
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(owner: Option<&str>) -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), owner.map(Into::into))
}

async fn create(store: &PostgresStore, number: u8) {
    let created = store.create(&key(number), &record(None)).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
}

#[tokio::test]
async fn s62_versions_go_on_beyond_those_of_16_and_32_bits() {
    let (store, table) = open().await;
    let (mut beside, sql) = (beside().await, format!("UPDATE {table} SET version = $1"));
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
    let options = PostgresStore::options(&proxy.before(&SERVER.url())).table(&table);
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
    connections::assert_no_answer_is_left_on_any_pool::<sqlx::Postgres>(
        &SERVER.url(),
        [&own, &given],
    )
    .await;
}

#[tokio::test]
async fn a_request_takes_no_statement_untouched_one_to_read_and_two_to_write() {
    let (store, table) = open().await;
    let mut beside = beside().await;
    let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
    sqlx::raw_sql(extension).execute(&mut beside).await.unwrap();
    let mut before = 0;
    costs::assert_of_requests(store, FakeClock::at(1_000_000.0), async || {
        let executed = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
                        WHERE query LIKE '%' || $1 || '%' AND query NOT LIKE '%CREATE%'";
        let executed = sqlx::query_scalar(executed).bind(&table).fetch_one(&mut beside).await;
        let executed: i64 = executed.unwrap();
        usize::try_from(executed - std::mem::replace(&mut before, executed)).unwrap()
    })
    .await;
}

#[tokio::test]
async fn the_schema_can_be_made_twice_and_is_what_is_printed() {
    let (store, table) = open().await;
    store.create_table().await.unwrap();
    let mut beside = beside().await;
    let indexes = "SELECT indexname::text FROM pg_indexes WHERE tablename = $1 ORDER BY 1";
    let indexes: Vec<String> =
        sqlx::query_scalar(indexes).bind(&table).fetch_all(&mut beside).await.unwrap();
    let expected = ["_by_owner", "_by_sweep", "_pkey"].map(|end| format!("{table}{end}"));
    assert_eq!(indexes, expected);
    assert!(store.schema().contains(&format!("CREATE TABLE IF NOT EXISTS {table} (")));
}

#[tokio::test]
async fn a_name_with_sql_in_it_is_no_table_s() {
    for name in ["", "a b", "a;DROP TABLE b", "1a", "a.b.c", "a\"", "a--", "ä"] {
        let refused = PostgresStore::options(&SERVER.url()).table(name).connect().await;
        assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Rejected, "{name:?}");
    }
    let qualified = PostgresStore::options(&SERVER.url()).table("public.of_mine").connect().await;
    let store = qualified.unwrap();
    store.create_table().await.unwrap();
    create(&store, 1).await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_said_with_what_to_do() {
    let store = PostgresStore::options(&SERVER.url()).table("nowhere").connect().await.unwrap();
    let error = store.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("create_table"), "{source}");
}

#[tokio::test]
async fn s75_connections_that_end_are_made_anew() {
    let (store, table) = open().await;
    create(&store, 1).await;
    let mut other = beside().await;
    let mut end_connections = async || {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()";
        let ended: i64 = sqlx::query_scalar(end).bind(&table).fetch_one(&mut other).await.unwrap();
        assert!(ended > 0, "nothing was connected");
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
    create(&store, 1).await;
    let read_only = format!("{}?options=-c%20default_transaction_read_only%3Don", SERVER.url());
    let reader = PostgresStore::options(&read_only).table(table).connect().await.unwrap();
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
        let expired = Record::new(&b""[..], Timestamp::from_secs(1), None);
        let _ = store.create(&key(number), &expired).await.unwrap();
    }
    let mut other = beside().await;
    let mut transaction = other.begin().await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE key = $1 FOR UPDATE");
    sqlx::query(&lock).bind(&[1_u8; 16][..]).execute(&mut *transaction).await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 2);
    transaction.rollback().await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn s80_one_sweeper_is_at_it_at_a_time() {
    let (store, table) = open().await;
    let expired = Record::new(&b""[..], Timestamp::from_secs(1), None);
    assert_eq!(store.create(&key(1), &expired).await.unwrap(), Created::Done(Version::FIRST));
    let mut other = beside().await;
    let lock = "SELECT pg_advisory_lock(hashtextextended('cloakroom sweeps ' || $1, 0))";
    sqlx::query(lock).bind(&table).execute(&mut other).await.unwrap();
    assert_eq!(store.sweep(Timestamp::from_secs(2), 10).await.unwrap(), 0);
    other.close().await.unwrap();
    let mut asked = 0;
    while store.sweep(Timestamp::from_secs(2), 10).await.unwrap() == 0 {
        asked += 1;
        assert!(asked < 500, "the lock is free, and nothing is swept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn s73_a_server_that_is_not_there_is_an_error_and_not_absent() {
    let nowhere = PostgresStore::options("postgres://nobody@127.0.0.1:1/none")
        .connect_timeout(Duration::from_millis(300));
    let kind = nowhere.connect().await.unwrap_err().kind();
    assert!(matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::TimedOut), "{kind}");
    let error = PostgresStore::connect("http://example.org").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn s87_neither_debug_nor_errors_show_a_password() {
    let url = SERVER.url().replace("postgres@", "nobody:hunter2@");
    let error = PostgresStore::connect(&url).await.unwrap_err();
    let shown = format!("{error:?} {error} {:?}", connect().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Whether a server takes writes, in sessions that are open and in new ones.
async fn set_read_only(server: &Postgres, is_so: &str) {
    let mut beside = PgConnection::connect(&server.url()).await.unwrap();
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {is_so}");
    sqlx::raw_sql(&set).execute(&mut beside).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut beside).await.unwrap();
    let show = "SHOW default_transaction_read_only";
    let is_told = async || {
        let mut session = PgConnection::connect(&server.url()).await.unwrap();
        sqlx::query_scalar::<_, String>(show).fetch_one(&mut session).await.unwrap() == is_so
    };
    while !is_told().await {}
}

#[tokio::test]
async fn s77_after_a_switchover_that_leaves_connections_open_everybody_is_served() {
    let (old, other) = (Postgres::start().unwrap(), Postgres::start().unwrap());
    for server in [&old, &other] {
        PostgresStore::connect(&server.url()).await.unwrap().create_table().await.unwrap();
    }
    let proxy = Proxy::to(&old.url()).unwrap();
    let store = PostgresStore::connect(&proxy.before(&old.url())).await.unwrap();
    switchover::assert_that_it_is_survived(store, set_read_only(&old, "on"), || {
        proxy.lead_to(&other.url());
    })
    .await;
    // The other way round, in a pool of the application's.
    let pool = sqlx::PgPool::connect(&proxy.before(&old.url())).await.unwrap();
    let store = PostgresStore::on(pool, "cloakroom_sessions").unwrap();
    set_read_only(&old, "off").await;
    switchover::assert_that_it_is_survived(store, set_read_only(&other, "on"), || {
        proxy.lead_to(&old.url());
    })
    .await;
}
