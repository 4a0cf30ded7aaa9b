//! A session as a factory opened it: its entries, and the facts that stay the same while a request is served.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::Bounds;
use super::change::Change;
use super::entries::Entries;
use super::limits::Limits;
use super::remote::Remote;
use super::value::Value;
use crate::csrf::{CsrfSecret, TokenSource};
use crate::random::Random;
use crate::store::{StoreError, StoreErrorKind};
use crate::{Error, Timestamp};

/// Whether the request came with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It named none, or none that can be accepted.
    Absent,
    /// It named one that is alive.
    Live,
    /// It named one that was idle for too long; its data is gone.
    Expired,
    /// It named one by a ticket that a login or a renewal had replaced a moment before. The browser has another ticket
    /// or is about to get it, so nothing of this request is kept and nothing is sent.
    Superseded,
    /// It named one whose record cannot be read, because a later version of this crate wrote it or because it is damaged.
    /// The request fails, unless it begins anew: by a login, or by a logout.
    Unreadable,
}

impl Origin {
    /// Whether there is a session that changes can be made to.
    pub(crate) const fn is_there(self) -> bool {
        match self {
            Self::Live => true,
            Self::Absent | Self::Expired | Self::Superseded | Self::Unreadable => false,
        }
    }
}

/// A session as a factory opened it.
pub struct Opened<B> {
    pub(crate) entries: Entries,
    /// What the session is given before the handler gets it, to be kept like the handler's own changes.
    pub(crate) brought: Vec<Change>,
    pub(crate) facts: Facts,
    pub(crate) base: Arc<B>,
}

/// What does not change while a request is served.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
    pub(crate) created: Timestamp,
    pub(crate) idle_left: Option<Duration>,
    /// Why what is there cannot be read, where it cannot.
    pub(crate) unreadable: Option<Arc<str>>,
    /// Where the factory keeps when a session was used last.
    pub(crate) accesses: Option<Accesses>,
    /// Looking at the session gives nothing to keep.
    pub(crate) rests: bool,
    /// The operating system's unless said.
    pub(crate) random: Option<Arc<dyn Random>>,
    pub(crate) server: Option<Server>,
    pub(crate) csrf: TokenSource,
    pub(crate) bounds: Bounds,
    /// The limits of sessions that have none of their own, where the factory has such.
    pub(crate) limits: Option<Limits>,
}

/// Each look and each write is an access, and the last one counts.
#[derive(Clone)]
pub(crate) struct Accesses {
    /// Says when an access is.
    pub(crate) time: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Looks until then give nothing to keep.
    pub(crate) rest_until: Timestamp,
}

/// What only a session that is kept on a server has.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) owner: Option<Arc<str>>,
    /// Whose it was, and what it holds still is, where it is nobody's.
    pub(crate) left: Option<Arc<str>>,
    /// The session's own limits, where it has some.
    pub(crate) limits: Option<Limits>,
    /// What CSRF tokens are made from in the view of the request that a handle was taken in, if that made another secret.
    /// Boxed, because it is rare, and all requests would move it along.
    pub(crate) csrf: Option<Box<CsrfSecret>>,
    /// Whether the session is opened by a request, whose response can carry a ticket.
    pub(crate) has_response: bool,
    pub(crate) remote: Arc<dyn Remote>,
}

impl Facts {
    /// The error of a session of which nothing can be read.
    pub(crate) fn unreadable_error(&self) -> Option<Error> {
        let reason = self.unreadable.as_deref()?;
        Some(Error::Store {
            action: "opened",
            source: StoreError::new(StoreErrorKind::Corrupt, reason),
        })
    }

    /// When an access is that comes now, where the factory wants to know.
    pub(super) fn access_time(&self) -> Option<Timestamp> {
        self.accesses.as_ref().map(|accesses| (accesses.time)())
    }

    /// Whether looks, of which this was the last, give nothing to keep.
    pub(super) fn rests_after(&self, accessed: Option<Timestamp>) -> bool {
        self.rests
            && match (&self.accesses, accessed) {
                (Some(accesses), Some(last)) => last <= accesses.rest_until,
                _ => true,
            }
    }
}

impl Opened<()> {
    /// The same session as another time, with what it holds now.
    pub(crate) fn again(entries: Entries, facts: Facts) -> Self {
        Self { entries, brought: Vec::new(), facts, base: Arc::new(()) }
    }
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

    /// An empty session of a request that came with a ticket from just before a login.
    pub(crate) fn superseded(now: Timestamp, base: B) -> Self {
        Self::with(Origin::Superseded, now, now, Entries::new(), base)
    }

    /// A session of which nothing can be read, for this reason.
    pub(crate) fn unreadable(now: Timestamp, reason: Arc<str>, base: B) -> Self {
        let mut opened = Self::with(Origin::Unreadable, now, now, Entries::new(), base);
        opened.facts.unreadable = Some(reason);
        opened
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
        self.facts.random = Some(random);
        self
    }

    /// Whether looking at the session gives nothing to keep: `commit` is not called then for a request that only
    /// looks. Not so unless said.
    #[must_use]
    pub fn rests(mut self, rests: bool) -> Self {
        self.facts.rests = rests;
        self
    }

    /// How much the session may hold; [`Bounds::DEFAULT`] unless said.
    #[must_use]
    pub const fn bounds(mut self, bounds: Bounds) -> Self {
        self.facts.bounds = bounds;
        self
    }

    /// The limits that a session has unless it is given its own.
    pub(crate) const fn limits(mut self, limits: Limits) -> Self {
        self.facts.limits = Some(limits);
        self
    }

    /// Has each look and each write ask for the time, so that `commit` learns when the last one was.
    pub(crate) fn accesses(mut self, accesses: Accesses) -> Self {
        self.facts.accesses = Some(accesses);
        self
    }

    /// Gives the session these values, as if the handler set them.
    pub(crate) fn bring(mut self, values: Vec<(String, Value)>) -> Self {
        self.brought = values.into_iter().map(|(key, value)| Change::Set { key, value }).collect();
        self
    }

    /// The same for a factory around the one that opened it.
    pub(crate) fn map_base<C>(self, map: impl FnOnce(Arc<B>) -> C) -> Opened<C> {
        let Self { entries, brought, facts, base } = self;
        Opened { entries, brought, facts, base: Arc::new(map(base)) }
    }

    /// The session is kept on a server: it can have an owner and be renewed, and flash messages are claimed there.
    pub(crate) fn on_server(mut self, server: Server) -> Self {
        self.facts.server = Some(server);
        self.facts.csrf = TokenSource::Secret;
        self
    }

    /// Where CSRF tokens come from; a value of the session unless said.
    pub(crate) fn csrf(mut self, source: TokenSource) -> Self {
        self.facts.csrf = source;
        self
    }

    fn with(origin: Origin, now: Timestamp, created: Timestamp, entries: Entries, base: B) -> Self {
        let csrf = TokenSource::Value { form_keys: Arc::default() };
        let facts = Facts {
            origin,
            now,
            created,
            idle_left: None,
            unreadable: None,
            accesses: None,
            rests: false,
            random: None,
            server: None,
            csrf,
            bounds: Bounds::DEFAULT,
            limits: None,
        };
        Self { entries, brought: Vec::new(), facts, base: Arc::new(base) }
    }
}
