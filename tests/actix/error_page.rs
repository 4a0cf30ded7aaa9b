//! What a visitor reads where no page of the application's own is made of an error. The same for axum, and what no page
//! may name, is in `tests/it/error_page.rs`.

use std::sync::{Arc, Mutex};

use actix_web::http::header::{CONTENT_TYPE, COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};
use cloakroom::testing::errors;
use cloakroom::{CsrfLayer, Error, Session, SessionLayer};

use crate::ask;
use crate::failing::Failing;
use crate::log::Log;

/// The page of this error has its status and the sentence for visitors, and the log says all of it, once.
macro_rules! check {
    ($app:expr, $request:expr, $error:expr) => {
        let (app, (status, text, page)) = (init_service($app).await, $error);
        let log = Log::default();
        let guard = log.listen();
        let reply = ask(&app, $request).await;
        drop(guard);
        assert_eq!((reply.status, reply.text()), (*status, *page), "{text}");
        assert_eq!(reply.headers.get(CONTENT_TYPE).unwrap(), "text/plain; charset=utf-8");
        let said = log.take();
        assert!(said.len() == 1 && said[0].contains(text), "{text}: {said:?}");
    };
}

fn facts(error: &Error) -> (u16, String, &'static str) {
    (error.status().as_u16(), error.to_string(), error.for_visitors())
}

#[actix_web::test]
async fn s90_a_handler_s_error_is_a_plain_sentence_and_stands_in_the_log() {
    for error in errors() {
        let facts = facts(&error);
        let error = Arc::new(Mutex::new(Some(error)));
        let fail = move || {
            let error = error.lock().unwrap().take().unwrap();
            async { Err::<&str, Error>(error) }
        };
        check!(App::new().route("/", web::get().to(fail)), TestRequest::get(), &facts);
    }
}

#[actix_web::test]
async fn s90_so_is_one_of_opening_or_keeping_a_session() {
    for (opening, keeping) in errors().into_iter().zip(errors()) {
        let facts = facts(&opening);
        let app = |factory: Failing| {
            let handle = async |session: Session| {
                drop(session.insert("a", 1));
                "done"
            };
            App::new().route("/", web::get().to(handle)).wrap(SessionLayer::new(factory))
        };
        let factory = Failing { open: Mutex::new(Some(opening)), ..Failing::default() };
        check!(app(factory), TestRequest::get(), &facts);
        let factory = Failing { commit: Mutex::new(Some(keeping)), ..Failing::default() };
        check!(app(factory), TestRequest::get(), &facts);
    }
}

#[actix_web::test]
async fn s90_so_is_one_that_a_guard_or_a_predicate_cannot_go_on_after() {
    for (one, two) in errors().into_iter().zip(errors()) {
        if one.kind() == "csrf" {
            continue; // that is no failure of theirs
        }
        let facts = facts(&one);
        let failing = |error| Failing { open: Mutex::new(Some(error)), ..Failing::default() };
        let post = || {
            let with_token = TestRequest::post().insert_header((COOKIE, "a=1"));
            with_token.insert_header(("x-csrf-token", "x"))
        };
        let route = || web::resource("/").route(web::post().to(async || "done"));
        let app = App::new().service(route()).wrap(CsrfLayer::new());
        check!(app.wrap(SessionLayer::new(failing(one))), post(), &facts);
        let app = App::new().service(route().wrap(CsrfLayer::predicate()));
        check!(app.wrap(SessionLayer::new(failing(two))), post(), &facts);
    }
}
