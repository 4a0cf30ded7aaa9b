//! Visitors of a site that had tower-sessions stay signed in: what they had is taken over at their first visit.
//! `cargo run --example from_tower_sessions --features tower-sessions` serves it on http://127.0.0.1:6545.

use axum::{Router, routing::get};
use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, CookieWriter, SetCookie};
use cloakroom::factory::{Former, FormerSessions, MovingFactory};
use cloakroom::store::MemoryStore;
use cloakroom::{ConfigError, Error, Session, SessionFactory, SessionLayer, StoredFactory, Value};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::Id;

/// The sessions of tower-sessions, in whatever store they were.
pub(crate) struct TowerSessions<S> {
    store: S,
    cookie: CookieWriter,
}

impl<S: SessionStore> TowerSessions<S> {
    /// With the store that was there, and the cookie as it was set: name, path and domain.
    pub(crate) fn new(store: S, cookie: &CookieSettings) -> Result<Self, ConfigError> {
        Ok(Self { store, cookie: cookie.build()? })
    }
}

impl<S: SessionStore> FormerSessions for TowerSessions<S> {
    type Id = Id;

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<Id>>, Error> {
        // A signed or private cookie has to be unwrapped first: see the example for actix-session.
        let Candidates::One(text) = cookies.named(self.cookie.name()) else { return Ok(None) };
        let id = std::str::from_utf8(text).ok().and_then(|text| text.parse::<Id>().ok());
        let Some(id) = id else { return Ok(None) };
        let Some(record) = self.store.load(&id).await.map_err(Error::opening)? else {
            return Ok(None);
        };
        let values = record.data.into_iter().map(|(key, value)| {
            let value = Value::encode(&key, &value)?;
            Ok((key, value))
        });
        Ok(Some(Former { id, values: values.collect::<Result<_, Error>>()? }))
    }

    async fn end(&self, id: &Id) -> Result<SetCookie, Error> {
        self.store.delete(id).await.map_err(Error::keeping)?;
        self.cookie.remove()
    }
}

/// New sessions, which begin with what visitors had in the old store.
pub(crate) fn sessions(old: impl SessionStore) -> Result<impl SessionFactory, ConfigError> {
    let new =
        StoredFactory::builder("shop", MemoryStore::default()).insecure_plain_http().build()?;
    // The defaults of tower-sessions: a cookie called `id` for the whole host.
    Ok(MovingFactory::new(new, TowerSessions::new(old, &CookieSettings::new("id"))?))
}

async fn visits(session: Session) -> Result<String, Error> {
    let visits = session.modify("visits", |visits: &mut u32| {
        *visits += 1;
        *visits
    })?;
    Ok(format!("visit number {visits}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let old = tower_sessions_memory_store::MemoryStore::default(); // in earnest, the one that was there
    let app = Router::new().route("/", get(visits)).layer(SessionLayer::new(sessions(old)?));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:6545").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
