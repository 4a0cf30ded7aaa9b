//! actix-session 0.11 with its cookie store, signed, on actix-web 4.

use actix_session::config::CookieContentSecurity;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::dev::Service;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, web};

use crate::measure::{Cost, at_once, cost};
use crate::session::{NUMBER, Op, Size, next_number};

/// What a request costs beyond one to an application without sessions.
#[must_use]
pub fn handled(size: Size, op: Op) -> Cost {
    let sessions = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_content_security(CookieContentSecurity::Signed)
        .build();
    let leave = || async { HttpResponse::Ok().finish() };
    let begin = move |session: Session| async move {
        session.insert(NUMBER, next_number()).expect("kept");
        for (key, text) in size.texts() {
            session.insert(key, text).expect("kept");
        }
        HttpResponse::Ok().finish()
    };
    let read = |session: Session| async move {
        std::hint::black_box(session.get::<u64>(NUMBER).expect("read"));
        HttpResponse::Ok().finish()
    };
    let write = |session: Session| async move {
        session.insert(NUMBER, next_number()).expect("kept");
        HttpResponse::Ok().finish()
    };
    let app = App::new()
        .wrap(sessions)
        .route("/begin", web::get().to(begin))
        .route("/leave", web::get().to(leave))
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write));
    let app = at_once(init_service(app));
    let bare = at_once(init_service(App::new().route("/leave", web::get().to(leave))));
    let begun = at_once(app.call(TestRequest::get().uri("/begin").to_request()));
    let begun = begun.expect("an answer");
    let cookie = begun.headers().get(SET_COOKIE).expect("a cookie").to_str().expect("text");
    let cookie = HeaderValue::from_str(cookie.split(';').next().expect("a pair")).expect("a value");
    let path = match op {
        Op::Leave => "/leave",
        Op::Read => "/read",
        Op::Write => "/write",
    };
    let request = |path| {
        let request = TestRequest::get().uri(path);
        request.insert_header((COOKIE, cookie.clone())).to_request()
    };
    let bare = cost(|| drop(at_once(bare.call(request("/leave"))).expect("an answer")));
    cost(|| drop(at_once(app.call(request(path))).expect("an answer"))).beyond(bare)
}
