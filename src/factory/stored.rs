//! Server-side sessions: the browser has a ticket, a [`Store`] has the session.
//!
//! An untouched request costs no store call, one that reads costs one, one that writes two. Requests that race lose
//! nothing: each one's changes are replayed on what the others left. What another request has ended stays ended: a
//! commit never creates a record that it did not create itself. A store that fails is an error, never an empty
//! session. Layouts: FORMATS.md. Rules: S1-S8, S19-S31, S62-S74.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::{Commit, Opened, Refused, SessionFactory};
use crate::cookie::{Ambiguous, CookieHeader, CookieWriter, Judged, SetCookies};
use crate::random::Random;
use crate::session::{Bounds, Limits};
use crate::store::{self, Store, StoreError, StoreErrorKind, StoreKey, Turns};
use crate::ticket::{Namespace, Ticket, TicketHash};
use crate::time::Clock;
use crate::{ConfigError, Error, Timestamp};

mod anchor;
mod body;
mod breaker;
mod budget;
mod builder;
mod claims;
mod commit;
mod event;
mod lease;
mod located;
mod next;
mod owner;
mod pinned;
mod time;
mod visit;

#[cfg(feature = "settings")]
pub(crate) use builder::NAME;
pub use builder::{Overwrite, StoredBuilder};
pub use event::Event;
pub use owner::OwnedSession;

use body::Body;
use breaker::Breaker;
use budget::{Budget, Share};
use located::{Admission, Located};
use visit::Visit;

/// Keeps each session in a store, under a ticket in a cookie. Clones are the same factory: keep one for listing and
/// revoking.
///
/// | setting | default |
/// |---|---|
/// | limits | 20 minutes unused, 24 hours at most |
/// | a read moves the idle limit | when a tenth of it has passed |
/// | cookie | `__Host-Http-session; Path=/; Secure; HttpOnly; SameSite=Lax`, until the browser is closed |
/// | the ticket is renewed | at [`renew`](crate::Session::renew) and [`set_owner`](crate::Session::set_owner) only |
/// | changes of a request that failed | are kept |
/// | the calls that open a session, and those that keep it, may take | 3 seconds |
/// | a session holds at most | 1 MiB, 1024 keys, 256 messages a flash queue |
/// | a store that failed so often in a row is left alone, a second at a time | 10 times |
///
/// What follows from what a request did to its session:
///
/// | the request came with | and | store calls | cookie |
/// |---|---|---|---|
/// | no session | wrote | create | the ticket |
/// | no session | did not write, or left nothing | none | none |
/// | a live session | did not look | none | none |
/// | a live session | looked | load, seldom touch | none |
/// | a live session | wrote | load, replace | none |
/// | a live session | wrote what is there already | load | none |
/// | a live session | renewed | load, replace | the new ticket |
/// | a live session | invalidated | load, remove | removed |
/// | a live session | invalidated, then wrote | load, replace | the new ticket |
/// | a live session that another request ended | wrote | load, replace | none |
/// | a ticket from just before a login | anything | load | none |
/// | an expired session | did not write | load | none |
/// | a session that cannot be read | looked or wrote, which fails | load | none |
/// | a session that cannot be read | signed in | load, create | the ticket |
/// | a session that cannot be read | invalidated | load, remove if the ticket is proved | removed |
///
/// ```
/// use cloakroom::store::MemoryStore;
/// use cloakroom::{SessionLayer, StoredFactory};
///
/// let sessions = StoredFactory::new("shop", MemoryStore::default());
/// let layer = SessionLayer::new(sessions.clone());
/// ```
pub struct StoredFactory<S> {
    inner: Arc<Inner<S>>,
}

/// What all clones share.
struct Inner<S> {
    store: S,
    settings: Settings,
    breaker: Breaker,
    /// Requests that lost a race for a session wait here for each other, instead of losing again and again.
    turns: Arc<Turns>,
}

struct Settings {
    namespace: Namespace,
    cookie: CookieWriter,
    limits: Limits,
    bounds: Bounds,
    touch_after: Option<Duration>,
    renew_every: Option<Duration>,
    grace: Duration,
    flash_lease: Duration,
    csrf_grace: Duration,
    io_timeout: Option<Duration>,
    fail_fast_after: Option<u32>,
    keep_on_error: bool,
    overwrite: Overwrite,
    clock: Box<dyn Clock>,
    random: Arc<dyn Random>,
    on_event: Box<dyn Fn(&Event<'_>) + Send + Sync>,
}

/// What a ticket leads to.
enum Found {
    Session {
        ticket: Ticket,
        located: Arc<Located>,
    },
    /// A place where nothing is, any more or as yet.
    Missing(StoreKey),
    /// A live session to which the ticket was good until a moment ago.
    Superseded,
    /// A record that cannot be read, and why; its place if the ticket is the one that opens it.
    Unreadable {
        proved: Option<(StoreKey, TicketHash)>,
        reason: Arc<str>,
    },
}

impl Found {
    /// Whether both lead to one session: shortly after a periodic renewal the old ticket and the new one do (S30).
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session { located: one, .. }, Self::Session { located: two, .. }) => {
                one.key == two.key
            }
            _ => false,
        }
    }
}

impl<S: Store> StoredFactory<S> {
    /// Sessions of the application of this name in this store, with the default settings.
    ///
    /// # The namespace
    /// Any text that is this application's and no other's, the same in all its processes: `"shop"`, `"forum"`. It is
    /// part of what a ticket proves, so that of two applications that keep their sessions in one place by accident,
    /// neither takes the other's visitors for its own (S33). Pick it once: another name signs everybody out. It is no
    /// secret. The empty text is a name like any other.
    ///
    /// It divides nothing: owners' lists, [`revoke_all`](Self::revoke_all) and the like are of all that is in the
    /// store. Separate applications get a prefix, a table or a file each.
    pub fn new(namespace: &str, store: S) -> Self {
        let settings = StoredBuilder::<S>::defaults(namespace);
        Self { inner: Arc::new(Inner::new(store, settings)) }
    }

    /// For other settings than [`new`](Self::new) has.
    pub fn builder(namespace: &str, store: S) -> StoredBuilder<S> {
        StoredBuilder::new(namespace, store)
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.inner.store
    }
}

impl<S: Store> Inner<S> {
    fn new(store: S, settings: Settings) -> Self {
        let breaker = Breaker::new(settings.fail_fast_after);
        Self { store, settings, breaker, turns: Arc::default() }
    }

    /// What the request's cookies lead to (S13).
    async fn find(
        &self,
        cookies: CookieHeader<'_>,
        now: Timestamp,
    ) -> Result<Judged<Found>, Error> {
        let budget = self.budget();
        let Ok(texts) = cookies.named(self.settings.cookie.name()).texts() else {
            return Ok(self.refuse(Refused::Ambiguous));
        };
        let mut found = Judged::Refused;
        for text in texts {
            let other = self.examine(&budget, text, now).await?;
            if matches!(other, Judged::Live(Found::Unreadable { .. })) {
                // Whatever the other cookie leads to, it is not known which of them counts.
                return Ok(other);
            }
            match found.or(other, Found::is_same) {
                Ok(better) => found = better,
                Err(Ambiguous) => return Ok(self.refuse(Refused::Ambiguous)),
            }
        }
        Ok(found)
    }

    /// Whether this text is a ticket that opens a session. One that does not is never adopted (S2).
    async fn examine(
        &self,
        budget: &Budget,
        text: &[u8],
        now: Timestamp,
    ) -> Result<Judged<Found>, Error> {
        let Some(ticket) = Ticket::parse(text) else { return Ok(self.refuse(Refused::Malformed)) };
        let key = StoreKey::from_bytes(ticket.locator());
        let Some(stored) = self.call(budget, "opened", self.store.load(&key)).await? else {
            self.tell(&Event::Refused(Refused::Unknown));
            return Ok(Judged::Unknown(Found::Missing(key)));
        };
        let (data, expires_at) = (stored.record.data.clone(), stored.record.expires_at);
        let located = match Located::read("opened", key, stored, now) {
            Ok(located) => located,
            // It is over, whatever is in it.
            Err(_) if expires_at <= now => return Ok(self.refuse(Refused::Unknown)),
            Err(error) => return Ok(self.unreadable(&ticket, key, &data, &error)),
        };
        let has_ended = located.has_ended(&self.settings.limits, now);
        match located.body.admit(&ticket.hash(&self.settings.namespace), now) {
            Admission::Admitted if has_ended => {
                Ok(Judged::Expired(Found::Session { ticket, located }))
            }
            Admission::Admitted => Ok(Judged::Live(Found::Session { ticket, located })),
            Admission::Late if !has_ended => {
                self.tell(&Event::Refused(Refused::Reused));
                Ok(Judged::Unknown(Found::Superseded))
            }
            Admission::Late => Ok(self.refuse(Refused::Reused)),
            Admission::Refused(reason) => Ok(self.refuse(reason)),
        }
    }

    /// What a ticket to a record leads to that cannot be read (S79).
    fn unreadable(
        &self,
        ticket: &Ticket,
        key: StoreKey,
        data: &[u8],
        error: &Error,
    ) -> Judged<Found> {
        let hash = ticket.hash(&self.settings.namespace);
        let is_proved = Body::has_ticket(data, &hash);
        let reason = std::error::Error::source(error).map(ToString::to_string);
        Judged::Live(Found::Unreadable {
            proved: is_proved.then_some((key, hash)),
            reason: reason.unwrap_or_default().into(),
        })
    }

    /// Asks the store, within the budget, unless it seems to be gone (S75).
    async fn call<'a, T>(
        &self,
        budget: impl Into<Share<'a>>,
        action: &'static str,
        asked: impl Future<Output = store::Result<T>>,
    ) -> Result<T, Error> {
        let budget = budget.into();
        if budget.is_over() {
            // Never asked, so that it says nothing of the store.
            return Err(Error::Store { action, source: StoreErrorKind::TimedOut.into() });
        }
        if !self.breaker.admits() {
            return Err(Error::Store { action, source: StoreError::left_alone() });
        }
        let answer = budget.within(asked).await;
        let answer = answer.unwrap_or_else(|| Err(StoreErrorKind::TimedOut.into()));
        self.breaker.note(&answer);
        answer.map_err(|source| Error::Store { action, source })
    }

    /// Waits until what was written outlasts a machine. A store whose replicas are slow is there for everything else: it
    /// does not count as one that does not answer (S75).
    async fn confirm(
        &self,
        budget: &Budget,
        action: &'static str,
        key: &StoreKey,
    ) -> Result<(), Error> {
        let (asked, budget) = (self.store.await_replication(key), Share::from(budget));
        let answer = if budget.is_over() { None } else { budget.within(asked).await };
        let answer = answer.unwrap_or_else(|| Err(StoreErrorKind::TimedOut.into()));
        answer.map_err(|source| Error::Store { action, source })
    }

    /// The time for the calls that belong together.
    fn budget(&self) -> Budget {
        Budget::new(self.settings.io_timeout)
    }

    fn refuse<T>(&self, reason: Refused) -> Judged<T> {
        self.tell(&Event::Refused(reason));
        Judged::Refused
    }

    fn tell(&self, event: &Event<'_>) {
        event.log();
        (self.settings.on_event)(event);
    }
}

impl<S: Store> SessionFactory for StoredFactory<S> {
    type Base = Visit<S>;

    async fn open(&self, cookies: CookieHeader<'_>) -> Result<Opened<Visit<S>>, Error> {
        let settings = &self.inner.settings;
        // As records keep it, so that a session begins at the same time in its first request and in later ones.
        let now = settings.clock.now().floor_micros();
        let absent = |missing| Visit::absent(&self.inner, missing);
        let left = settings.limits.left(now, now);
        let opened = match self.inner.find(cookies, now).await? {
            Judged::Live(Found::Session { ticket, located }) => {
                Visit::live(&self.inner, ticket, located, now)
            }
            Judged::Live(Found::Unreadable { proved, reason }) => {
                let visit = Visit::unreadable(&self.inner, proved);
                Opened::unreadable(now, reason, visit).idle_left(left)
            }
            Judged::Expired(_) => {
                Opened::expired(now, now, absent(None)).idle_left(left).rests(true)
            }
            Judged::Unknown(Found::Superseded) => {
                Opened::superseded(now, absent(None)).idle_left(left)
            }
            Judged::Unknown(Found::Missing(key)) => {
                Opened::absent(now, absent(Some(key))).idle_left(left).rests(true)
            }
            Judged::Live(_) | Judged::Unknown(_) | Judged::Refused => {
                Opened::absent(now, absent(None)).idle_left(left).rests(true)
            }
        };
        let opened = Visit::serve(opened).random(settings.random.clone());
        Ok(opened.bounds(settings.bounds).limits(settings.limits))
    }

    async fn commit(&self, visit: &Visit<S>, commit: Commit) -> Result<SetCookies, Error> {
        visit.commit(commit).await
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl<S> Clone for StoredFactory<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<S> fmt::Debug for StoredFactory<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.inner.settings;
        f.debug_struct("StoredFactory")
            .field("cookie", &settings.cookie)
            .field("limits", &settings.limits)
            .finish_non_exhaustive()
    }
}
