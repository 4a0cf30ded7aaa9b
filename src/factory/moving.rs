//! Taking sessions over from another library, one visitor at a time.

use std::future::Future;
use std::sync::Arc;

use crate::cookie::{CookieHeader, SetCookie, SetCookies};
use crate::factory::{Commit, Opened, Origin, SessionFactory};
use crate::{Error, Value};

/// Sessions of another library, which visitors still have cookies of.
///
/// What implements it reads the other library's store with that library's own code: the repository's `examples/` do so
/// for tower-sessions and for actix-session.
pub trait FormerSessions: Send + Sync + 'static {
    /// Names one of them.
    type Id: Send + Sync + 'static;

    /// The session that these cookies name, if it is alive.
    ///
    /// # Errors
    /// [`Error::opening`] if it cannot be known whether there is one.
    fn find(
        &self,
        cookies: CookieHeader<'_>,
    ) -> impl Future<Output = Result<Option<Former<Self::Id>>, Error>> + Send;

    /// Ends it, so that its cookie opens nothing any more, and says which cookie the browser has to forget.
    ///
    /// # Errors
    /// [`Error::keeping`] if it may live on.
    fn end(&self, id: &Self::Id) -> impl Future<Output = Result<SetCookie, Error>> + Send;
}

/// A session of another library.
pub struct Former<I> {
    /// Which one it is.
    pub id: I,
    /// What it holds: [`Value::encode`] or [`Value::from_json`] makes the values.
    pub values: Vec<(String, Value)>,
}

/// Sessions of one factory that begin with what visitors had elsewhere.
///
/// A visitor without a session here whose cookie names one [there](FormerSessions) gets a new one with its values, as if
/// the handler had set them. With the response that carries the new cookie, the former session is ended: its cookie
/// opens nothing any more, and nobody who has a copy can go back to it. So it is too when the handler invalidates the session. A
/// request that does not ask for its session changes nothing.
///
/// Of two first requests at once, each may get a session of its own; the browser keeps one of them. The session has no
/// owner before [`set_owner`](crate::Session::set_owner) gives it one. Once no cookie of before can be alive, exchange
/// this for the factory within.
///
/// ```
/// use cloakroom::factory::{FormerSessions, MovingFactory};
/// use cloakroom::{StoredFactory, store::MemoryStore};
///
/// fn sessions(former: impl FormerSessions) -> MovingFactory<StoredFactory<MemoryStore>, impl FormerSessions> {
///     MovingFactory::new(StoredFactory::new("shop", MemoryStore::default()), former)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct MovingFactory<F, O> {
    factory: F,
    former: O,
}

/// What [`MovingFactory`] knows from the request on.
pub struct Moving<B, I> {
    base: Arc<B>,
    /// The former session whose values were brought.
    former: Option<I>,
}

impl<F: SessionFactory, O: FormerSessions> MovingFactory<F, O> {
    /// Sessions of `factory`, which take the place of those of `former`.
    pub const fn new(factory: F, former: O) -> Self {
        Self { factory, former }
    }
}

impl<F: SessionFactory, O: FormerSessions> SessionFactory for MovingFactory<F, O> {
    type Base = Moving<F::Base, O::Id>;

    async fn open(&self, cookies: CookieHeader<'_>) -> Result<Opened<Self::Base>, Error> {
        let opened = self.factory.open(cookies).await?;
        let former = match opened.facts.origin {
            Origin::Live | Origin::Superseded | Origin::Unreadable => None,
            Origin::Absent | Origin::Expired => self.former.find(cookies).await?,
        };
        let (id, values) = former.map(|Former { id, values }| (id, values)).unzip();
        let opened = opened.bring(values.unwrap_or_default());
        Ok(opened.map_base(|base| Moving { base, former: id }))
    }

    async fn commit(&self, moving: &Self::Base, commit: Commit) -> Result<SetCookies, Error> {
        let is_ended = commit.is_invalidated();
        let cookies = self.factory.commit(&moving.base, commit).await?;
        match &moving.former {
            Some(id) if is_ended || !cookies.is_empty() => {
                Ok(cookies.and(self.former.end(id).await?))
            }
            // Nothing was kept here, so there it has to stay.
            _ => Ok(cookies),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.factory.is_same(&other.factory)
    }
}
