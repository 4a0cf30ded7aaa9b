//! Requests to an application of actix-web, with whatever sessions.

use actix_http::Request as Sent;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, web};
use cloakroom::{Session, SessionLayer};

use crate::measure::{Request, at_once};
use crate::ours::{memory, signed};
use crate::session::{NUMBER, Op, Size, next_number};

/// The same request to an application without sessions.
#[must_use]
pub fn bare(with_cookie: bool) -> Request {
    let app = at_once(init_service(App::new().route("/", web::get().to(async || answer()))));
    let cookie = with_cookie.then(|| HeaderValue::from_static("session=anything"));
    sending(app, cookie)
}

/// Ours in memory.
#[must_use]
pub fn in_memory(size: Option<Size>, op: Op) -> Request {
    handling(memory(), size, op)
}

/// Ours in a cookie that is signed as Pyramid does.
#[must_use]
pub fn in_cookie(size: Option<Size>, op: Op) -> Request {
    handling(signed(cloakroom::keyring::HashAlg::Sha512), size, op)
}

fn handling(sessions: SessionLayer, size: Option<Size>, op: Op) -> Request {
    let begin = move |session: Session| async move {
        session.insert(NUMBER, next_number())?;
        session.extend(size.map(Size::texts).unwrap_or_default())?;
        Ok::<_, cloakroom::Error>(answer())
    };
    let read = async |session: Session| {
        std::hint::black_box(session.get::<u64>(NUMBER)?);
        Ok::<_, cloakroom::Error>(answer())
    };
    let write = async |session: Session| {
        session.insert(NUMBER, next_number())?;
        Ok::<_, cloakroom::Error>(answer())
    };
    let route = match op {
        Op::Leave => web::get().to(async || answer()),
        Op::Read => web::get().to(read),
        Op::Write => web::get().to(write),
    };
    let app = App::new().wrap(sessions).route("/begin", web::get().to(begin)).route("/", route);
    let app = at_once(init_service(app));
    let cookie = size.map(|_| begun(&app));
    sending(app, cookie)
}

/// Begins a session at `/begin`, and gives its cookie.
pub(crate) fn begun<B>(
    app: &impl Service<Sent, Response = ServiceResponse<B>, Error = actix_web::Error>,
) -> HeaderValue {
    let begun = at_once(app.call(TestRequest::get().uri("/begin").to_request()));
    let begun = begun.expect("an answer");
    let cookie = begun.headers().get(SET_COOKIE).expect("a cookie").to_str().expect("text");
    HeaderValue::from_str(cookie.split(';').next().expect("a pair")).expect("a value")
}

/// Sends it a request with this cookie, each time.
pub(crate) fn sending<S, B: MessageBody>(app: S, cookie: Option<HeaderValue>) -> Request
where
    S: Service<Sent, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    Box::new(move || {
        let request = TestRequest::get().uri("/");
        let request = match &cookie {
            Some(cookie) => request.insert_header((COOKIE, cookie.clone())),
            None => request,
        };
        drop(at_once(app.call(request.to_request())).expect("an answer"));
    })
}

pub(crate) fn answer() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").finish()
}
