//! What a user of MySQL or MariaDB needs: what the guide lists, and no more; what is missing is named at the start.

use cloakroom::store::Touched;

use super::*;

const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The URL for a new user who has these rights to a table.
async fn user(name: &str, rights: &[&str], table: &str) -> String {
    let mut beside = beside().await;
    beside.execute(format!("CREATE USER {name}@'%'").as_str()).await.unwrap();
    // Otherwise the database may not even be named.
    let elsewhere = format!("GRANT SELECT ON elsewhere TO {name}@'%'");
    beside.execute("CREATE TABLE IF NOT EXISTS elsewhere (n int)").await.unwrap();
    beside.execute(elsewhere.as_str()).await.unwrap();
    if !rights.is_empty() {
        let grant = format!("GRANT {} ON {table} TO {name}@'%'", rights.join(", "));
        beside.execute(grant.as_str()).await.unwrap();
    }
    SERVER.url().replace("root@", &format!("{name}@"))
}

/// What opening a table as this user comes to: nothing, or the rights that are missing.
async fn missing(url: &str, table: &str) -> Option<String> {
    let error = MySqlStore::options(url).table(table).connect().await.err()?;
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let advice = answers::advice(&error);
    let (before, missing) = advice.rsplit_once(": ").unwrap();
    assert!(before.contains(table), "{advice}");
    Some(missing.to_owned())
}

#[tokio::test]
async fn what_the_guide_lists_is_all_that_a_user_needs() {
    let (_, table) = open().await;
    let url = user("listed", &RIGHTS, &table).await;
    let store = MySqlStore::options(&url).table(&table).connect().await.unwrap();
    store.create_table().await.unwrap();
    create(&store, 1, None).await;
    let ends = Timestamp::from_secs(10);
    assert_eq!(store.touch(&key(1), Version::FIRST, ends).await.unwrap(), Touched::Done);
    drop(store.replace(&key(1), Version::FIRST, &record(Some("ada"))).await.unwrap());
    assert_eq!(store.list("ada").await.unwrap().len(), 1);
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 1);
    create_expired(&store, 2).await;
    assert_eq!(store.sweep(Timestamp::MAX, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_at_the_start() {
    let (_, table) = open().await;
    for right in RIGHTS {
        let others: Vec<_> = RIGHTS.into_iter().filter(|other| *other != right).collect();
        let url = user(&format!("without_{right}"), &others, &table).await;
        assert_eq!(missing(&url, &table).await.as_deref(), Some(right));
    }
    let url = user("with_nothing", &[], &table).await;
    assert_eq!(missing(&url, &table).await.unwrap(), RIGHTS.join(", "));
    let url = user("with_all", &RIGHTS, "*").await;
    assert_eq!(missing(&url, "not_there").await, None, "it may be made later");
}

#[tokio::test]
async fn to_look_at_rights_leaves_the_table_as_it_is() {
    let (store, table) = open().await;
    create(&store, 1, Some("ada")).await;
    let again = MySqlStore::options(&SERVER.url()).table(&table).connect().await.unwrap();
    let there = Stored { record: record(Some("ada")), version: Version::FIRST };
    assert_eq!(again.load(&key(1)).await.unwrap(), Some(there));
    let rows = format!("SELECT count(*) FROM {table}");
    let rows: i64 = sqlx::query_scalar(&rows).fetch_one(&mut beside().await).await.unwrap();
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_clock_that_differs_from_the_server_s_is_said_at_the_start() {
    let warnings = warnings::Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    drop(open().await);
    assert_eq!(warnings.seen_of("clocks"), [""; 0]);
    let server = MariaDb::start().unwrap_or_else(|error| panic!("{error}"));
    let mut beside = MySqlConnection::connect(&server.url()).await.unwrap();
    beside.execute("CREATE USER app@'%'").await.unwrap();
    beside.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON cloakroom.* TO app@'%'").await.unwrap();
    beside.execute("SET GLOBAL init_connect = 'SET timestamp = 1000000000'").await.unwrap();
    let url = server.url().replace("root@", "app@");
    drop(MySqlStore::connect(&url).await.unwrap());
    let seen = warnings.seen_of("clocks");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("store=2001-09-09T01:46:40"), "{seen:?}");
}
