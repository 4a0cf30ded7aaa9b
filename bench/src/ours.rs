//! cloakroom, driven as a tower service around a handler that does nothing else.

use std::convert::Infallible;

use cloakroom::store::MemoryStore;
use cloakroom::{CsrfLayer, Secret, Session, SessionLayer, SignedCookieFactory, StoredFactory};
use http::{HeaderValue, Request, Response};
use tower::{Layer, service_fn};

use crate::measure::{Cost, ask, cost};
use crate::session::{Body, NUMBER, Op, Size, cookie, next_number, request};

/// Sessions in memory.
#[must_use]
pub fn memory() -> SessionLayer {
    SessionLayer::new(StoredFactory::new(MemoryStore::default()))
}

/// Sessions in a signed cookie.
///
/// # Panics
/// If there is no randomness.
#[must_use]
pub fn signed() -> SessionLayer {
    let secret = Secret::generate().expect("randomness");
    SessionLayer::new(SignedCookieFactory::new(secret).expect("valid settings"))
}

/// The same request where there is no session.
#[must_use]
pub fn bare(cookie: Option<&HeaderValue>) -> Cost {
    let mut service =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new())));
    cost(|| drop(ask(&mut service, request(cookie))))
}

/// Begins a session of this size, and gives its cookie.
#[must_use]
pub fn begin(sessions: &SessionLayer, size: Size) -> HeaderValue {
    let mut service = sessions.layer(service_fn(async |request: Request<Body>| {
        let session = Session::of(&request).await?;
        session.insert(NUMBER, next_number())?;
        session.extend(size.texts())?;
        Ok::<_, cloakroom::Error>(Response::new(String::new()))
    }));
    cookie(ask(&mut service, request(None)).headers())
}

/// What a request costs beyond a bare one.
#[must_use]
pub fn handled(sessions: &SessionLayer, cookie: Option<&HeaderValue>, op: Op) -> Cost {
    cost(handling(sessions, cookie, op)).beyond(bare(cookie))
}

/// Sends one request at each call.
pub fn handling(sessions: &SessionLayer, cookie: Option<&HeaderValue>, op: Op) -> impl FnMut() {
    let mut service = sessions.layer(service_fn(move |request: Request<Body>| async move {
        match op {
            Op::Leave => {}
            Op::Read => {
                let session = Session::of(&request).await?;
                std::hint::black_box(session.get::<u64>(NUMBER)?);
            }
            Op::Write => {
                let session = Session::of(&request).await?;
                session.insert(NUMBER, next_number())?;
            }
        }
        Ok::<_, cloakroom::Error>(Response::new(String::new()))
    }));
    let cookie = cookie.cloned();
    move || drop(ask(&mut service, request(cookie.as_ref())))
}

/// What the guard costs beyond the session layer, where it checks a token in the header.
///
/// # Panics
/// If the token is refused.
#[must_use]
pub fn guarded() -> Cost {
    let sessions = memory();
    let mut page = sessions.layer(service_fn(async |request: Request<Body>| {
        let token = Session::of(&request).await?.csrf_token()?;
        Ok::<_, cloakroom::Error>(Response::new(token.masked().to_owned()))
    }));
    let response = ask(&mut page, request(None));
    let (cookie, token) = (cookie(response.headers()), response.into_body());
    let post = || {
        let mut request = request(Some(&cookie));
        *request.method_mut() = http::Method::POST;
        let token = HeaderValue::from_str(&token).expect("a header's value");
        request.headers_mut().insert("x-csrf-token", token);
        request
    };
    let handler =
        service_fn(async |_: Request<_>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut guarded = sessions.layer(CsrfLayer::new().layer(handler));
    assert_eq!(ask(&mut guarded, post()).status(), 200);
    let mut bare =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new())));
    let bare = cost(|| drop(ask(&mut bare, post())));
    cost(|| drop(ask(&mut guarded, post()))).beyond(bare)
}
