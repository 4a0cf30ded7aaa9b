//! A site with one guarded page, asked without a network: what the tests look through.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{any, get};
use cloakroom::csrf::Csrf;
use cloakroom::factory::StoredBuilder;
use cloakroom::store::MemoryStore;
use cloakroom::testing::FakeClock;
use cloakroom::{CsrfLayer, Error, Session, SessionLayer, StoredFactory};
use http::header::SET_COOKIE;
use http::{Method, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// What a handler tells that ran.
pub const SOLD: &str = "sold";

/// A site that sells, behind a guard.
pub struct Shop {
    pub app: Router,
    pub clock: FakeClock,
}

/// An answer, with its whole body.
pub struct Reply {
    pub response: Response<()>,
    pub body: Vec<u8>,
}

impl Shop {
    pub fn new(layer: CsrfLayer) -> Self {
        Self::with(layer, |sessions| sessions)
    }

    /// The same with settings of the sessions.
    pub fn with(
        layer: CsrfLayer,
        settings: impl FnOnce(StoredBuilder<MemoryStore>) -> StoredBuilder<MemoryStore>,
    ) -> Self {
        Self::open(routes(), layer, settings)
    }

    /// The same with routes of its own.
    pub fn open(
        routes: Router,
        layer: CsrfLayer,
        settings: impl FnOnce(StoredBuilder<MemoryStore>) -> StoredBuilder<MemoryStore>,
    ) -> Self {
        let clock = FakeClock::at(1_700_000_000.0);
        let store = MemoryStore::builder().clock(clock.clone()).build();
        let sessions = StoredFactory::builder("shop", store).clock(clock.clone());
        let sessions = settings(sessions).build().unwrap();
        let app = routes.layer(layer).layer(SessionLayer::new(sessions));
        Self { app, clock }
    }

    pub async fn send(&self, request: Request) -> Reply {
        ask(&self.app, request).await
    }

    /// A visitor's cookie, and the plain token of their session.
    pub async fn enter(&self) -> (String, String) {
        let reply = self.send(get_page("/token")).await;
        (reply.cookie().unwrap(), reply.text())
    }

    /// What `GET path` says to the visitor with this cookie.
    pub async fn look(&self, path: &str, cookie: &str) -> String {
        self.send(with(get_page(path), "cookie", cookie)).await.text()
    }
}

/// What the shop has, whoever guards it.
pub fn routes() -> Router {
    Router::new()
        .route("/token", get(async |csrf: Csrf| plain(csrf.token())))
        .route("/masked", get(async |csrf: Csrf| csrf.token().map(|token| token.to_string())))
        .route("/new", get(async |csrf: Csrf| plain(csrf.new_token())))
        .route("/begin", get(async |session: Session| session.insert("n", 1).map(drop)))
        .route("/renew", get(async |session: Session| session.renew()))
        .route("/buy", any(sell))
        .route("/buy/{item}", any(sell))
        .route("/form/{item}", get(form))
        .route("/hooks/{provider}", any(async || SOLD))
}

fn plain(token: Result<cloakroom::csrf::CsrfToken, Error>) -> Result<String, Error> {
    token.map(|token| token.plain().to_owned())
}

async fn sell(body: axum::body::Bytes) -> (http::HeaderMap, axum::body::Bytes) {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-shop", SOLD.parse().unwrap());
    (headers, body)
}

/// A token that is good for `POST /buy/{item}` alone.
async fn form(csrf: Csrf) -> Result<String, Error> {
    plain(csrf.token_for(&Method::POST, "/buy/{item}"))
}

pub async fn ask(app: &Router, request: Request) -> Reply {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Reply { response: Response::from_parts(parts, ()), body }
}

pub fn get_page(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

pub fn post(path: &str) -> Request {
    Request::post(path).body(Body::empty()).unwrap()
}

/// A `POST` of this url-encoded form.
pub fn post_form(path: &str, form: &str) -> Request {
    let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    request.body(Body::from(form.to_owned())).unwrap()
}

pub fn with(mut request: Request, name: &'static str, value: &str) -> Request {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn text(&self) -> String {
        assert_eq!(self.status(), 200, "{}", self.body.escape_ascii());
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Whether the guarded handler ran.
    pub fn is_sold(&self) -> bool {
        self.response.headers().contains_key("x-shop")
    }

    /// The rule by which it was refused.
    pub fn rule(&self) -> Option<&'static str> {
        let refused = self.response.extensions().get::<cloakroom::csrf::CsrfError>();
        refused.map(|refused| refused.rule().as_str())
    }

    /// `name=value` of the only cookie that was set.
    pub fn cookie(&self) -> Option<String> {
        let cookies: Vec<_> = self.response.headers().get_all(SET_COOKIE).into_iter().collect();
        assert!(cookies.len() <= 1, "{cookies:?}");
        let cookie = cookies.first()?.to_str().unwrap();
        Some(cookie.split(';').next().unwrap().to_owned())
    }
}
