//! The example, as a visitor uses it.

use actix_web::App;
use actix_web::http::header::{CONTENT_TYPE, COOKIE};
use actix_web::test::{TestRequest, init_service};

use super::ask;

#[allow(dead_code)] // its `main`
#[path = "../../examples/actix.rs"]
mod site;

#[actix_web::test]
async fn the_example_keeps_values_shows_a_message_once_and_refuses_what_is_forged() {
    let (sessions, guard) = site::layers().unwrap();
    let app = init_service(App::new().configure(site::routes).wrap(guard).wrap(sessions)).await;
    let first = ask(&app, TestRequest::get()).await;
    let field = first.text().split(r#"name="csrf_token" value=""#).nth(1).unwrap();
    let token = field.split('"').next().unwrap().to_owned();
    let post = |path: &str, cookie: &str, form: String| {
        TestRequest::post()
            .uri(path)
            .insert_header((COOKIE, cookie.to_owned()))
            .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
            .set_payload(form)
    };
    let get = |cookie: &str| TestRequest::get().insert_header((COOKIE, cookie.to_owned()));
    let cookie = first.cookie();

    let forged = ask(&app, post("/set", &cookie, "key=forged".into())).await;
    assert_eq!(forged.status, 400);
    let set = ask(&app, post("/set", &cookie, format!("key=a&value=<b>&csrf_token={token}"))).await;
    assert_eq!(set.status, 303);
    let shown = ask(&app, get(&cookie)).await;
    assert!(shown.text().contains("Set “a”") && shown.text().contains("Visit number 2."));
    assert!(shown.text().contains("&#60;b&#62;") && !shown.text().contains("forged</code>"));
    assert!(!ask(&app, get(&cookie)).await.text().contains("Set “a”"));

    let signed_in = post("/sign-in", &cookie, format!("name=Ada&csrf_token={token}"));
    let cookie = ask(&app, signed_in).await.cookie();
    assert!(ask(&app, get(&cookie)).await.text().contains("You are Ada."));
}
