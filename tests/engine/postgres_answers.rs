//! What PostgreSQL answers when it is locked, strict, in another encoding, short of rights, or left by its clients.

use cloakroom::store::{Index, Result};
use futures_util::future::join_all;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use tokio::time::timeout;

use super::*;

/// The cause of a failure, in our words.
pub(super) fn advice(error: &cloakroom::store::StoreError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

/// How many connections there are that last spoke of this table.
async fn connections_to(beside: &mut PgConnection, table: &str) -> i64 {
    let count = "SELECT count(*) FROM pg_stat_activity \
                 WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()";
    sqlx::query_scalar(count).bind(table).fetch_one(beside).await.unwrap()
}

#[tokio::test]
async fn s75_calls_that_wait_for_a_lock_leave_no_connections_behind() {
    let (store, table) = open().await;
    create(&store, 1).await;
    let (mut holder, mut beside) = (beside().await, beside().await);
    let mut lock = holder.begin().await.unwrap();
    lock.execute(format!("LOCK TABLE {table}").as_str()).await.unwrap();
    // Longer than the server's own patience, with calls that are given up meanwhile.
    for _ in 0..25 {
        let calls = (0..6).map(|_| timeout(Duration::from_millis(200), load(&store, 1)));
        join_all(calls).await;
        let connections = connections_to(&mut beside, &table).await;
        assert!(connections <= 4 + 1, "{connections} connections, with the lock's");
    }
    // One that is not given up hears of it from the server.
    let error = loop {
        let error = store.load(&key(1)).await.unwrap_err();
        if advice(&error).contains("lock") {
            break error;
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    lock.rollback().await.unwrap();
    assert!(store.load(&key(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn s64_a_deadlock_keeps_nobody_signed_in() {
    let (store, table) = open().await;
    for number in [1, 2] {
        drop(store.create(&key(number), &record(Some("ada"))).await.unwrap());
    }
    let (mut other, mut beside) = (beside().await, beside().await);
    let mut transaction = other.begin().await.unwrap();
    // Who looks for a deadlock first gives way.
    transaction.execute("SET LOCAL deadlock_timeout = '1min'").await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE key = $1 FOR UPDATE");
    let lock_row = |number: u8| sqlx::query(&lock).bind(vec![number; 16]);
    lock_row(2).execute(&mut *transaction).await.unwrap();
    let revoking = store.clone();
    let revoked = tokio::spawn(async move { revoking.remove_all_but("ada", None).await });
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM {table}%'"
    );
    while sqlx::query_scalar::<_, i64>(&waiting).fetch_one(&mut beside).await.unwrap() == 0 {}
    lock_row(1).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(revoked.await.unwrap().unwrap(), 2);
}

/// A database of another kind, with its URL.
async fn database(name: &str, kind: &str) -> String {
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 {kind}");
    beside().await.execute(create.as_str()).await.unwrap();
    of_database(name)
}

fn of_database(name: &str) -> String {
    let url = SERVER.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

/// A database whose sessions are serializable unless they say something else, and the name of a table for it.
async fn serializable() -> (String, String) {
    static IS_MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let make = async || {
        database("serializable", "").await;
        let set = "ALTER DATABASE serializable SET default_transaction_isolation = 'serializable'";
        beside().await.execute(set).await.unwrap();
    };
    IS_MADE.get_or_init(make).await;
    let table = format!("strict_{}", TABLES.fetch_add(1, Ordering::Relaxed));
    (of_database("serializable"), table)
}

async fn serializable_store() -> PostgresStore {
    let (url, table) = serializable().await;
    let options = PostgresStore::options(&url).table(table).max_connections(4);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    store
}

/// In a pool of the application's, whose sessions stay as they are.
async fn serializable_pool() -> PostgresStore {
    let (url, table) = serializable().await;
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(30));
    let store = PostgresStore::on(pool.connect(&url).await.unwrap(), &table).unwrap();
    store.create_table().await.unwrap();
    store
}

mod on_a_serializable_database {
    cloakroom::store_conformance!(super::serializable_store());
    cloakroom::store_races!(super::serializable_store());
}

mod on_a_serializable_pool {
    cloakroom::store_conformance!(super::serializable_pool());
    cloakroom::store_races!(super::serializable_pool());
    cloakroom::index_conformance!(super::serializable_pool());
}

#[tokio::test]
async fn s78_an_owner_that_the_encoding_cannot_hold_is_refused_and_others_are_served() {
    let url = database("latin", "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'").await;
    let store = PostgresStore::connect(&url).await.unwrap();
    store.create_table().await.unwrap();
    for (number, owner) in (1..).zip(["\u{17}\0", "ada🦀", "Łódź"]) {
        let error = store.create(&key(number), &record(Some(owner))).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{owner:?}");
        assert!(advice(&error).contains("encoding"), "{error:?}");
        assert_eq!(store.count(owner).await.unwrap_err().kind(), StoreErrorKind::Rejected);
    }
    drop(store.create(&key(9), &record(Some("Zoë"))).await.unwrap());
    assert_eq!(store.count("Zoë").await.unwrap(), 1);
}

#[tokio::test]
async fn s77_when_all_connections_were_ended_nobody_notices() {
    let (store, table) = open().await;
    create(&store, 1).await;
    let mut beside = beside().await;
    for round in 0..10_u8 {
        let loads: Vec<_> = join_all((0..8).map(|_| load(&store, 1))).await;
        assert!(loads.iter().all(Result::is_ok), "{loads:?}");
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE query LIKE '%' || $1 || '%' AND pid <> pg_backend_pid()";
        sqlx::query(end).bind(&table).execute(&mut beside).await.unwrap();
        if round % 2 == 0 {
            let loads = join_all((0..8).map(|_| load(&store, 1))).await;
            assert!(loads.iter().all(Result::is_ok), "{loads:?}");
        } else {
            create(&store, 10 + round).await;
        }
    }
}

async fn load(store: &PostgresStore, number: u8) -> Result<bool> {
    store.load(&key(number)).await.map(|stored| stored.is_some())
}

#[tokio::test]
async fn the_schema_can_be_made_by_many_at_once() {
    let table = "made_by_many";
    let stores = join_all((0..24).map(|_| async {
        let options = PostgresStore::options(&SERVER.url()).table(table).max_connections(1);
        options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap()
    }));
    for made in join_all(stores.await.iter().map(PostgresStore::create_table)).await {
        made.unwrap();
    }
}

#[tokio::test]
async fn who_may_not_make_a_table_can_use_one_that_is_there() {
    let (store, table) = open().await;
    create(&store, 1).await;
    let mut beside = beside().await;
    beside.execute("CREATE ROLE limited LOGIN").await.unwrap();
    let url = SERVER.url().replace("postgres@", "limited@");
    let options = |table: &str| PostgresStore::options(&url).table(table).connect();
    let error = options("not_yet").await.unwrap().create_table().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert!(advice(&error).contains("grant"), "{error:?}");
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO limited");
    beside.execute(grant.as_str()).await.unwrap();
    options(&table).await.unwrap().create_table().await.unwrap();
    options("not_there").await.unwrap().create_table().await.unwrap_err();
}

#[tokio::test]
async fn a_long_name_has_its_indexes_and_one_that_is_too_long_is_refused() {
    let (one, other) = ("a".repeat(63), format!("{}b", "a".repeat(62)));
    let mut beside = beside().await;
    for table in [&one, &other] {
        let store = PostgresStore::options(&SERVER.url()).table(table).connect().await.unwrap();
        store.create_table().await.unwrap();
        let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename = $1";
        let indexes: i64 =
            sqlx::query_scalar(indexes).bind(table).fetch_one(&mut beside).await.unwrap();
        assert_eq!(indexes, 3);
    }
    let refused = PostgresStore::options(&SERVER.url()).table("a".repeat(64)).connect().await;
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn s80_a_sweep_does_not_walk_over_what_it_has_removed() {
    let (store, table) = open().await;
    let mut beside = beside().await;
    // They do not lie in the order in which they expire.
    let fill = format!(
        "INSERT INTO {table} SELECT decode(md5(n::text), 'hex'), 1, n * 2999 % 6007, NULL, '', \
         n * 2999 % 6007 FROM generate_series(1, 6000) AS n"
    );
    beside.execute(fill.as_str()).await.unwrap();
    beside.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.unwrap();
    // Whoever makes a backup sees all rows until it ends.
    let mut backup = PgConnection::connect(&SERVER.url()).await.unwrap();
    backup.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    backup.execute(format!("SELECT count(*) FROM {table}").as_str()).await.unwrap();
    let mut costs = Vec::new();
    for _ in 0..30 {
        let (before, swept) = (blocks(&mut beside, &table).await, 200);
        assert_eq!(store.sweep(Timestamp::from_secs(1), swept).await.unwrap(), swept);
        costs.push(blocks(&mut beside, &table).await - before);
    }
    assert!(costs[29] < 2 * costs[2], "{costs:?}");
    assert_eq!(store.sweep(Timestamp::from_secs(1), 200).await.unwrap(), 0);
}

/// How many blocks sweeps of a table have looked at so far.
async fn blocks(beside: &mut PgConnection, table: &str) -> i64 {
    let blocks = "SELECT coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint \
                  FROM pg_stat_statements WHERE query LIKE 'WITH due%' || $1 || '%'";
    sqlx::query_scalar(blocks).bind(table).fetch_one(beside).await.unwrap()
}

#[tokio::test]
async fn why_there_is_no_connection_is_said() {
    let port = SERVER.url();
    let (_, port) = port.rsplit_once(':').unwrap();
    let mariadb = cloakroom_engines::MariaDb::start().unwrap();
    let causes = [
        ("postgres://nobody@127.0.0.1:1/none".to_owned(), "nothing listens"),
        (format!("postgres://postgres@no.such.host.invalid:{port}"), "host is not known"),
        (of_database("none"), "no such database"),
        (SERVER.url().replace("postgres@", "nobody@"), "user or password"),
        (format!("{}?sslmode=require", SERVER.url()), "`tls`"),
        (format!("{}?sslmode=perhaps", SERVER.url()), "a setting in it"),
        (mariadb.url().replace("mysql:", "postgres:"), "does not speak"),
    ];
    for (url, words) in causes {
        let options = PostgresStore::options(&url).connect_timeout(Duration::from_millis(500));
        let error = options.connect().await.unwrap_err();
        assert!(advice(&error).contains(words), "{url}: {error:?}");
    }
    let pool = PgPool::connect(&SERVER.url()).await.unwrap();
    let store = PostgresStore::on(pool.clone(), "any").unwrap();
    pool.close().await;
    let error = store.load(&key(1)).await.unwrap_err();
    assert!(advice(&error).contains("the application has closed"), "{error:?}");
}
