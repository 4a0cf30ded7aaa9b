//! Routes that are there only for requests with a valid token.

use actix_web::App;
use actix_web::http::header::{CONTENT_TYPE, COOKIE};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes, ServiceConfig};
use cloakroom::{CsrfLayer, Error, Session};

use super::{ask, sessions};

async fn token(session: Session) -> Result<String, Error> {
    Ok(session.csrf_token()?.plain().to_owned())
}

async fn body(body: Bytes) -> Bytes {
    body
}

fn routes(routes: &mut ServiceConfig) {
    let predicate = CsrfLayer::predicate();
    routes
        .route("/token", web::get().to(token))
        .service(web::resource("/only").guard(predicate.guard()).to(|| async { "matched" }))
        .service(
            web::resource("/or")
                .route(web::post().guard(predicate.guard()).to(|| async { "matched" }))
                .route(web::post().to(body)),
        );
}

#[actix_web::test]
async fn r49_a_miss_goes_to_the_next_route_or_is_a_404_and_loses_no_byte() {
    let app = init_service(
        App::new().configure(routes).wrap(CsrfLayer::predicate()).wrap(sessions("id")),
    )
    .await;
    let page = ask(&app, TestRequest::get().uri("/token")).await;
    let (cookie, token) = (page.cookie(), page.text().to_owned());
    let with = |request: TestRequest| request.insert_header((COOKIE, cookie.clone()));
    let form = |token: &str| {
        let form = ("content-type", "application/x-www-form-urlencoded");
        (form, format!("a=%20b&csrf_token={token}&c=d"))
    };
    for path in ["/only", "/or"] {
        let right = with(TestRequest::post().uri(path)).insert_header(("x-csrf-token", &*token));
        assert_eq!(ask(&app, right).await.text(), "matched", "{path}");
        let (kind, text) = form(&token);
        let right = with(TestRequest::post().uri(path)).insert_header(kind).set_payload(text);
        assert_eq!(ask(&app, right).await.text(), "matched", "{path}");
    }
    let (kind, text) = form("wrong");
    let wrong =
        |path| with(TestRequest::post().uri(path)).insert_header(kind).set_payload(text.clone());
    assert_eq!(ask(&app, wrong("/only")).await.status, 404);
    let other = ask(&app, wrong("/or")).await;
    assert_eq!((other.status, other.text()), (200, &*text));
    // Whatever the method, R51.
    let get = TestRequest::get().uri("/only").insert_header(("x-csrf-token", &*token));
    assert_eq!(ask(&app, with(get)).await.text(), "matched");
    let nobody = TestRequest::get().uri("/only").insert_header(("x-csrf-token", &*token));
    assert_eq!(ask(&app, nobody).await.status, 404);
}

#[actix_web::test]
async fn r49_without_the_middleware_no_token_is_valid() {
    let app = init_service(App::new().configure(routes).wrap(sessions("id"))).await;
    let page = ask(&app, TestRequest::get().uri("/token")).await;
    let right = TestRequest::post()
        .uri("/only")
        .insert_header((COOKIE, page.cookie()))
        .insert_header((CONTENT_TYPE, "text/plain"))
        .insert_header(("x-csrf-token", page.text()));
    assert_eq!(ask(&app, right).await.status, 404);
}

#[actix_web::test]
async fn s73_a_store_that_does_not_answer_is_no_miss() {
    use cloakroom::testing::{Call, Fault, FaultyStore};
    let store = FaultyStore::new(cloakroom::store::MemoryStore::default());
    let factory = cloakroom::StoredFactory::new("shop", store.clone());
    let app = init_service(
        App::new()
            .configure(routes)
            .wrap(CsrfLayer::predicate())
            .wrap(cloakroom::SessionLayer::new(factory)),
    )
    .await;
    let page = ask(&app, TestRequest::get().uri("/token")).await;
    store.fail(Call::Load, Fault::Before(cloakroom::store::StoreErrorKind::Unavailable));
    let right = TestRequest::post()
        .uri("/or")
        .insert_header((COOKIE, page.cookie()))
        .insert_header(("x-csrf-token", page.text()));
    assert_eq!(ask(&app, right).await.status, 503);
    let without = TestRequest::post().uri("/or").insert_header((COOKIE, page.cookie()));
    assert_eq!(ask(&app, without).await.status, 200, "nobody had to ask the store");
}
