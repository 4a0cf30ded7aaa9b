//! What MariaDB answers when rows are in each other's way, when it is locked, and when its clients are short of rights.

use cloakroom::store::Result;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;

/// The cause of a failure, in our words.
pub(super) fn advice(error: &cloakroom::store::StoreError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

async fn load(store: &MySqlStore, number: u8) -> Result<bool> {
    store.load(&key(number)).await.map(|stored| stored.is_some())
}

/// A store in a database of its own, and that database's URL.
async fn alone(name: &str) -> (MySqlStore, String) {
    beside().await.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
    let url = SERVER.url().replace("/cloakroom", &format!("/{name}"));
    let options = MySqlStore::options(&url).max_connections(4);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    (store, url)
}

async fn others(name: &str) -> Vec<i64> {
    let others = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = ?";
    sqlx::query_scalar(others).bind(name).fetch_all(&mut beside().await).await.unwrap()
}

#[tokio::test]
async fn s64_a_deadlock_keeps_nobody_signed_in() {
    let (store, table) = open().await;
    create(&store, 1, Some("ada")).await;
    create(&store, 2, Some("ada")).await;
    let (mut other, mut beside) = (beside().await, beside().await);
    // Whoever has done more is let live.
    other.execute("CREATE TABLE weight (n int PRIMARY KEY)").await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    let fill = "INSERT INTO weight WITH RECURSIVE seq (n) AS \
                (SELECT 1 UNION ALL SELECT n + 1 FROM seq WHERE n < 1000) SELECT n FROM seq";
    transaction.execute(fill).await.unwrap();
    let lock = format!("SELECT 1 FROM {table} WHERE `key` = ? FOR UPDATE");
    let lock_row = |number: u8| sqlx::query(&lock).bind(vec![number; 16]);
    lock_row(2).execute(&mut *transaction).await.unwrap();
    let revoking = store.clone();
    let revoked = tokio::spawn(async move { revoking.remove_all_but("ada", None).await });
    let waiting = format!(
        "SELECT count(*) FROM information_schema.innodb_trx \
         WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%{table}%'"
    );
    while sqlx::query_scalar::<_, i64>(&waiting).fetch_one(&mut beside).await.unwrap() == 0 {
        // Asked more often, it says the same again.
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    lock_row(1).execute(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(revoked.await.unwrap().unwrap(), 2);
}

#[tokio::test]
async fn s75_calls_that_wait_for_a_lock_leave_no_connections_behind() {
    let (store, url) = alone("locked").await;
    create(&store, 1, None).await;
    let mut holder = MySqlConnection::connect(&url).await.unwrap();
    holder.execute("LOCK TABLES cloakroom_sessions WRITE").await.unwrap();
    for _ in 0..25 {
        let calls = (0..6).map(|_| timeout(Duration::from_millis(200), load(&store, 1)));
        join_all(calls).await;
        let connections = others("locked").await.len();
        assert!(connections <= 4 + 1, "{connections} connections, with the lock's");
    }
    let error = store.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    holder.execute("UNLOCK TABLES").await.unwrap();
    assert!(load(&store, 1).await.unwrap());
}

#[tokio::test]
async fn s77_when_all_connections_were_ended_no_reader_notices() {
    let (store, _) = alone("ended").await;
    create(&store, 1, None).await;
    for _ in 0..10 {
        let loads = join_all((0..8).map(|_| load(&store, 1))).await;
        assert!(loads.iter().all(Result::is_ok), "{loads:?}");
        for id in others("ended").await {
            // Some have ended by themselves.
            let _ = beside().await.execute(format!("KILL {id}").as_str()).await;
        }
        let loads = join_all((0..8).map(|_| load(&store, 1))).await;
        assert!(loads.iter().all(Result::is_ok), "{loads:?}");
    }
}

#[tokio::test]
async fn the_schema_can_be_made_by_many_at_once() {
    let stores = join_all((0..24).map(|_| async {
        let options = MySqlStore::options(&SERVER.url()).table("made_by_many").max_connections(1);
        options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap()
    }));
    for made in join_all(stores.await.iter().map(MySqlStore::create_table)).await {
        made.unwrap();
    }
}

#[tokio::test]
async fn who_may_not_make_a_table_can_use_one_that_is_there() {
    let (_, table) = open().await;
    let mut beside = beside().await;
    beside.execute("CREATE USER limited@'%'").await.unwrap();
    let url = SERVER.url().replace("root@", "limited@");
    let grant = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO limited@'%'");
    beside.execute(grant.as_str()).await.unwrap();
    let options = |table: &str| MySqlStore::options(&url).table(table).connect();
    options(&table).await.unwrap().create_table().await.unwrap();
    // Whoever has no right to a table is not told whether it is there.
    let error = options("not_there").await.unwrap_err();
    assert!(advice(&error).ends_with(": SELECT, INSERT, UPDATE, DELETE"), "{error:?}");
    beside
        .execute("GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom.* TO limited@'%'")
        .await
        .unwrap();
    let error = options("not_there").await.unwrap().create_table().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert!(advice(&error).contains("grant"), "{error:?}");
}

#[tokio::test]
async fn a_long_name_has_its_indexes_and_one_that_is_too_long_is_refused() {
    let options = |table: String| MySqlStore::options(&SERVER.url()).table(table).connect();
    let store = options("a".repeat(64)).await.unwrap();
    store.create_table().await.unwrap();
    create(&store, 1, None).await;
    assert_eq!(options("a".repeat(65)).await.unwrap_err().kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn why_there_is_no_connection_is_said() {
    let causes = [
        ("mysql://nobody@127.0.0.1:1/none".to_owned(), "nothing listens"),
        ("mysql://nobody@no.such.host.invalid/none".to_owned(), "host is not known"),
        (SERVER.url().replace("/cloakroom", "/none"), "no such database"),
        (SERVER.url().replace("root@", "nobody@"), "user or password"),
        (format!("{}?ssl-mode=REQUIRED", SERVER.url()), "`tls`"),
        (format!("{}?ssl-mode=perhaps", SERVER.url()), "a setting in it"),
    ];
    for (url, words) in causes {
        let options = MySqlStore::options(&url).connect_timeout(Duration::from_millis(500));
        let error = options.connect().await.unwrap_err();
        assert!(advice(&error).contains(words), "{url}: {error:?}");
    }
    let nowhere = MySqlStore::connect(&SERVER.url().replace("/cloakroom", "")).await.unwrap();
    let error = nowhere.load(&key(1)).await.unwrap_err();
    assert!(advice(&error).contains("names no database"), "{error:?}");
}
