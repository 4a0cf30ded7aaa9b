//! The measured routes on tower-sessions 0.14 with its SQLite store 0.15; prints its port.

use axum::{Router, routing::get};
use tower_sessions::{Session, SessionManagerLayer};
use tower_sessions_sqlx_store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::SqlitePool;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous,
};

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(serve());
}

async fn serve() {
    let folder = tempfile::tempdir().expect("a folder");
    // As fast as it can be set and still survive a crash of the process, and the same as ours.
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("sessions.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let store = SqliteStore::new(SqlitePool::connect_with(options).await.expect("a database"));
    store.migrate().await.expect("a table");
    let app = Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/begin", get(begin))
        .route("/read", get(read))
        .route("/write", get(write))
        .layer(SessionManagerLayer::new(store));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    axum::serve(listener, app).await.expect("served");
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
