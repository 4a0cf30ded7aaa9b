//! A store that is perhaps not open yet.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::engine::Engine;
use super::options::AnyOptions;
use crate::store::{Result, StoreError, StoreErrorKind};

/// The pause between two attempts to open it, and so between two lines in the log.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Later {
    scheme: &'static str,
    engine: OnceLock<Engine>,
    /// Why it is not open.
    failure: Mutex<String>,
}

impl Later {
    pub(super) fn opened(engine: Engine) -> Self {
        let later = Self::of(engine.scheme());
        later.engine.get_or_init(|| engine);
        later
    }

    fn of(scheme: &'static str) -> Self {
        Self { scheme, engine: OnceLock::new(), failure: Mutex::default() }
    }

    /// One that is opened in the background, for as long as somebody holds it.
    pub(super) fn in_background(
        scheme: &'static str,
        options: AnyOptions,
        runtime: &tokio::runtime::Handle,
    ) -> Arc<Self> {
        let later = Arc::new(Self::of(scheme));
        runtime.spawn(open(Arc::downgrade(&later), options));
        later
    }

    pub(super) const fn scheme(&self) -> &'static str {
        self.scheme
    }

    pub(super) fn engine(&self) -> Result<&Engine> {
        self.engine.get().ok_or_else(|| self.not_yet())
    }

    #[cold]
    fn not_yet(&self) -> StoreError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let cause = match failure.as_str() {
            "" => "the store is being opened for the first time".to_owned(),
            failure => format!("the store could not be opened yet: {failure}"),
        };
        StoreError::new(StoreErrorKind::Unavailable, cause)
    }
}

async fn open(later: Weak<Later>, options: AnyOptions) {
    loop {
        let opened = options.open_once().await;
        let Some(later) = later.upgrade() else { return };
        match opened {
            Ok(engine) => {
                later.engine.get_or_init(|| engine);
                tracing::info!(scheme = later.scheme, "the store is open");
                return;
            }
            Err(error) => {
                not_there(&error);
                let mut failure = later.failure.lock().unwrap_or_else(PoisonError::into_inner);
                *failure = said(&error);
            }
        }
        drop(later);
        tokio::time::sleep(PAUSE).await;
    }
}

/// The line in the log for each attempt.
pub(super) fn not_there(error: &StoreError) {
    tracing::warn!(error = said(error), "the store is not there: trying again");
}

fn said(error: &StoreError) -> String {
    match error.causes() {
        causes if causes.is_empty() => error.to_string(),
        causes => causes,
    }
}
