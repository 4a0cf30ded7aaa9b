//! Visitors of a site that had actix-session stay signed in: what they had is taken over at their first visit.
//! `cargo run --example from_actix_session --features actix` serves it on http://127.0.0.1:6546.

use actix_session::storage::{CookieSessionStore, LoadError, SessionKey, SessionStore};
use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::{App, HttpServer, web};
use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, CookieWriter, SetCookie};
use cloakroom::factory::{Former, FormerSessions, MovingFactory};
use cloakroom::store::MemoryStore;
use cloakroom::{ConfigError, Error, Session, SessionFactory, SessionLayer, StoredFactory, Value};

/// The sessions of actix-session's `CookieSessionStore`, in private cookies as it has them by default.
///
/// For another store, put that in the place of `CookieSessionStore`, and delete in `end` what it loaded. A cookie that
/// was only signed is unwrapped by `jar.signed(…)`.
pub(crate) struct ActixSessions {
    key: Key,
    cookie: CookieWriter,
}

impl ActixSessions {
    /// With the key that was there, and the cookie as it was set: name, path and domain.
    pub(crate) fn new(key: Key, cookie: &CookieSettings) -> Result<Self, ConfigError> {
        Ok(Self { key, cookie: cookie.build()? })
    }

    /// What the middleware took out of the cookie.
    fn unwrap(&self, text: &[u8]) -> Option<SessionKey> {
        let pair = format!("{}={}", self.cookie.name(), std::str::from_utf8(text).ok()?);
        let mut jar = CookieJar::new();
        jar.add_original(Cookie::parse_encoded(pair).ok()?);
        let cookie = jar.private(&self.key).get(self.cookie.name())?;
        cookie.value().to_owned().try_into().ok()
    }
}

impl FormerSessions for ActixSessions {
    type Id = ();

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        let Candidates::One(text) = cookies.named(self.cookie.name()) else { return Ok(None) };
        let Some(key) = self.unwrap(text) else { return Ok(None) };
        let state = match CookieSessionStore::default().load(&key).await {
            Ok(state) => state,
            Err(LoadError::Deserialization(_)) => None,
            Err(error) => return Err(Error::opening(error)),
        };
        // Each value is JSON already.
        let value = |(key, json): (String, String)| Some((key, Value::from_json(&json)?));
        Ok(state
            .map(|state| Former { id: (), values: state.into_iter().filter_map(value).collect() }))
    }

    /// The browser forgets the cookie. Nothing on a server could: whoever has a copy can move once more with it, until
    /// the application ends the move.
    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        self.cookie.remove()
    }
}

/// New sessions, which begin with what visitors had in their old cookies.
pub(crate) fn sessions(key: Key) -> Result<impl SessionFactory, ConfigError> {
    let new = StoredFactory::builder("shop", MemoryStore::default()).insecure_plain_http();
    // Under another name than the old cookie, which is called `id` by default.
    let new = new.cookie(CookieSettings::new("session").secure(false)).build()?;
    Ok(MovingFactory::new(new, ActixSessions::new(key, &CookieSettings::new("id"))?))
}

async fn visits(session: Session) -> Result<String, Error> {
    let visits = session.modify("visits", |visits: &mut u32| {
        *visits += 1;
        *visits
    })?;
    Ok(format!("visit number {visits}"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = Key::generate(); // in earnest, the one that was there
    let layer = SessionLayer::new(sessions(key)?);
    let app = move || App::new().route("/", web::get().to(visits)).wrap(layer.clone());
    println!("http://127.0.0.1:6546");
    Ok(HttpServer::new(app).bind(("127.0.0.1", 6546))?.run().await?)
}
