//! Web sessions: per-visitor data, flash messages and CSRF protection for axum, any tower service, and actix-web.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use cloakroom::{Error, Session, SessionLayer, SignedCookieFactory};
//!
//! async fn view(session: Session) -> Result<&'static str, Error> {
//!     if session.contains_key("abc") {
//!         session.insert("fred", "yes")?;
//!     }
//!     session.insert("abc", "123")?;
//!     Ok(if session.contains_key("fred") { "Fred was in the session" } else { "Fred was not in the session" })
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let secret = std::env::var("SESSION_SECRET")?; // made once with `openssl rand -base64 48`
//!     let sessions = SessionLayer::new(SignedCookieFactory::new(secret)?);
//!     let app = Router::new().route("/", get(view)).layer(sessions);
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//!     axum::serve(listener, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Words
//! - A [`Session`] is what a handler holds: a dictionary of named values, its flash queues, its CSRF token and its
//!   times. Handlers read and write it like a map; nothing is sent before they return.
//! - A [`SessionFactory`] opens the session that a request names and, when the response is ready, keeps what changed
//!   and answers with `Set-Cookie`. [`SignedCookieFactory`] keeps everything in the browser, in Pyramid's format;
//!   [`StoredFactory`] keeps it on the server.
//! - A [`Store`](store::Store) is where a server-side factory keeps its [records](store::Record): in memory, in an
//!   SQLite file, in Redis, in PostgreSQL, or where you like. What the browser then has is a *ticket*: it names the record, and proves the right
//!   to it.
//! - A [`SessionLayer`] puts the two together with a router.
//! - A [flash queue](flash) holds messages that wait in the session to be shown once.
//! - A [CSRF token](csrf) is what a form or a script sends back to prove that the request came from this site; a
//!   [`CsrfLayer`] demands it.
//!
//! # Where things are
//! | module | what |
//! |---|---|
//! | [`session`] | [`Session`], typed [`Key`]s, [`Entries`] and [`Value`] |
//! | [`flash`] | flash messages and typed [`Queue`]s |
//! | [`csrf`] | tokens, checks, and [`CsrfLayer`], which guards a site |
//! | [`factory`] | [`SessionFactory`], how to write one, [`SignedCookieFactory`], [`StoredFactory`] |
//! | [`store`] | [`Store`](store::Store), how to write one, [`MemoryStore`](store::MemoryStore), `SqliteStore`, `RedisStore`, `PostgresStore` |
//! | `conformance` | what every store has to hold to, as tests |
//! | [`cookie`] | the `Cookie` header read, `Set-Cookie` written |
//! | [`keyring`] | [`Secret`] and the hashes |
//! | [`error`] | [`Error`], [`ConfigError`] |
//! | [`time`], [`random`] | clock and randomness, to be replaced in tests |
//!
//! # What it does not do
//! It does not encrypt: whoever has a signed cookie can read it, and a store holds the data as it is.
//!
//! # Features
//! | feature | default | what |
//! |---|---|---|
//! | `axum` | yes | [`Session`] as an extractor, [`Error`] as a response; turns on `tower` |
//! | `tower` | yes | [`SessionLayer`], [`CsrfLayer`] as layers |
//! | `actix` | no | the same as middleware of actix-web, [`Session`] as an extractor, [`Error`] as a response |
//! | `askama`, `minijinja` | no | templates print [`csrf::Html`] as it is |
//! | `postgres` | no | `store::PostgresStore` |
//! | `redis` | no | `store::RedisStore` |
//! | `mysql` | no | `store::MySqlStore` |
//! | `memcached` | no | `store::MemcachedStore` |
//! | `settings` | no | `open`, and `settings::Settings` from a file or the environment |
//! | `sqlite` | no | `store::SqliteStore` |
//! | `tower-sessions` | no | `store::LastWriteWins`, for stores that were written for tower-sessions |
//! | `tls` | no | encrypted connections to Redis, PostgreSQL and MySQL |
//! | `cli` | no | the program `cloakroom`, which looks after stores and cookies |
//! | `conformance` | no | the suite that every store has to pass; turns on `testing` |
//! | `testing` | no | a fake clock, fixed randomness and a store that fails, for tests |

#![forbid(unsafe_code)]
#![warn(unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cookie;
#[cfg_attr(not(any(feature = "tower", feature = "actix")), allow(dead_code))]
// much of it is for the guard
pub mod csrf;
pub mod error;
pub mod factory;
pub mod flash;
pub mod keyring;
#[cfg(any(feature = "tower", feature = "actix"))]
mod layer;
pub mod random;
pub mod session;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg_attr(not(any(feature = "tower", feature = "actix")), allow(dead_code))]
// the layer is what opens and closes slots
mod slot;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod ticket;
pub mod time;
#[cfg(feature = "tower")]
pub mod tower;

#[cfg(any(feature = "tower", feature = "actix"))]
pub use csrf::CsrfLayer;
pub use error::{ConfigError, Error};
pub use factory::{SessionFactory, SignedCookieFactory, StoredFactory};
pub use flash::Queue;
pub use keyring::Secret;
#[cfg(any(feature = "tower", feature = "actix"))]
pub use layer::SessionLayer;
pub use session::{Entries, Key, Session, Value};
#[cfg(feature = "settings")]
pub use settings::open;
pub use time::Timestamp;

/// The README's code is compiled with the tests.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
