//! What all requests share: the factory that keeps the sessions, and what it has noticed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use cloakroom::factory::Event;
use cloakroom::store::SqliteStore;
use cloakroom::{Error, SessionLayer, SignedCookieFactory, StoredFactory};
use serde::{Deserialize, Serialize};

use crate::error::{not_kept, told};
use crate::options::{Factory, Options};
use crate::secret;

type Layer = SessionLayer<fn(&Error) -> Response>;

/// Cheap to clone: each request has one.
#[derive(Clone)]
pub(crate) struct Site {
    sessions: Option<StoredFactory<SqliteStore>>,
    noticed: Arc<Noticed>,
}

/// How often the factory noticed that a request would overwrite what it had not seen.
#[derive(Default)]
struct Noticed {
    overwritten: AtomicU64,
    refused: AtomicU64,
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
    pub(crate) fn open(options: &Options) -> Result<(Self, Layer), String> {
        match options.factory {
            Factory::Sqlite => Self::on_sqlite(&options.database)
                .map_err(|error| format!("{}: {}", options.database.display(), told(&*error))),
            Factory::SignedCookie => Self::in_signed_cookie(&options.secret_file),
        }
    }

    fn on_sqlite(path: &Path) -> Result<(Self, Layer), Box<dyn std::error::Error>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let noticed = Arc::new(Noticed::default());
        let notes = noticed.clone();
        let factory = StoredFactory::builder(SqliteStore::open(path)?)
            .insecure_plain_http()
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
    pub(crate) fn sessions(&self) -> Result<&StoredFactory<SqliteStore>, Error> {
        self.sessions.as_ref().ok_or(Error::NotSupported { what: "a list of sessions" })
    }

    pub(crate) fn counts(&self) -> Counts {
        let Noticed { overwritten, refused } = &*self.noticed;
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
