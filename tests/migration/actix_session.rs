//! From actix-session, whose own middleware makes the old cookies.

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::http::header::SET_COOKIE;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};

use super::Site;

#[allow(dead_code)] // its `main`
#[path = "../../examples/from_actix_session.rs"]
mod example;

/// A cookie as a site with actix-session has set it.
async fn signed_in(key: &Key) -> String {
    let begin = |session: Session| async move {
        session.insert("user", "ada").unwrap();
        ""
    };
    let sessions = SessionMiddleware::new(CookieSessionStore::default(), key.clone());
    let app = init_service(App::new().route("/", web::get().to(begin)).wrap(sessions)).await;
    let response = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[actix_web::test]
async fn a_visitor_stays_signed_in_and_the_browser_forgets_the_old_cookie() {
    let key = Key::generate();
    let old = signed_in(&key).await;
    let site = Site::new(example::sessions(key).unwrap());
    let first = site.visit("/look", &old).await;
    assert_eq!((first.status.as_u16(), &*first.body), (200, "ada"));
    assert!(first.forgets("id"), "{:?}", first.cookies);
    let new = first.cookie("session").unwrap();
    assert_eq!(site.visit("/look", new).await.body, "ada");
    // What the browser still had of both: the new one counts.
    let both = format!("{old}; {new}");
    site.visit("/logout", &both).await;
    assert_eq!(site.visit("/look", new).await.body, "");
}

#[actix_web::test]
async fn what_is_kept_nowhere_stays_where_it_was() {
    let key = Key::generate();
    let old = signed_in(&key).await;
    let new = cloakroom::StoredFactory::builder("shop", cloakroom::store::MemoryStore::default());
    let new = new.keep_on_error(false).build().unwrap();
    let id = cloakroom::cookie::CookieSettings::new("id");
    let former = example::ActixSessions::new(key, &id).unwrap();
    let site = Site::new(cloakroom::factory::MovingFactory::new(new, former));
    let failed = site.visit("/fail", &old).await;
    assert_eq!((failed.status.as_u16(), failed.cookies.len()), (500, 0));
}

#[actix_web::test]
async fn a_cookie_of_another_key_is_nobodys() {
    let old = signed_in(&Key::generate()).await;
    let site = Site::new(example::sessions(Key::generate()).unwrap());
    let visit = site.visit("/look", &old).await;
    assert_eq!((visit.status.as_u16(), &*visit.body, visit.cookies.len()), (200, "", 0));
}
