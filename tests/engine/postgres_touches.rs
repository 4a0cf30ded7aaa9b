//! What a touch costs PostgreSQL: no index hears of it, a sweep looks later at what was touched, and a table of version 1
//! becomes one that can do so.

use cloakroom::store::Touched;
use futures_util::future::join_all;
use sqlx::Executor;
use sqlx::postgres::PgPoolOptions;

use super::*;

fn ending(seconds: i64) -> Record {
    Record::new(&b"data"[..], Timestamp::from_secs(seconds), Some("ada".into()))
}

/// Creates a session for each number that ends then, and touches it to end at a later time.
async fn create_touched(store: &PostgresStore, numbers: std::ops::Range<u8>, ends: [i64; 2]) {
    for number in numbers {
        let created = store.create(&key(number), &ending(ends[0])).await.unwrap();
        assert_eq!(created, Created::Done(Version::FIRST));
        let ends = Timestamp::from_secs(ends[1]);
        let touched = store.touch(&key(number), Version::FIRST, ends).await.unwrap();
        assert_eq!(touched, Touched::Done);
    }
}

async fn number_of_rows(beside: &mut PgConnection, table: &str) -> i64 {
    let count = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(&count).fetch_one(beside).await.unwrap()
}

/// Those that no index heard of, and all.
async fn updates(beside: &mut PgConnection, table: &str) -> (i64, i64) {
    let updates = "SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = $1";
    sqlx::query_as(updates).bind(table).fetch_one(beside).await.unwrap()
}

#[tokio::test]
async fn no_index_hears_of_a_touch_or_of_a_write() {
    // Others' open transactions would keep old versions of rows, and fill the blocks.
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let table = "cloakroom_sessions";
    let store = PostgresStore::on(pool.clone(), table).unwrap();
    store.create_table().await.unwrap();
    for number in 0..40 {
        drop(store.create(&key(number), &ending(1200)).await.unwrap());
    }
    // Every two minutes for an hour and a half.
    for minute in (0..90).step_by(2) {
        for number in 0..40 {
            let ends = Timestamp::from_secs(1200 + minute * 60 + i64::from(number));
            let touched = store.touch(&key(number), Version::FIRST, ends).await.unwrap();
            assert_eq!(touched, Touched::Done);
        }
    }
    for number in 0..40 {
        let replaced = store.replace(&key(number), Version::FIRST, &ending(7200)).await.unwrap();
        assert!(matches!(replaced, Replaced::Done(_)));
    }
    // A session on the server counts at the latest when it ends.
    pool.close().await;
    let mut beside = PgConnection::connect(&server.url()).await.unwrap();
    let all = 40 * 45 + 40;
    let mut asked = 0;
    while updates(&mut beside, table).await.1 < all {
        asked += 1;
        assert!(asked < 2000, "{:?}", updates(&mut beside, table).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (unheard, updates) = updates(&mut beside, table).await;
    assert_eq!(updates, all);
    // But for what a vacuum of the server's own is in the way of at that moment.
    assert!(unheard >= all - all / 20, "{unheard} of {all}");
}

#[tokio::test]
async fn s80_a_sweep_goes_on_past_any_number_of_sessions_that_were_touched() {
    let (store, table) = open().await;
    let mut beside = beside().await;
    create_touched(&store, 0..50, [10, 100]).await;
    create_touched(&store, 50..65, [20, 20]).await;
    assert_eq!(store.sweep(Timestamp::from_secs(20), 10).await.unwrap(), 0);
    assert_eq!(store.sweep(Timestamp::from_secs(30), 10).await.unwrap(), 10);
    assert_eq!(store.sweep(Timestamp::from_secs(30), 10).await.unwrap(), 5);
    assert_eq!(number_of_rows(&mut beside, &table).await, 50);
    let due = format!("SELECT count(*) FROM {table} WHERE sweep_at < 100000000");
    let due: i64 = sqlx::query_scalar(&due).fetch_one(&mut beside).await.unwrap();
    assert_eq!(due, 0, "they are looked at again before they expire");
    assert_eq!(store.sweep(Timestamp::from_secs(100), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(Timestamp::from_secs(101), 100).await.unwrap(), 50);
}

#[tokio::test]
async fn s80_a_session_that_is_to_end_earlier_is_swept_earlier() {
    let (store, _) = open().await;
    create_touched(&store, 1..2, [100, 10]).await;
    create_touched(&store, 2..3, [100, 200]).await;
    let replaced = store.replace(&key(2), Version::FIRST, &ending(20)).await.unwrap();
    assert!(matches!(replaced, Replaced::Done(_)));
    assert_eq!(store.sweep(Timestamp::from_secs(11), 100).await.unwrap(), 1);
    assert_eq!(store.sweep(Timestamp::from_secs(21), 100).await.unwrap(), 1);
}

/// A table as version 1 of the schema had it, with a session that has ended and one that has not.
async fn of_version_1(beside: &mut PgConnection, table: &str) {
    let make = format!(
        "CREATE TABLE {table} (key bytea NOT NULL PRIMARY KEY, version bigint NOT NULL, \
         expires_at bigint NOT NULL, owner text, data bytea NOT NULL); \
         CREATE INDEX {table}_by_owner ON {table} (owner) WHERE owner IS NOT NULL; \
         CREATE INDEX {table}_by_expiry ON {table} (expires_at); \
         INSERT INTO {table} VALUES \
         (decode(repeat('01', 16), 'hex'), 1, 10000000, 'ada', 'data'), \
         (decode(repeat('02', 16), 'hex'), 1, 30000000, 'ada', 'data')"
    );
    beside.execute(make.as_str()).await.unwrap();
}

#[tokio::test]
async fn s79_a_table_of_version_1_is_brought_up_to_date_by_many_at_once() {
    let (mut beside, table) = (beside().await, "of_version_1");
    of_version_1(&mut beside, table).await;
    let stores = join_all((0..8).map(|_| async {
        let options = PostgresStore::options(&SERVER.url()).table(table).max_connections(1);
        options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap()
    }))
    .await;
    let error = stores[0].create(&key(3), &ending(30)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert!(answers::advice(&error).contains("earlier version"), "{error:?}");
    for made in join_all(stores.iter().map(PostgresStore::create_table)).await {
        made.unwrap();
    }
    let store = &stores[0];
    // A process of an earlier release begins once more.
    let again = format!("CREATE INDEX IF NOT EXISTS {table}_by_expiry ON {table} (expires_at)");
    beside.execute(again.as_str()).await.unwrap();
    store.create_table().await.unwrap();
    let indexes = "SELECT indexname::text FROM pg_indexes WHERE tablename = $1 ORDER BY 1";
    let indexes: Vec<String> =
        sqlx::query_scalar(indexes).bind(table).fetch_all(&mut beside).await.unwrap();
    assert_eq!(indexes, ["_by_owner", "_by_sweep", "_pkey"].map(|end| format!("{table}{end}")));
    assert_eq!(store.count("ada").await.unwrap(), 2);
    let kept = Stored { record: ending(30), version: Version::FIRST };
    assert_eq!(store.load(&key(2)).await.unwrap(), Some(kept));
    assert_eq!(store.sweep(Timestamp::from_secs(20), 10).await.unwrap(), 1);
    assert_eq!(store.sweep(Timestamp::from_secs(40), 10).await.unwrap(), 1);
    assert_eq!(store.count("ada").await.unwrap(), 0);
}

#[tokio::test]
async fn s79_a_table_that_is_as_it_should_be_is_not_locked_by_who_makes_it_again() {
    let (store, table) = open().await;
    let mut backup = beside().await;
    backup.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    backup.execute(format!("SELECT count(*) FROM {table}").as_str()).await.unwrap();
    let mut beside = beside().await;
    beside.execute("SET lock_timeout = '1s'").await.unwrap();
    beside.execute(store.schema()).await.unwrap();
}

#[tokio::test]
async fn s79_who_may_not_bring_a_table_up_to_date_is_told_that_it_has_to_be() {
    let (mut beside, table) = (beside().await, "not_mine");
    of_version_1(&mut beside, table).await;
    let grant = "CREATE ROLE guest LOGIN; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON not_mine TO guest";
    beside.execute(grant).await.unwrap();
    let url = SERVER.url().replace("postgres@", "guest@");
    let store = PostgresStore::options(&url).table(table).connect().await.unwrap();
    let error = store.create_table().await.unwrap_err();
    assert!(answers::advice(&error).contains("earlier version"), "{error:?}");
    let owner = PostgresStore::options(&SERVER.url()).table(table).connect().await.unwrap();
    owner.create_table().await.unwrap();
    store.create_table().await.unwrap();
    drop(store.create(&key(3), &ending(30)).await.unwrap());
    assert_eq!(store.sweep(Timestamp::from_secs(40), 10).await.unwrap(), 3);
}
