//! A factory that fails as a test wishes, on every framework.

use std::sync::Mutex;

use cloakroom::cookie::{CookieHeader, SetCookies};
use cloakroom::factory::{Commit, Opened};
use cloakroom::{Error, SessionFactory, Timestamp};

/// Fails once with this, when a session is opened or when it is kept.
#[derive(Default)]
pub struct Failing {
    pub open: Mutex<Option<Error>>,
    pub commit: Mutex<Option<Error>>,
}

impl SessionFactory for Failing {
    type Base = ();

    async fn open(&self, _: CookieHeader<'_>) -> Result<Opened<()>, Error> {
        self.open
            .lock()
            .unwrap()
            .take()
            .map_or_else(|| Ok(Opened::absent(Timestamp::from_secs(0), ())), Err)
    }

    async fn commit(&self, (): &(), _: Commit) -> Result<SetCookies, Error> {
        self.commit.lock().unwrap().take().map_or_else(|| Ok(SetCookies::none()), Err)
    }
}
