//! The session layer inside of itself, routes that may have none, and which of its responses somebody sees.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, web};
use cloakroom::csrf::Csrf;
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Session, SessionLayer, StoredFactory};

use super::shown::{Case, Noting};
use super::{ask, sessions};

/// Counts itself in its session, before the handler and after it.
async fn passes(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let session = request.extract::<Session>().await?;
    session.modify("passed", |n: &mut u32| *n += 1)?;
    let response = next.call(request).await?;
    let same = Session::extract(response.request()).await?;
    same.modify("passed", |n: &mut u32| *n += 1)?;
    Ok(response)
}

async fn handler(session: Session) -> Result<&'static str, Error> {
    session.modify("passed", |n: &mut u32| *n += 1).map(|()| "")
}

async fn passed(session: Session) -> Result<String, Error> {
    Ok(format!("{:?}", session.get::<u32>("passed")?))
}

#[actix_web::test]
async fn r4_a_layer_inside_of_itself_has_one_session_and_one_cookie() {
    let layer = sessions("id");
    // Next to each other, and with another's between them.
    for is_between in [false, true] {
        let app = init_service(
            App::new()
                .service(
                    web::scope("/in")
                        .route("", web::get().to(handler))
                        .wrap(from_fn(passes))
                        .wrap(layer.clone()),
                )
                .route("/passed", web::get().to(passed))
                .wrap(Condition::new(is_between, sessions("other")))
                .wrap(from_fn(passes))
                .wrap(layer.clone()),
        )
        .await;
        let first = ask(&app, TestRequest::get().uri("/in")).await;
        let cookies: Vec<&str> =
            first.headers.get_all(SET_COOKIE).map(|cookie| cookie.to_str().unwrap()).collect();
        assert!(cookies.len() == 1 && cookies[0].starts_with("id="), "{cookies:?}");
        let get = TestRequest::get().uri("/passed").insert_header((COOKIE, first.cookie()));
        let seen = if is_between { "None" } else { "Some(6)" };
        assert_eq!(ask(&app, get).await.text(), seen);
        let get = TestRequest::get().uri("/in").insert_header((COOKIE, first.cookie()));
        assert!(ask(&app, get).await.headers.get(SET_COOKIE).is_none());
    }
}

#[actix_web::test]
async fn r2_a_session_that_may_be_missing_is_an_error_that_a_handler_can_tell_from_others() {
    async fn result(session: Result<Session, Error>, csrf: Result<Csrf, Error>) -> String {
        format!("{:?} {:?}", session.err().map(|it| it.kind()), csrf.err().map(|it| it.kind()))
    }
    // Not ours to decide: actix-web asks for the session, and makes `None` of whatever fails.
    async fn optional(session: Option<Session>) -> String {
        session.is_some().to_string()
    }
    let routes = |config: &mut web::ServiceConfig| {
        config.route("/result", web::get().to(result)).route("/optional", web::get().to(optional));
    };
    let bare = init_service(App::new().configure(routes)).await;
    let no_layer = ask(&bare, TestRequest::get().uri("/result")).await;
    assert_eq!(no_layer.text(), r#"Some("no_layer") Some("no_layer")"#);
    assert_eq!(ask(&bare, TestRequest::get().uri("/optional")).await.text(), "false");

    let store = FaultyStore::new(MemoryStore::new());
    let layer = SessionLayer::new(StoredFactory::new("shop", store.clone()));
    let app = init_service(App::new().configure(routes).wrap(layer)).await;
    assert_eq!(ask(&app, TestRequest::get().uri("/result")).await.text(), "None None");
    assert_eq!(ask(&app, TestRequest::get().uri("/optional")).await.text(), "true");
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    let cookie = format!("__Host-Http-session={}", "A".repeat(64));
    let get = |path| TestRequest::get().uri(path).insert_header((COOKIE, cookie.clone()));
    assert_eq!(ask(&app, get("/result")).await.text(), r#"Some("store") Some("store")"#);
    assert_eq!(ask(&app, get("/optional")).await.text(), "false");
}

#[actix_web::test]
async fn s67_who_sees_a_response_is_decided_by_its_head_and_the_request_s() {
    async fn answer(request: HttpRequest, _: Session) -> HttpResponse {
        let header = |name: &str| request.headers().get(name).map(|it| it.to_str().unwrap());
        let status = StatusCode::from_u16(header("status").unwrap().parse().unwrap()).unwrap();
        let mut response = HttpResponse::build(status);
        if let Some(location) = header("to") {
            response.insert_header((LOCATION, location));
        }
        response.finish()
    }
    let noting = Noting::default();
    let layer = SessionLayer::new(noting.clone());
    let app = init_service(App::new().default_service(web::to(answer)).wrap(layer)).await;
    for case in Case::all() {
        let method = if case.is_head { Method::HEAD } else { Method::GET };
        let mut request = TestRequest::default().method(method);
        request = request.insert_header(("status", case.status.to_string()));
        if case.has_location {
            request = request.insert_header(("to", "/next"));
        }
        if case.is_prefetch {
            let name = ["sec-purpose", "purpose", "x-moz"][usize::from(case.status % 3)];
            request = request.insert_header((name, "prefetch"));
        }
        ask(&app, request).await;
        assert_eq!(noting.ending(), Some(case.ending()), "{case:?}");
    }
}
