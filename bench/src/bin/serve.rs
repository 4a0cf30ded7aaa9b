//! The measured routes on one library: `serve NAME [URL]`; prints its port and serves until it is killed.
//!
//! Each session has a number and a short text. `/untouched` leaves it alone, `/read` reads the number, `/write` adds
//! one to it, `/begin` begins a session.

use std::path::Path;

use axum::extract::Request;
use axum::{Router, routing::get};
use cloakroom::store::{Durability, MemoryStore, PostgresStore, RedisStore, SqliteStore};
use cloakroom::{Secret, Session, SessionLayer, SignedCookieFactory, StoredFactory};

fn main() {
    let name = std::env::args().nth(1).expect("a name");
    match name.as_str() {
        "actix-cloakroom-memory" => return ours_on_actix(in_memory()).expect("served"),
        "actix-cloakroom-signed" => return ours_on_actix(signed()).expect("served"),
        name if name.starts_with("actix") => return actix::serve(name).expect("served"),
        _ => {}
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(serve(&name, std::env::args().nth(2)));
}

async fn serve(name: &str, url: Option<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let app = match name {
        "axum" => bare(),
        "cloakroom-memory" => ours(in_memory()),
        "cloakroom-signed" => ours(signed()),
        "cloakroom-sqlite" => ours(in_file(folder.path(), Durability::Fast)),
        "cloakroom-sqlite-durable" => ours(in_file(folder.path(), Durability::Durable)),
        "cloakroom-redis" => {
            let store = RedisStore::connect(&url.expect("a URL")).await.expect("a store");
            ours(SessionLayer::new(StoredFactory::new("bench", store)))
        }
        "cloakroom-postgres" => {
            let store = PostgresStore::connect(&url.expect("a URL")).await.expect("a store");
            store.create_table().await.expect("a table");
            ours(SessionLayer::new(StoredFactory::new("bench", store)))
        }
        "tower-sessions-memory" => tower_sessions::routes(),
        "axum_session-memory" => axum_session::routes().await,
        _ => panic!("no such server: {name}"),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    axum::serve(listener, app).await.expect("served");
}

fn in_file(folder: &Path, durability: Durability) -> SessionLayer {
    let store = SqliteStore::options(folder.join("sessions.sqlite")).durability(durability).open();
    SessionLayer::new(StoredFactory::new("bench", store.expect("a store")))
}

fn bare() -> Router {
    let ok = || get(async || "ok");
    let app = Router::new().route("/untouched", ok()).route("/begin", ok());
    app.route("/read", ok()).route("/write", ok())
}

fn ours(sessions: SessionLayer) -> Router {
    Router::new()
        .route("/untouched", get(async || "ok"))
        .route("/begin", get(begin))
        .route("/read", get(read))
        .route("/write", get(write))
        .layer(sessions)
}

async fn begin(session: Session) -> Result<&'static str, cloakroom::Error> {
    session.insert("n", 1_u64)?;
    session.insert("theme", "dark")?;
    Ok("ok")
}

async fn read(session: Session) -> Result<String, cloakroom::Error> {
    Ok(session.get::<u64>("n")?.unwrap_or_default().to_string())
}

async fn write(session: Session) -> Result<&'static str, cloakroom::Error> {
    session.modify("n", |n: &mut u64| *n += 1)?;
    Ok("ok")
}

fn in_memory() -> SessionLayer {
    SessionLayer::new(StoredFactory::new("bench", MemoryStore::default()))
}

fn signed() -> SessionLayer {
    let secret = Secret::generate().expect("randomness");
    SessionLayer::new(SignedCookieFactory::new(secret).expect("valid settings"))
}

/// The same handlers on actix-web.
fn ours_on_actix(sessions: SessionLayer) -> std::io::Result<()> {
    use actix_web::{App, HttpServer, web};
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .route("/untouched", web::get().to(async || "ok"))
                .route("/begin", web::get().to(begin))
                .route("/read", web::get().to(read))
                .route("/write", web::get().to(write))
                .wrap(sessions.clone())
        });
        let server = server.workers(1).bind("127.0.0.1:0")?;
        println!("{}", server.addrs()[0].port());
        server.run().await
    })
}

mod tower_sessions {
    use ::tower_sessions::{MemoryStore, Session, SessionManagerLayer};

    use super::{Request, Router, get};

    pub fn routes() -> Router {
        Router::new()
            .route("/untouched", get(async || "ok"))
            .route("/begin", get(begin))
            .route("/read", get(read))
            .route("/write", get(write))
            .layer(SessionManagerLayer::new(MemoryStore::default()))
    }

    fn session_of(request: &Request) -> Session {
        request.extensions().get::<Session>().expect("a session").clone()
    }

    async fn begin(request: Request) -> &'static str {
        let session = session_of(&request);
        session.insert("n", 1_u64).await.expect("kept");
        session.insert("theme", "dark").await.expect("kept");
        "ok"
    }

    async fn read(request: Request) -> String {
        let n = session_of(&request).get::<u64>("n").await.expect("read");
        n.unwrap_or_default().to_string()
    }

    async fn write(request: Request) -> &'static str {
        let session = session_of(&request);
        let n = session.get::<u64>("n").await.expect("read").unwrap_or_default();
        session.insert("n", n + 1).await.expect("kept");
        "ok"
    }
}

mod axum_session {
    use ::axum_session::{Session, SessionConfig, SessionLayer, SessionNullPool, SessionStore};

    use super::{Request, Router, get};

    pub async fn routes() -> Router {
        let store = SessionStore::<SessionNullPool>::new(None, SessionConfig::default()).await;
        Router::new()
            .route("/untouched", get(async || "ok"))
            .route("/begin", get(begin))
            .route("/read", get(read))
            .route("/write", get(write))
            .layer(SessionLayer::new(store.expect("a store")))
    }

    fn session_of(request: &Request) -> Session<SessionNullPool> {
        request.extensions().get::<Session<SessionNullPool>>().expect("a session").clone()
    }

    async fn begin(request: Request) -> &'static str {
        let session = session_of(&request);
        session.set("n", 1_u64);
        session.set("theme", "dark");
        "ok"
    }

    async fn read(request: Request) -> String {
        session_of(&request).get::<u64>("n").unwrap_or_default().to_string()
    }

    async fn write(request: Request) -> &'static str {
        let session = session_of(&request);
        session.set("n", session.get::<u64>("n").unwrap_or_default() + 1);
        "ok"
    }
}

mod actix {
    use actix_session::config::CookieContentSecurity;
    use actix_session::storage::CookieSessionStore;
    use actix_session::{Session, SessionMiddleware};
    use actix_web::cookie::Key;
    use actix_web::middleware::Condition;
    use actix_web::{App, HttpServer, web};

    pub fn serve(name: &str) -> std::io::Result<()> {
        let has_sessions = name != "actix";
        let security = if name == "actix-session-private" {
            CookieContentSecurity::Private
        } else {
            CookieContentSecurity::Signed
        };
        actix_web::rt::System::new().block_on(async {
            let server = HttpServer::new(move || {
                let store = CookieSessionStore::default();
                let sessions = SessionMiddleware::builder(store, Key::from(&[7; 64]))
                    .cookie_content_security(security)
                    .cookie_secure(false)
                    .build();
                let app = App::new().route("/untouched", web::get().to(async || "ok"));
                let app = if has_sessions {
                    app.route("/begin", web::get().to(begin))
                        .route("/read", web::get().to(read))
                        .route("/write", web::get().to(write))
                } else {
                    let ok = || web::get().to(async || "ok");
                    app.route("/begin", ok()).route("/read", ok()).route("/write", ok())
                };
                app.wrap(Condition::new(has_sessions, sessions))
            });
            let server = server.workers(1).bind("127.0.0.1:0")?;
            println!("{}", server.addrs()[0].port());
            server.run().await
        })
    }

    async fn begin(session: Session) -> &'static str {
        session.insert("n", 1_u64).expect("kept");
        session.insert("theme", "dark").expect("kept");
        "ok"
    }

    async fn read(session: Session) -> String {
        session.get::<u64>("n").expect("read").unwrap_or_default().to_string()
    }

    async fn write(session: Session) -> &'static str {
        let n = session.get::<u64>("n").expect("read").unwrap_or_default();
        session.insert("n", n + 1).expect("kept");
        "ok"
    }
}
