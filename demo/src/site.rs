//! What all requests share: the factory that keeps the sessions, and what it has noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::response::Response;
use cloakroom::csrf::Rule;
use cloakroom::factory::Event;
use cloakroom::store::{AnyStore, SqliteStore};
use cloakroom::{ConfigError, Error, SessionLayer, SignedCookieFactory, StoredFactory};
use serde::{Deserialize, Serialize};

use crate::error::{not_kept, told};
use crate::options::{Factory, Options};
use crate::secret;

const CSRF_GRACE: Duration = Duration::from_secs(5 * 60);

type Sessions = StoredFactory<AnyStore>;
type Layer = SessionLayer<fn(&Error) -> Response>;

/// Cheap to clone: each request has one.
#[derive(Clone)]
pub(crate) struct Site {
    sessions: Option<Sessions>,
    noticed: Arc<Noticed>,
}

/// How often the factory noticed that a request would overwrite what it had not seen, and the guards a forged one.
#[derive(Default)]
struct Noticed {
    overwritten: AtomicU64,
    refused: AtomicU64,
    /// Requests that seemed to be forged, by the rule that found them.
    forged: Mutex<BTreeMap<&'static str, u64>>,
    /// Where the other site is.
    other_sites: OnceLock<Vec<String>>,
}

/// What was noticed so far, by whomever it was caused.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) overwritten: u64,
    pub(crate) refused: u64,
}

impl Site {
    /// The site and the layer that gives its requests their sessions.
    ///
    /// The demo is served over plain http on loopback, where some browsers drop a cookie that is `Secure`.
    pub(crate) async fn open(options: &Options) -> Result<(Self, Layer), String> {
        match &options.factory {
            Factory::Sqlite => Self::on_sqlite(&options.database)
                .map_err(|error| format!("{}: {}", options.database.display(), told(&*error))),
            // Without the URL, which may hold a password.
            Factory::Url(url) => Self::at(url).await.map_err(|error| told(&*error)),
            Factory::SignedCookie => Self::in_signed_cookie(&options.secret_file),
        }
    }

    fn on_sqlite(path: &Path) -> Result<(Self, Layer), Box<dyn std::error::Error>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self::stored(AnyStore::from(SqliteStore::open(path)?))?)
    }

    async fn at(url: &str) -> Result<(Self, Layer), Box<dyn std::error::Error>> {
        let store = AnyStore::open(url).await?;
        store.create_table().await?;
        Ok(Self::stored(store)?)
    }

    fn stored(store: AnyStore) -> Result<(Self, Layer), ConfigError> {
        let noticed = Arc::new(Noticed::default());
        let notes = noticed.clone();
        let factory = StoredFactory::builder("demo", store)
            .insecure_plain_http()
            // A form that stood open in another tab while its visitor signed in can be sent for a while.
            .csrf_grace(CSRF_GRACE)
            .on_event(move |event| notes.count(event))
            .build()?;
        let layer = SessionLayer::new(factory.clone()).on_error(not_kept as _);
        Ok((Self { sessions: Some(factory), noticed }, layer))
    }

    fn in_signed_cookie(path: &Path) -> Result<(Self, Layer), String> {
        let factory = SignedCookieFactory::builder(secret::kept_in(path)?).insecure_plain_http();
        let factory = factory.build().map_err(|error| format!("{}: {error}", path.display()))?;
        let layer = SessionLayer::new(factory).on_error(not_kept as _);
        Ok((Self { sessions: None, noticed: Arc::default() }, layer))
    }

    /// Whether sessions are kept on the server, and not in the cookie.
    pub(crate) const fn is_stored(&self) -> bool {
        self.sessions.is_some()
    }

    /// The factory, for what concerns other sessions than that of the request.
    pub(crate) fn sessions(&self) -> Result<&Sessions, Error> {
        self.sessions.as_ref().ok_or(Error::NotSupported { what: "a list of sessions" })
    }

    /// One more request that seemed to be forged.
    pub(crate) fn count_refused(&self, rule: Rule) {
        *self.forged().entry(rule.as_str()).or_default() += 1;
    }

    /// How many there were, by rule.
    pub(crate) fn refused(&self) -> Vec<(&'static str, u64)> {
        self.forged().iter().map(|(rule, count)| (*rule, *count)).collect()
    }

    /// Says once where the other site is.
    pub(crate) fn set_other_sites(&self, urls: Vec<String>) {
        let _ = self.noticed.other_sites.set(urls);
    }

    pub(crate) fn other_sites(&self) -> Vec<String> {
        self.noticed.other_sites.get().cloned().unwrap_or_default()
    }

    fn forged(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.noticed.forged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        let Noticed { overwritten, refused, .. } = &*self.noticed;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts { overwritten: read(overwritten), refused: read(refused) }
    }
}

impl Noticed {
    fn count(&self, event: &Event<'_>) {
        let count = match event {
            Event::Overwritten(_) => &self.overwritten,
            Event::OverwriteRefused(_) => &self.refused,
            _ => return,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}
