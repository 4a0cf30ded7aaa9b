//! A site with one page, visited without a network: what the tests look through.

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use cloakroom::factory::{SignedCookieBuilder, StoredBuilder};
use cloakroom::store::MemoryStore;
use cloakroom::testing::FakeClock;
use cloakroom::{
    Secret, Session, SessionFactory, SessionLayer, SignedCookieFactory, StoredFactory,
};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use tower::{ServiceExt, service_fn};

pub const SECRET: &str = "a-secret-for-tests-0123456789-ABCDEFGHIJ-abcdefghij";

/// A site whose handler is given anew with each visit.
pub struct Site {
    layer: SessionLayer,
}

/// What one visit gave.
pub struct Visit<R> {
    pub result: R,
    pub response: Response<String>,
}

impl Site {
    pub fn new(factory: impl SessionFactory) -> Self {
        Self { layer: SessionLayer::new(factory) }
    }

    /// Signed cookies, with the clock at this second.
    pub fn signed_at(seconds: f64) -> (Self, FakeClock) {
        let clock = FakeClock::at(seconds);
        (Self::new(builder().clock(clock.clone()).build().unwrap()), clock)
    }

    /// The layer, for a service of the test's own.
    pub fn layer(&self) -> &SessionLayer {
        &self.layer
    }

    /// Sends a request with this `Cookie` header.
    pub async fn visit<R>(
        &self,
        cookie: impl Into<Option<&str>>,
        handler: impl AsyncFnOnce(Session) -> R,
    ) -> Visit<R> {
        self.respond(cookie, Response::default(), handler).await
    }

    /// The same, with the response that the handler is to give.
    pub async fn respond<R>(
        &self,
        cookie: impl Into<Option<&str>>,
        response: Response<String>,
        handler: impl AsyncFnOnce(Session) -> R,
    ) -> Visit<R> {
        self.send(with_cookie(cookie), response, handler).await
    }

    /// The same, with any request.
    pub async fn send<R>(
        &self,
        request: Request<()>,
        response: Response<String>,
        handler: impl AsyncFnOnce(Session) -> R,
    ) -> Visit<R> {
        let (result, mut once) = (&RefCell::new(None), Some((handler, response)));
        let service = service_fn(|request: Request<()>| {
            let (handler, response) = once.take().unwrap();
            async move {
                let done = handler(Session::of(&request).await.unwrap()).await;
                result.replace(Some(done));
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let response = tower::Layer::layer(&self.layer, service).oneshot(request).await.unwrap();
        Visit { result: result.take().unwrap(), response }
    }
}

/// A request with this `Cookie` header.
pub fn with_cookie<'a>(cookie: impl Into<Option<&'a str>>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(cookie) = cookie.into() {
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    }
    request
}

/// Sessions in memory, with a clock of their own and a list of what happened.
pub struct Stored {
    pub site: Site,
    pub sessions: StoredFactory<MemoryStore>,
    pub store: MemoryStore,
    pub clock: FakeClock,
    events: Arc<Mutex<Vec<String>>>,
}

impl Stored {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(
        settings: impl FnOnce(StoredBuilder<MemoryStore>) -> StoredBuilder<MemoryStore>,
    ) -> Self {
        let (clock, events) = (FakeClock::at(1_700_000_000.0), Arc::new(Mutex::new(Vec::new())));
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let log = events.clone();
        let builder = StoredFactory::builder("shop", store.clone())
            .clock(clock.clone())
            .on_event(move |event| log.lock().unwrap().push(format!("{event:?}")));
        let sessions = settings(builder).build().unwrap();
        Self { site: Site::new(sessions.clone()), sessions, store, clock, events }
    }

    /// A visitor's cookie to a new session that holds `n: 0`.
    pub async fn begin(&self) -> String {
        let visit = self.site.visit(None, async |session| session.insert("n", 0)).await;
        visit.cookie().unwrap().to_owned()
    }

    /// What the session of this cookie holds, as pairs in one line.
    pub async fn look(&self, cookie: &str) -> String {
        let entries = self.site.visit(cookie, async |session| session.entries()).await.result;
        let pairs: Vec<String> =
            entries.iter().map(|(key, value)| format!("{key}={}", value.as_json())).collect();
        pairs.join(" ")
    }

    /// What happened since this was asked last.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

impl<R> Visit<R> {
    pub fn set_cookies(&self) -> Vec<&str> {
        let headers = self.response.headers().get_all(SET_COOKIE).into_iter();
        headers.map(|value| value.to_str().unwrap()).collect()
    }

    /// `name=value` of the only cookie that was set, as a client sends it back.
    pub fn cookie(&self) -> Option<&str> {
        let cookies = self.set_cookies();
        assert!(cookies.len() <= 1, "more than one Set-Cookie: {cookies:?}");
        cookies.first().map(|cookie| cookie.split(';').next().unwrap())
    }

    /// The value of that cookie.
    pub fn cookie_value(&self) -> Option<&str> {
        self.cookie().map(|pair| pair.split_once('=').unwrap().1)
    }
}

pub fn builder() -> SignedCookieBuilder {
    SignedCookieFactory::builder(SECRET)
}

/// A builder with any secret, however weak.
pub fn builder_with(secret: &str) -> SignedCookieBuilder {
    SignedCookieFactory::builder(Secret::insecure(secret))
}
