//! actix-session 0.11 with its cookie store, signed and private, on actix-web 4.

use actix_session::config::CookieContentSecurity;
use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::test::init_service;
use actix_web::{App, web};

use crate::actix::{answer, begun, sending};
use crate::measure::{Request, at_once};
use crate::session::{NUMBER, Op, Size, next_number};

pub const SIGNED: &str = "actix-session 0.11.0, signed";
pub const PRIVATE: &str = "actix-session 0.11.0, private";

#[must_use]
pub fn signed(size: Option<Size>, op: Op) -> Request {
    handling(size, op, CookieContentSecurity::Signed)
}

#[must_use]
pub fn private(size: Option<Size>, op: Op) -> Request {
    handling(size, op, CookieContentSecurity::Private)
}

fn handling(size: Option<Size>, op: Op, security: CookieContentSecurity) -> Request {
    let sessions = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]))
        .cookie_content_security(security)
        .build();
    let begin = move |session: Session| async move {
        session.insert(NUMBER, next_number()).expect("kept");
        for (key, text) in size.map(Size::texts).unwrap_or_default() {
            session.insert(key, text).expect("kept");
        }
        answer()
    };
    let read = async |session: Session| {
        std::hint::black_box(session.get::<u64>(NUMBER).expect("read"));
        answer()
    };
    let write = async |session: Session| {
        session.insert(NUMBER, next_number()).expect("kept");
        answer()
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
