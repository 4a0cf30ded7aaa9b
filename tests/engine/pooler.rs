//! PgBouncer before PostgreSQL, with the settings that it has by default: nobody's session is somebody else's, although
//! each transaction may run in another one of the server's.

use cloakroom_engines::PgBouncer;

use super::*;

static BY_SESSION: LazyLock<PgBouncer> = LazyLock::new(|| pooler("session", ""));
static BY_TRANSACTION: LazyLock<PgBouncer> = LazyLock::new(|| pooler("transaction", ""));
/// As others recommend for clients that would not be let in otherwise.
static IGNORING: LazyLock<PgBouncer> = LazyLock::new(|| {
    pooler("transaction", "ignore_startup_parameters = extra_float_digits,options\n")
});

fn pooler(mode: &str, more: &str) -> PgBouncer {
    PgBouncer::before(&SERVER, mode, more).unwrap_or_else(|error| panic!("{error}"))
}

async fn by(pooler: &PgBouncer) -> PostgresStore {
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    let table = format!("pooled_{}", TABLES.fetch_add(1, Ordering::Relaxed));
    // In session mode each holds one of the pooler's four.
    let options = PostgresStore::options(&pooler.url()).table(table).max_connections(2);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    store
}

/// With as many connections as there are visitors.
async fn crowd() -> PostgresStore {
    let options = PostgresStore::options(&BY_TRANSACTION.url()).table("crowd").max_connections(24);
    let store = options.connect_timeout(Duration::from_secs(30)).connect().await.unwrap();
    store.create_table().await.unwrap();
    store
}

mod by_transaction {
    use super::{BY_TRANSACTION, by};

    cloakroom::store_conformance!(by(&BY_TRANSACTION));
    cloakroom::store_races!(by(&BY_TRANSACTION));
    cloakroom::index_conformance!(by(&BY_TRANSACTION));
    cloakroom::scan_conformance!(by(&BY_TRANSACTION));
    cloakroom::sweep_conformance!(by(&BY_TRANSACTION));
}

#[tokio::test]
async fn s77_nobody_gets_another_s_answer_by_a_pooler_that_mixes_sessions() {
    connections::assert_more_calls_than_connections_are_served(crowd().await).await;
}

#[tokio::test]
async fn each_mode_and_setting_of_a_pooler_will_do() {
    for pooler in [&BY_SESSION, &BY_TRANSACTION, &IGNORING] {
        let store = by(pooler).await;
        create(&store, 1).await;
        for _ in 0..20 {
            let replaced = store.replace(&key(1), Version::FIRST, &record(Some("ada"))).await;
            assert!(matches!(replaced.unwrap(), Replaced::Done(_) | Replaced::Conflict(_)));
            assert!(store.load(&key(1)).await.unwrap().is_some());
        }
    }
}

#[tokio::test]
async fn s75_the_server_gives_up_although_a_pooler_is_between() {
    let store = by(&BY_TRANSACTION).await;
    let mut holder = beside().await;
    let mut lock = holder.begin().await.unwrap();
    let table = store.schema().split_whitespace().nth(5).unwrap().to_owned();
    sqlx::raw_sql(&format!("LOCK TABLE {table}")).execute(&mut *lock).await.unwrap();
    let error = store.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{error:?}");
}
