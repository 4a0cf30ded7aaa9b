//! The measured routes on tower-sessions 0.14 with its stores: `NAME [URL]`, where the name is `sqlite`, `redis` or
//! `postgres`; prints its port.

use axum::{Router, routing::get};
use tower_sessions::{Session, SessionManagerLayer, SessionStore};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous,
};
use tower_sessions_sqlx_store::sqlx::{PgPool, SqlitePool};
use tower_sessions_sqlx_store::{PostgresStore, SqliteStore};

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(serve());
}

async fn serve() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let app = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["sqlite"] => {
            // As fast as it can be set and still survive a crash of the process, and the same as ours.
            let options = SqliteConnectOptions::new()
                .filename(folder.path().join("sessions.sqlite"))
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Normal);
            let pool = SqlitePool::connect_with(options).await.expect("a database");
            let store = SqliteStore::new(pool);
            store.migrate().await.expect("a table");
            routes(store)
        }
        ["redis", url] => {
            // As many connections as its documentation has.
            let config = Config::from_url(url).expect("a URL");
            let pool = Pool::new(config, None, None, None, 6).expect("a pool");
            pool.connect();
            pool.wait_for_connect().await.expect("a server");
            routes(RedisStore::new(pool))
        }
        ["postgres", url] => {
            let store = PostgresStore::new(PgPool::connect(url).await.expect("a server"));
            store.migrate().await.expect("a table");
            routes(store)
        }
        _ => panic!("sqlite, redis URL or postgres URL"),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    axum::serve(listener, app).await.expect("served");
}

fn routes(store: impl SessionStore + Clone) -> Router {
    Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/begin", get(begin))
        .route("/read", get(read))
        .route("/write", get(write))
        .layer(SessionManagerLayer::new(store))
}

async fn begin(session: Session) -> &'static str {
    session.insert("n", 1_u64).await.expect("kept");
    session.insert("theme", "dark").await.expect("kept");
    "ok"
}

async fn read(session: Session) -> String {
    session.get::<u64>("n").await.expect("read").unwrap_or_default().to_string()
}

async fn write(session: Session) -> &'static str {
    let n = session.get::<u64>("n").await.expect("read").unwrap_or_default();
    session.insert("n", n + 1).await.expect("kept");
    "ok"
}
