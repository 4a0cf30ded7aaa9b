//! cloakroom, driven as a tower service around a handler that does nothing else.

use std::convert::Infallible;

use cloakroom::csrf::DoubleSubmit;
use cloakroom::keyring::HashAlg;
use cloakroom::store::MemoryStore;
use cloakroom::{CsrfLayer, Secret, Session, SessionLayer, SignedCookieFactory, StoredFactory};
use http::{HeaderValue, Method, Response};
use tower::{Layer, Service, service_fn};

use crate::actix;
use crate::measure::{Request, ask};
use crate::session::{Answer, Body, NUMBER, Op, Size, answer, bare, cookie, next_number, request};

/// Makes what sends a request.
type Begin = fn() -> Request;

/// Requests to one framework.
pub struct Rows {
    /// What the same request is called where there is no session.
    pub bare: (&'static str, Begin),
    /// Requests by name.
    pub rows: &'static [(&'static str, Begin)],
}

/// What is measured of cloakroom alone.
pub const ROWS: [Rows; 2] = [
    Rows {
        bare: ("bare", || bare(true)),
        rows: &[
            ("no-cookie", || in_memory(None, Op::Leave)),
            ("untouched", || in_memory(Some(Size::SMALL), Op::Leave)),
            ("read", || in_memory(Some(Size::SMALL), Op::Read)),
            ("read-1k", || in_memory(Some(Size::KB_1), Op::Read)),
            ("write", || in_memory(Some(Size::SMALL), Op::Write)),
            ("write-1k", || in_memory(Some(Size::KB_1), Op::Write)),
            ("create", || in_memory(None, Op::Write)),
            ("signed-read-1k", || in_cookie(Some(Size::KB_1), Op::Read)),
            ("signed-write-1k", || in_cookie(Some(Size::KB_1), Op::Write)),
            ("csrf-session", guarded_session),
            ("csrf-cookie", guarded_cookie),
        ],
    },
    Rows {
        bare: ("actix-bare", || actix::bare(true)),
        rows: &[
            ("actix-no-cookie", || actix::in_memory(None, Op::Leave)),
            ("actix-untouched", || actix::in_memory(Some(Size::SMALL), Op::Leave)),
            ("actix-read", || actix::in_memory(Some(Size::SMALL), Op::Read)),
            ("actix-write", || actix::in_memory(Some(Size::SMALL), Op::Write)),
        ],
    },
];

/// Sessions in memory.
#[must_use]
pub fn memory() -> SessionLayer {
    SessionLayer::new(StoredFactory::new("bench", MemoryStore::default()))
}

/// Sessions in a signed cookie.
///
/// # Panics
/// If there is no randomness.
#[must_use]
pub fn signed(hash: HashAlg) -> SessionLayer {
    let secret = Secret::generate().expect("randomness");
    let factory = SignedCookieFactory::builder(secret).hash(hash).build();
    SessionLayer::new(factory.expect("valid settings"))
}

/// A request to sessions in memory.
#[must_use]
pub fn in_memory(size: Option<Size>, op: Op) -> Request {
    handling(&memory(), size, op)
}

/// A request to sessions in a cookie that is signed as Pyramid does.
#[must_use]
pub fn in_cookie(size: Option<Size>, op: Op) -> Request {
    handling(&signed(HashAlg::Sha512), size, op)
}

/// The same with a hash that processors have instructions for.
#[must_use]
pub fn in_cookie_sha256(size: Option<Size>, op: Op) -> Request {
    handling(&signed(HashAlg::Sha256), size, op)
}

/// A request to a session that holds messages nobody asks for.
#[must_use]
pub fn with_messages() -> Request {
    let sessions = memory();
    let mut page = sessions.layer(service_fn(async |request: http::Request<Body>| {
        let session = Session::of(&request).await?;
        session.insert(NUMBER, next_number())?;
        session.flash("Saved")?;
        Ok::<_, cloakroom::Error>(answer())
    }));
    let cookie = cookie(ask(&mut page, request(None)).headers());
    sending(&sessions, Some(cookie), Op::Leave)
}

/// Requests to so many small sessions in memory, one after the other.
#[must_use]
pub fn among(live: usize, op: Op) -> Request {
    let store = MemoryStore::builder().capacity(2 * live).build();
    let sessions = SessionLayer::new(StoredFactory::new("bench", store));
    let mut cookies: Vec<_> = (0..live).map(|_| begin(&sessions, Size::SMALL)).collect();
    // A thousand of them take turns, from all over the store.
    cookies = cookies.into_iter().step_by(live / 1000).collect();
    let mut service = serving(&sessions, op);
    let mut turn = (0..cookies.len()).cycle();
    Box::new(move || {
        let cookie = turn.next().map(|at| &cookies[at]);
        drop(ask(&mut service, request(cookie)));
    })
}

fn handling(sessions: &SessionLayer, size: Option<Size>, op: Op) -> Request {
    sending(sessions, size.map(|size| begin(sessions, size)), op)
}

fn sending(sessions: &SessionLayer, cookie: Option<HeaderValue>, op: Op) -> Request {
    let mut service = serving(sessions, op);
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

/// A handler that does this with its session.
fn serving(
    sessions: &SessionLayer,
    op: Op,
) -> impl Service<http::Request<Body>, Response = Response<Answer>, Error = cloakroom::Error> + use<>
{
    sessions.layer(service_fn(move |request: http::Request<Body>| async move {
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
        Ok::<_, cloakroom::Error>(answer())
    }))
}

/// Begins a session of this size, and gives its cookie.
fn begin(sessions: &SessionLayer, size: Size) -> HeaderValue {
    let mut service = sessions.layer(service_fn(async |request: http::Request<Body>| {
        let session = Session::of(&request).await?;
        session.insert(NUMBER, next_number())?;
        session.extend(size.texts())?;
        Ok::<_, cloakroom::Error>(answer())
    }));
    cookie(ask(&mut service, request(None)).headers())
}

/// A form's request with the token of a session in memory, which the guard lets through.
#[must_use]
pub fn guarded_session() -> Request {
    let (sessions, guard) = (memory(), CsrfLayer::new());
    let handler = service_fn(async |request: http::Request<_>| {
        let token = Session::of(&request).await?.csrf_token()?;
        Ok::<_, cloakroom::Error>(answer().map(|_| token.masked().to_owned().into()))
    });
    let mut page = sessions.layer(handler);
    let page = ask(&mut page, request(None));
    let handler = service_fn(async |_: http::Request<_>| Ok::<_, Infallible>(answer()));
    let mut service = sessions.layer(guard.layer(handler));
    posting(page, move |request| ask(&mut service, request))
}

/// A form's request with a token in a cookie of its own, which the guard lets through.
///
/// # Panics
/// If there is no randomness.
#[must_use]
pub fn guarded_cookie() -> Request {
    let secret = Secret::generate().expect("randomness");
    let guard = CsrfLayer::new().without_sessions(DoubleSubmit::new(secret).expect("valid"));
    let mut page = guard.layer(service_fn(async |request: http::Request<_>| {
        let csrf = cloakroom::csrf::Csrf::of(&request).await?;
        let token = csrf.token()?;
        Ok::<_, cloakroom::Error>(answer().map(|_| token.masked().to_owned().into()))
    }));
    let page = ask(&mut page, request(None));
    let handler = service_fn(async |_: http::Request<_>| Ok::<_, Infallible>(answer()));
    let mut service = guard.layer(handler);
    posting(page, move |request| ask(&mut service, request))
}

/// Sends what a script sends that has read the token of this page.
fn posting(
    page: Response<Answer>,
    mut answered: impl FnMut(http::Request<Body>) -> Response<Answer> + 'static,
) -> Request {
    let cookie = cookie(page.headers());
    let token = crate::measure::at_once(http_body_util::BodyExt::collect(page.into_body()));
    let token = HeaderValue::from_maybe_shared(token.expect("a body").to_bytes()).expect("text");
    let mut post = move || {
        let mut request = request(Some(&cookie));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("x-csrf-token", token.clone());
        answered(request)
    };
    assert_eq!(post().status(), 200);
    Box::new(move || drop(post()))
}
