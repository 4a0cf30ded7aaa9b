//! The place in a request where its session will be: opened at the first asking, once, and kept with the response.
//!
//! The layer puts a slot into every request and looks at it again when the handler has answered. Until somebody
//! asks, nothing is read and nothing is checked.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tokio::sync::OnceCell;

use crate::cookie::{CookieHeader, SetCookies};
use crate::factory::{Commit, SessionFactory};
use crate::session::{BoxFuture, Ending};
use crate::{Error, Session};

type AnyBase = Arc<dyn Any + Send + Sync>;

/// A [`SessionFactory`] whose type is forgotten, so that handlers need not name it.
pub(crate) trait AnyFactory: Send + Sync {
    fn open<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> BoxFuture<'a, Result<(Session, AnyBase), Error>>;
    fn commit(
        self: Arc<Self>,
        base: AnyBase,
        commit: Commit,
    ) -> BoxFuture<'static, Result<SetCookies, Error>>;
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
}

/// One request's session, perhaps not opened yet. Clones are the same slot.
#[derive(Clone)]
pub(crate) struct Slot(Arc<Place>);

struct Place {
    factory: Arc<dyn AnyFactory>,
    opened: OnceCell<Open>,
    closed: AtomicBool,
}

struct Open {
    session: Session,
    base: AnyBase,
    /// Whether the browser fetches the page before anybody asks for it.
    is_prefetch: bool,
}

/// How a request ended, as its adapter saw it.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// With a response of this status; to `HEAD` without its body.
    Response { status: StatusCode, is_head: bool },
    /// Not with a response, but with an error or a panic.
    Failure,
    /// The client went away while the handler worked.
    Cancelled,
}

impl Slot {
    pub(crate) fn new(factory: Arc<dyn AnyFactory>) -> Self {
        Self(Arc::new(Place { factory, opened: OnceCell::new(), closed: AtomicBool::new(false) }))
    }

    /// The session, opened if this is the first asking (R4).
    async fn session(&self, headers: &HeaderMap) -> Result<Session, Error> {
        let place = &*self.0;
        let open = || async {
            let (session, base) = place.factory.open(headers).await?;
            let is_prefetch = has_word(headers, SEC_PURPOSE, &["prefetch"]);
            Ok::<_, Error>(Open { session, base, is_prefetch })
        };
        let session = place.opened.get_or_try_init(open).await?.session.clone();
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
        let open = self.0.opened.get()?;
        if let Some((usage, is_gone)) = open.session.close_at_rest() {
            let head = Head::new(SetCookies::none(), usage.seen, usage.has_token);
            return Some(Closed::AtRest(Head { is_gone, ..head }));
        }
        let (factory, base) = (self.0.factory.clone(), open.base.clone());
        let commit = open.session.close(ending(answer, open.is_prefetch));
        Some(Closed::Changed(Changed { factory, base, commit }))
    }
}

fn ending(answer: Answer, is_prefetch: bool) -> Ending {
    match answer {
        Answer::Failure => Ending::Broken,
        Answer::Cancelled => Ending::Cancelled,
        Answer::Response { status, .. } if status.is_server_error() => Ending::Failed,
        Answer::Response { status, is_head } => {
            if is_head || is_prefetch || status == StatusCode::NOT_MODIFIED {
                Ending::Unseen
            } else {
                Ending::Shown
            }
        }
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
    type Output = Result<Head, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let cookies = ready!(self.keeping.as_mut().poll(context))?;
        let head = Head::new(cookies, self.seen, self.has_token);
        Poll::Ready(Ok(Head { is_gone: self.session.is_gone(), ..head }))
    }
}

/// What the session adds to the response's head.
pub(crate) struct Head {
    cookies: SetCookies,
    /// The response may depend on the cookie.
    seen: bool,
    /// A CSRF token may stand in the response.
    has_token: bool,
    is_gone: bool,
}

impl Head {
    pub(crate) const fn new(cookies: SetCookies, seen: bool, has_token: bool) -> Self {
        Self { cookies, seen, has_token, is_gone: false }
    }

    /// Whether another request had ended the session.
    pub(crate) const fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// For the response that replaces one whose session could not be kept: no cookie, and not to be stored.
    pub(crate) fn refuse(headers: &mut HeaderMap) {
        vary_by_cookie(headers);
        forbid_storing(headers);
    }

    /// Sets the cookies, and keeps caches from giving one visitor's page, cookie or token to another (S88).
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        if self.seen || !self.cookies.is_empty() {
            vary_by_cookie(headers);
        }
        if self.has_token || !self.cookies.is_empty() {
            forbid_storing(headers);
        }
        for cookie in self.cookies {
            headers.append(SET_COOKIE, cookie.into_header());
        }
    }
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    if !has_word(headers, VARY, &["*", "cookie"]) {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Unless the handler has itself kept shared caches from storing the response.
fn forbid_storing(headers: &mut HeaderMap) {
    if !has_word(headers, CACHE_CONTROL, &["private", "no-store"]) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What a browser says of a request that nobody asked for yet (Fetch, "Sec-Purpose").
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");

/// Whether a comma-separated header has one of these members.
fn has_word(headers: &HeaderMap, name: HeaderName, words: &[&str]) -> bool {
    let fields = headers.get_all(name).into_iter().filter_map(|field| field.to_str().ok());
    let members = fields.flat_map(|field| field.split(','));
    // A member may have parameters: `prefetch;prerender`.
    let mut members = members.filter_map(|member| member.split(';').next());
    members.any(|member| words.iter().any(|word| member.trim().eq_ignore_ascii_case(word)))
}

/// Finding the session of a request.
impl Session {
    /// The session of a request that came through a [session layer](crate::SessionLayer): opened at the first call,
    /// the same one at every later call.
    ///
    /// Handlers of axum take a `Session` as an argument instead.
    ///
    /// # Errors
    /// [`Error::NoLayer`] where no layer is installed; whatever the factory fails with.
    pub async fn of<B>(request: &Request<B>) -> Result<Self, Error> {
        Self::of_parts(request.extensions(), request.headers()).await
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
