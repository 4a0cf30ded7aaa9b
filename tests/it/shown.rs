//! Which responses somebody sees: every status, with everything else that it depends on. For every adapter.

use std::sync::{Arc, Mutex};

use cloakroom::cookie::{CookieHeader, SetCookies};
use cloakroom::factory::{Commit, Opened};
use cloakroom::session::Ending;
use cloakroom::{Error, SessionFactory, Timestamp};

/// A request and the response to it.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub status: u16,
    pub is_head: bool,
    pub has_location: bool,
    pub is_prefetch: bool,
}

impl Case {
    pub fn all() -> impl Iterator<Item = Self> {
        let cases = |status| {
            (0..8).map(move |bits| Self {
                status,
                is_head: bits & 1 != 0,
                has_location: bits & 2 != 0,
                is_prefetch: bits & 4 != 0,
            })
        };
        (100..=599).flat_map(cases)
    }

    /// The rule, as S67 says it.
    pub fn ending(self) -> Ending {
        let Self { status, is_head, has_location, is_prefetch } = self;
        if status >= 500 {
            Ending::Failed
        } else if is_head
            || is_prefetch
            || status < 200
            || status / 100 == 3
            || status == 201 && has_location
            || [204, 205].contains(&status)
        {
            Ending::Unseen
        } else {
            Ending::Shown
        }
    }
}

/// Notes how each request ended.
#[derive(Clone, Default)]
pub struct Noting(Arc<Mutex<Option<Ending>>>);

impl Noting {
    pub fn ending(&self) -> Option<Ending> {
        self.0.lock().unwrap().take()
    }
}

impl SessionFactory for Noting {
    type Base = ();

    async fn open(&self, _: CookieHeader<'_>) -> Result<Opened<()>, Error> {
        Ok(Opened::absent(Timestamp::from_secs(0), ()))
    }

    async fn commit(&self, (): &(), commit: Commit) -> Result<SetCookies, Error> {
        *self.0.lock().unwrap() = Some(commit.ending());
        Ok(SetCookies::none())
    }
}
