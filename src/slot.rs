//! The place in a request where its session will be: opened at the first asking, once, and kept with the response.
//!
//! The layer puts a slot into every request and looks at it again when the handler has answered. Until somebody
//! asks, nothing is read and nothing is checked.

use std::any::Any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http::{Extensions, HeaderMap, HeaderName, Request};
use tokio::sync::OnceCell;

use crate::cookie::{CookieHeader, SetCookies};
use crate::factory::{Commit, SessionFactory};
use crate::session::BoxFuture;
use crate::{Error, Session};

#[cfg(any(feature = "tower", feature = "actix"))]
mod answering;
mod ending;
mod head;

#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) use answering::{Answering, InsteadOf};
pub(crate) use ending::Answer;
pub(crate) use head::Head;
#[cfg(any(feature = "tower", feature = "actix"))]
pub(crate) use head::Outgoing;
use head::has_word;

type AnyBase = Arc<dyn Any + Send + Sync>;

/// A [`SessionFactory`] whose type is forgotten, so that handlers need not name it.
pub(crate) trait AnyFactory: Any + Send + Sync {
    fn open<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<(Session, AnyBase), Error>>;
    fn commit(
        self: Arc<Self>,
        base: AnyBase,
        commit: Commit,
    ) -> BoxFuture<'static, Result<SetCookies, Error>>;
    fn is(&self, other: &dyn AnyFactory) -> bool;
}

impl<F: SessionFactory> AnyFactory for F {
    fn open<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<(Session, AnyBase), Error>> {
        Box::pin(async move {
            let opened = SessionFactory::open(self, CookieHeader::new(headers)).await?;
            let (session, base) = Session::open(opened);
            Ok((session, base as AnyBase))
        })
    }

    fn commit(
        self: Arc<Self>,
        base: AnyBase,
        commit: Commit,
    ) -> BoxFuture<'static, Result<SetCookies, Error>> {
        Box::pin(async move {
            // The slot hands back what this same factory's `open` gave it.
            let base = base.downcast_ref();
            let base = base.ok_or_else(|| Error::keeping("opened by another factory"))?;
            SessionFactory::commit(&*self, base, commit).await
        })
    }

    fn is(&self, other: &dyn AnyFactory) -> bool {
        let other: &dyn Any = other;
        other.downcast_ref().is_some_and(|other| self.is_same(other))
    }
}

/// One request's session, perhaps not opened yet. Clones are the same slot.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Place>);

struct Place {
    factory: Arc<dyn AnyFactory>,
    /// That of the layer around, which has another factory, or none.
    outer: OnceLock<Slot>,
    opened: OnceCell<(Session, AnyBase)>,
    /// Whether the browser fetches the page before anybody asks for it; known when the session is opened.
    is_prefetch: AtomicBool,
    closed: AtomicBool,
}

/// How a layer comes to the slot of a request.
pub(crate) enum Entry {
    /// It made one, and keeps its session.
    Own(Slot),
    /// A layer around it with the same factory made one, and keeps its session: there is one for a request (R4).
    Outer,
}

impl Slot {
    /// The headers that opening a session looks at, beside those that [say a prefetch](is_older_prefetch).
    #[cfg(feature = "actix")]
    pub(crate) const HEADERS: [HeaderName; 2] = [CookieHeader::NAME, SEC_PURPOSE];

    /// For a request that comes to the layer of this factory. `put` puts a slot into its extensions, and gives the one
    /// that was there: nearly always there was none, so that one look there has to do.
    pub(crate) fn enter(
        factory: &Arc<dyn AnyFactory>,
        mut put: impl FnMut(Self) -> Option<Self>,
    ) -> Entry {
        let own = Self(Arc::new(Place {
            factory: factory.clone(),
            outer: OnceLock::new(),
            opened: OnceCell::new(),
            is_prefetch: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }));
        let Some(outer) = put(own.clone()) else { return Entry::Own(own) };
        if let Some(same) = outer.of(factory).cloned() {
            put(same);
            return Entry::Outer;
        }
        // It has just been made, and has none.
        let _ = own.0.outer.set(outer);
        Entry::Own(own)
    }

    /// This slot or one around it that is of this factory and not closed yet.
    fn of(&self, factory: &Arc<dyn AnyFactory>) -> Option<&Self> {
        let is_same = factory.is(&*self.0.factory);
        if is_same && !self.0.closed.load(Ordering::SeqCst) {
            return Some(self);
        }
        self.0.outer.get()?.of(factory)
    }

    /// The session, opened if this is the first asking (R4).
    pub(crate) async fn session(&self, headers: &HeaderMap) -> Result<Session, Error> {
        let place = &*self.0;
        let open = || async {
            let opened = place.factory.open(headers).await?;
            place.is_prefetch.store(is_prefetch(headers), Ordering::SeqCst);
            Ok::<_, Error>(opened)
        };
        let session = place.opened.get_or_try_init(open).await?.0.clone();
        if place.closed.load(Ordering::SeqCst) {
            // Asked for after the response began: still good for reading, writes are refused.
            session.refuse_writes();
        }
        Ok(session)
    }

    /// Ends the request's use of the session. `None` if nobody asked for it, or it has ended before.
    pub(crate) fn close(&self, answer: Answer) -> Option<Closed> {
        if self.0.closed.swap(true, Ordering::SeqCst) {
            return None;
        }
        let (session, base) = self.0.opened.get()?;
        if let Some((usage, is_gone)) = session.close_at_rest() {
            let head = Head::new(SetCookies::none(), usage.seen, usage.has_token);
            return Some(Closed::AtRest(head.of_gone(is_gone)));
        }
        let (factory, base) = (self.0.factory.clone(), base.clone());
        let is_prefetch = self.0.is_prefetch.load(Ordering::SeqCst);
        let commit = session.close(answer.ending(is_prefetch));
        Some(Closed::Changed(Changed { factory, base, commit }))
    }
}

/// A session that nobody writes any more.
pub(crate) enum Closed {
    /// It was only looked at: there is nothing to keep.
    AtRest(Head),
    Changed(Changed),
}

/// A session that is to be kept.
pub(crate) struct Changed {
    factory: Arc<dyn AnyFactory>,
    base: AnyBase,
    commit: Commit,
}

impl Changed {
    /// Whether something has to be kept even if nobody waits for the response any more (S27).
    pub(crate) fn must_be_kept(&self) -> bool {
        self.commit.must_be_kept()
    }

    /// Keeps it, and says what the response's head has to carry.
    pub(crate) fn commit(self) -> Keeping {
        Keeping {
            seen: self.commit.was_seen(),
            has_token: self.commit.has_token(),
            session: self.commit.session().clone(),
            keeping: self.factory.commit(self.base, self.commit),
        }
    }
}

/// A session on its way to where it is kept.
pub(crate) struct Keeping {
    seen: bool,
    has_token: bool,
    session: Session,
    keeping: BoxFuture<'static, Result<SetCookies, Error>>,
}

impl Future for Keeping {
    /// The error with the cookies that go out all the same.
    type Output = Result<Head, (Error, SetCookies)>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let kept = ready!(self.keeping.as_mut().poll(context));
        Poll::Ready(match kept {
            Ok(cookies) => {
                let head = Head::new(cookies, self.seen, self.has_token);
                Ok(head.of_gone(self.session.is_gone()))
            }
            Err(error) => Err((error, self.session.take_regardless())),
        })
    }
}

/// What a browser says of a request that nobody asked for yet (Fetch, "Sec-Purpose").
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

fn is_prefetch(headers: &HeaderMap) -> bool {
    let purposes = headers.get_all(SEC_PURPOSE).into_iter();
    has_word(purposes.filter_map(|field| field.to_str().ok()), &["prefetch"])
        || headers.iter().any(|(name, value)| is_older_prefetch(value.as_bytes(), || name.as_str()))
}

/// Whether this field says the same in the words of browsers that do not know `Sec-Purpose`. To compare each field's value
/// takes less than to look for two more names.
pub(crate) fn is_older_prefetch<'a>(value: &[u8], name: impl FnOnce() -> &'a str) -> bool {
    value.eq_ignore_ascii_case(b"prefetch") && ["purpose", "x-moz"].contains(&name())
}

/// Finding the session of a request.
impl Session {
    /// The session of a request that came through a [session layer](crate::SessionLayer): opened at the first call,
    /// the same one at every later call.
    ///
    /// Handlers of axum take a `Session` as an argument instead; its middleware asks like this:
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, extract::Request, middleware::{Next, from_fn}, response::Response};
    /// use cloakroom::{Error, Session};
    ///
    /// async fn count(request: Request, next: Next) -> Result<Response, Error> {
    ///     let session = Session::of(&request).await?;
    ///     session.modify("requests", |requests: &mut u64| *requests += 1)?;
    ///     Ok(next.run(request).await)
    /// }
    ///
    /// let app: Router = Router::new().layer(from_fn(count)); // and then the session layer
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoLayer`] where no layer is installed; whatever the factory fails with.
    pub fn of<B>(request: &Request<B>) -> impl Future<Output = Result<Self, Error>> + Send {
        // Not `async`, so that the future has the head only: a body need not be `Sync`, and that of axum is not.
        Self::of_parts(request.extensions(), request.headers())
    }

    /// As [`of`](Session::of), for a request that was taken apart.
    ///
    /// # Errors
    /// As [`of`](Session::of).
    pub async fn of_parts(extensions: &Extensions, headers: &HeaderMap) -> Result<Self, Error> {
        let slot = extensions.get::<Slot>().ok_or(Error::NoLayer)?;
        slot.session(headers).await
    }
}
