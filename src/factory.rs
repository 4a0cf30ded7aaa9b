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
//!     async fn commit(&self, base: &Self::Base, mut commit: Commit) -> Result<SetCookies, Error> {
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

use crate::Error;
use crate::cookie::{CookieHeader, SetCookies};

mod moving;
pub(crate) mod plan;
mod pyramid_json;
mod refused;
mod signed_cookie;
mod stored;

pub use crate::session::{Commit, Ending, Opened, Origin};
pub use moving::{Former, FormerSessions, Moving, MovingFactory};
pub use refused::Refused;
pub use signed_cookie::{SignedCookieBuilder, SignedCookieFactory, SignedValue};
#[cfg(feature = "settings")]
pub(crate) use stored::NAME as STORED_COOKIE;
pub use stored::{Event, Overwrite, OwnedSession, StoredBuilder, StoredFactory};

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
        base: &Self::Base,
        commit: Commit,
    ) -> impl Future<Output = Result<SetCookies, Error>> + Send;

    /// Whether `other` is this factory, as its clones are if there are any. A layer inside of another with the same
    /// factory uses the session that the other has, so that a request has one. Only where it lies in memory, unless said.
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}
