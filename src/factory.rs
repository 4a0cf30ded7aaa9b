//! Session factories: how a session is opened from a request and kept with its response.
//!
//! [`SignedCookieFactory`] is one. Write your own for a scheme that is wholly yours; flash messages, the CSRF
//! token and everything else on [`Session`](crate::Session) work with it unchanged. This one keeps sessions in a map and names them
//! by a number that anyone can guess, which is all that is wrong with it:
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, sync::atomic::{AtomicU64, Ordering}};
//! use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, CookieWriter, SetCookies};
//! use cloakroom::factory::{Commit, Opened, SessionFactory};
//! use cloakroom::{Entries, Error, Timestamp, time::{Clock, SystemClock}};
//!
//! struct Numbered {
//!     cookie: CookieWriter,
//!     next: AtomicU64,
//!     sessions: Mutex<HashMap<u64, (Timestamp, Entries)>>,
//! }
//!
//! impl SessionFactory for Numbered {
//!     /// What `open` wants `commit` to know: the number that the client sent, if there is such a session.
//!     type Base = Option<u64>;
//!
//!     async fn open(&self, cookies: CookieHeader<'_>) -> Result<Opened<Self::Base>, Error> {
//!         let now = SystemClock.now();
//!         let Candidates::One(text) = cookies.named(self.cookie.name()) else {
//!             return Ok(Opened::absent(now, None));
//!         };
//!         let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
//!         let sessions = self.sessions.lock().unwrap();
//!         Ok(match number.and_then(|number| Some((number, sessions.get(&number)?))) {
//!             Some((number, (created, entries))) => {
//!                 Opened::live(now, *created, entries.clone(), Some(number))
//!             }
//!             None => Opened::absent(now, None),
//!         })
//!     }
//!
//!     async fn commit(&self, base: Self::Base, mut commit: Commit) -> Result<SetCookies, Error> {
//!         let mut sessions = self.sessions.lock().unwrap();
//!         if commit.is_invalidated() && commit.entries().is_empty() {
//!             return match base.and_then(|number| sessions.remove(&number)) {
//!                 Some(_) => Ok(SetCookies::one(self.cookie.remove()?)),
//!                 None => Ok(SetCookies::none()),
//!             };
//!         }
//!         if commit.changes().is_empty() {
//!             return Ok(SetCookies::none());
//!         }
//!         let number = base.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
//!         // Not `commit.entries()`: another request may have written since, and loses nothing this way.
//!         let (_, now_there) = sessions.entry(number).or_insert((commit.created(), Entries::new()));
//!         *now_there = commit.changes().replay(now_there)?;
//!         Ok(SetCookies::one(self.cookie.set(&number.to_string())?))
//!     }
//! }
//!
//! let factory = Numbered {
//!     cookie: CookieSettings::new("number").build()?,
//!     next: AtomicU64::new(1),
//!     sessions: Mutex::default(),
//! };
//! # #[cfg(feature = "tower")]
//! let layer = cloakroom::SessionLayer::new(factory);
//! # Ok::<(), cloakroom::ConfigError>(())
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cookie::{CookieHeader, SetCookies};
use crate::random::{Random, SystemRandom};
use crate::session::{Changes, Entries, Usage};
use crate::{Error, Timestamp};

mod pyramid_json;
mod signed_cookie;

pub use signed_cookie::{Refused, SignedCookieBuilder, SignedCookieFactory};

/// Opens the session that a request names, and keeps what changed.
///
/// Called only for requests whose handler asks for the session: `open` at the first asking, `commit` when the
/// handler has answered and before the response's head leaves.
pub trait SessionFactory: Send + Sync + 'static {
    /// What `open` found out and `commit` needs to know.
    type Base: Send + Sync + 'static;

    /// Opens the session. A cookie that is unknown, forged or unreadable gives [`Opened::absent`], silently.
    ///
    /// # Errors
    /// [`Error::opening`] if it cannot be known whether there is a session. Never an empty session instead.
    fn open(
        &self,
        cookies: CookieHeader<'_>,
    ) -> impl Future<Output = Result<Opened<Self::Base>, Error>> + Send;

    /// Keeps what changed and says which cookies go out; most requests need neither.
    ///
    /// # Errors
    /// [`Error::keeping`] or [`Error::TooLarge`] if it cannot be kept; the response is then replaced by an error.
    fn commit(
        &self,
        base: Self::Base,
        commit: Commit,
    ) -> impl Future<Output = Result<SetCookies, Error>> + Send;
}

/// Whether the request came with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It named none, or none that can be accepted.
    Absent,
    /// It named one that is alive.
    Live,
    /// It named one that was idle for too long; its data is gone.
    Expired,
}

/// A session as a factory opened it.
pub struct Opened<B> {
    pub(crate) entries: Entries,
    pub(crate) facts: Facts,
    pub(crate) base: B,
}

/// What does not change while a request is served.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
    pub(crate) created: Timestamp,
    pub(crate) idle_left: Option<Duration>,
    pub(crate) random: Arc<dyn Random>,
}

impl<B> Opened<B> {
    /// A new, empty session that begins `now`.
    #[must_use]
    pub fn absent(now: Timestamp, base: B) -> Self {
        Self::with(Origin::Absent, now, now, Entries::new(), base)
    }

    /// The session that the request named, opened `now`.
    #[must_use]
    pub fn live(now: Timestamp, created: Timestamp, entries: Entries, base: B) -> Self {
        Self::with(Origin::Live, now, created, entries, base)
    }

    /// An empty session in place of one that was idle for too long.
    #[must_use]
    pub fn expired(now: Timestamp, created: Timestamp, base: B) -> Self {
        Self::with(Origin::Expired, now, created, Entries::new(), base)
    }

    /// How long the session lives from now if nobody comes back; no limit unless said.
    #[must_use]
    pub fn idle_left(mut self, idle_left: Option<Duration>) -> Self {
        self.facts.idle_left = idle_left;
        self
    }

    /// Where the session's CSRF token comes from; the operating system unless said.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.facts.random = random;
        self
    }

    fn with(origin: Origin, now: Timestamp, created: Timestamp, entries: Entries, base: B) -> Self {
        let random = Arc::new(SystemRandom);
        Self { entries, facts: Facts { origin, now, created, idle_left: None, random }, base }
    }
}

/// What a request did with its session, handed to the factory when the handler has answered.
#[derive(Debug)]
pub struct Commit {
    origin: Origin,
    now: Timestamp,
    created: Timestamp,
    entries: Entries,
    changes: Changes,
    usage: Usage,
    failed: bool,
}

impl Commit {
    pub(crate) fn new(
        facts: &Facts,
        entries: Entries,
        changes: Changes,
        usage: Usage,
        failed: bool,
    ) -> Self {
        let Facts { origin, now, created, .. } = *facts;
        Self { origin, now, created, entries, changes, usage, failed }
    }

    /// Whether the request came with a session.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The time at which the session was opened.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// When the session began.
    #[must_use]
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// What the session held when the handler had answered, as the handler saw it.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// What was done to it, to be replayed on what is stored by now.
    #[must_use]
    pub const fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// Whether the data was looked at, so that idle time starts anew.
    #[must_use]
    pub const fn was_looked_at(&self) -> bool {
        self.usage.looked
    }

    /// Whether a method that writes was called, even if it made no difference.
    #[must_use]
    pub const fn was_written(&self) -> bool {
        self.usage.wrote || self.usage.marked || self.usage.invalidated
    }

    /// Whether the session was explicitly [marked as changed](crate::Session::changed).
    #[must_use]
    pub const fn is_marked_changed(&self) -> bool {
        self.usage.marked
    }

    /// Whether the session was [invalidated](crate::Session::invalidate), whatever was written afterwards.
    #[must_use]
    pub const fn is_invalidated(&self) -> bool {
        self.usage.invalidated
    }

    /// Whether the handler failed: it answered 5xx.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    pub(crate) const fn entries_mut(&mut self) -> &mut Entries {
        &mut self.entries
    }

    pub(crate) const fn was_seen(&self) -> bool {
        self.usage.seen
    }
}
