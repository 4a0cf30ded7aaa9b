//! What a user of PostgreSQL needs: what the guide lists, and no more; what is missing is named at the start.

use cloakroom::store::Touched;
use sqlx::Executor;

use super::*;

const RIGHTS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// The URL for a new user who has these rights to a table.
async fn user(name: &str, rights: &[&str], table: &str) -> String {
    let mut script = format!("CREATE ROLE {name} LOGIN;");
    if !rights.is_empty() {
        script += &format!("GRANT {} ON {table} TO {name}", rights.join(", "));
    }
    beside().await.execute(script.as_str()).await.unwrap();
    SERVER.url().replace("postgres@", &format!("{name}@"))
}

/// What opening a table as this user comes to: nothing, or the rights that are missing.
async fn missing(url: &str, table: &str) -> Option<String> {
    let error = PostgresStore::options(url).table(table).connect().await.err()?;
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
    let store = PostgresStore::options(&url).table(&table).connect().await.unwrap();
    store.create_table().await.unwrap();
    create(&store, 1).await;
    let ends = Timestamp::from_secs(10);
    assert_eq!(store.touch(&key(1), Version::FIRST, ends).await.unwrap(), Touched::Done);
    drop(store.replace(&key(1), Version::FIRST, &record(Some("ada"))).await.unwrap());
    assert_eq!(store.list("ada").await.unwrap().len(), 1);
    assert_eq!(store.remove_all_but("ada", None).await.unwrap(), 1);
    create(&store, 2).await;
    assert_eq!(store.sweep(Timestamp::MAX, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn each_right_that_is_missing_is_named_at_the_start() {
    let (_, table) = open().await;
    for right in RIGHTS {
        let others: Vec<_> = RIGHTS.into_iter().filter(|other| *other != right).collect();
        let url = user(&format!("without_{right}").to_lowercase(), &others, &table).await;
        assert_eq!(missing(&url, &table).await.as_deref(), Some(right));
    }
    let url = user("with_nothing", &[], &table).await;
    assert_eq!(missing(&url, &table).await.unwrap(), RIGHTS.join(", "));
    assert_eq!(missing(&url, "not_there").await, None, "it may be made later");
}

#[tokio::test]
async fn a_right_by_a_role_or_to_columns_is_one() {
    let (_, table) = open().await;
    let url = user("by_role", &["SELECT"], &table).await;
    let grant = format!(
        "CREATE ROLE writers; GRANT INSERT, DELETE ON {table} TO writers; GRANT writers TO by_role; \
         GRANT UPDATE (version, expires_at, owner, data, sweep_at) ON {table} TO by_role"
    );
    beside().await.execute(grant.as_str()).await.unwrap();
    assert_eq!(missing(&url, &table).await, None);
    let store = PostgresStore::options(&url).table(&table).connect().await.unwrap();
    create(&store, 1).await;
    assert_eq!(store.sweep(Timestamp::MAX, 10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_schema_that_may_not_be_used_is_named_and_only_where_the_table_is() {
    let mut beside = beside().await;
    beside.execute("CREATE SCHEMA closed; CREATE SCHEMA \"Odd one\"").await.unwrap();
    let owner = PostgresStore::options(&SERVER.url()).table("closed.of_others").connect().await;
    owner.unwrap().create_table().await.unwrap();
    let url = user("outside", &RIGHTS, "closed.of_others").await;
    assert_eq!(missing(&url, "closed.of_others").await.as_deref(), Some("USAGE of its schema"));
    assert_eq!(missing(&url, "closed.not_there").await, None);
    assert_eq!(missing(&url, "of_others").await, None, "its schema is not on the path");
    let path = "ALTER ROLE outside SET search_path = \"Odd one\", \"$user\", closed, public";
    beside.execute(path).await.unwrap();
    assert_eq!(missing(&url, "Of_Others").await.as_deref(), Some("USAGE of its schema"));
    beside.execute("GRANT USAGE ON SCHEMA closed TO outside").await.unwrap();
    assert_eq!(missing(&url, "of_others").await, None);
}

#[tokio::test]
async fn a_pooler_in_between_hides_no_missing_right() {
    let (_, table) = open().await;
    let _ = user("pooled", &["SELECT", "DELETE"], &table).await;
    let port = SERVER.url();
    let (_, port) = port.rsplit_once(':').unwrap();
    let port = port.strip_suffix("/postgres").unwrap();
    let more =
        format!("[databases]\nlimited = host=127.0.0.1 port={port} dbname=postgres user=pooled\n");
    let pooler = cloakroom_engines::PgBouncer::before(&SERVER, "transaction", &more).unwrap();
    let url = pooler.url().replace("/postgres", "/limited");
    assert_eq!(missing(&url, &table).await.as_deref(), Some("INSERT, UPDATE"));
}

#[tokio::test]
async fn a_clock_that_differs_from_the_server_s_is_said_at_the_start() {
    let warnings = warnings::Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let (_, table) = open().await;
    assert_eq!(warnings.seen_of("clocks"), [""; 0]);
    let url = user("late", &RIGHTS, &table).await;
    let late = "CREATE SCHEMA late; GRANT USAGE ON SCHEMA late TO late; \
                CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql \
                AS $$ SELECT '2001-09-09 01:46:40+00'::timestamptz $$; \
                ALTER ROLE late SET search_path = late, pg_catalog, public";
    beside().await.execute(late).await.unwrap();
    assert_eq!(missing(&url, &table).await, None);
    let seen = warnings.seen_of("clocks");
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].contains("store=2001-09-09T01:46:40Z"), "{seen:?}");
}
