//! The session layer as a middleware, among others and around everything that actix-web can serve.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Mutex;

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{COOKIE, SET_COOKIE, VARY};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::{self, Bytes, Payload};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse};
use cloakroom::session::Gone;
use cloakroom::{Error, Session, SessionLayer};
use tokio::sync::Notify;

use super::log::Log;
use super::{Reply, ask, sessions};

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.modify("visits", |visits: &mut u32| {
        *visits += 1;
        *visits
    })?;
    Ok(visits.to_string())
}

/// Notes in the session, before the handler and after it, who came by.
async fn passes(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let session = request.extract::<Session>().await?;
    session.insert("before", session.contains_key("visits"))?;
    let response = next.call(request).await?;
    let same = Session::extract(response.request()).await?;
    same.insert("after", session.get::<u32>("visits")?)?;
    Ok(response)
}

async fn everything(session: Session) -> Result<String, Error> {
    let entries = session.entries();
    Ok(entries.iter().map(|(key, value)| format!("{key}={} ", value.as_json())).collect())
}

#[actix_web::test]
async fn r11_middleware_before_and_after_the_handler_has_the_same_session() {
    let app = init_service(
        App::new()
            .service(web::resource("/count").wrap(from_fn(passes)).to(count))
            .route("/all", web::get().to(everything))
            .wrap(sessions("id")),
    )
    .await;
    let first = ask(&app, TestRequest::get().uri("/count")).await;
    assert_eq!(first.text(), "1");
    let all = TestRequest::get().uri("/all").insert_header((COOKIE, first.cookie()));
    let mut values: Vec<String> =
        ask(&app, all).await.text().split_whitespace().map(str::to_owned).collect();
    values.sort();
    assert_eq!(values, ["after=1", "before=false", "visits=1"]);
}

#[actix_web::test]
async fn r2_a_session_without_a_layer_is_an_error_that_says_so() {
    let log = Log::default();
    let _guard = log.listen();
    let app = init_service(App::new().route("/", web::get().to(count))).await;
    let reply = ask(&app, TestRequest::get()).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.text(), Error::NoLayer.for_visitors(), "S90");
    let said = log.take().join("");
    assert!(said.contains("this route has no SessionLayer"), "{said}");
}

/// What the middleware between two layers sees of the session, after the inner one is done.
async fn writes_outside(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let response = next.call(request).await?;
    Session::extract(response.request()).await?.insert("outside", true)?;
    Ok(response)
}

#[actix_web::test]
async fn r3_each_scope_has_the_sessions_of_the_innermost_layer_around_it() {
    let app = init_service(
        App::new()
            .service(
                web::scope("/staff")
                    .route("/count", web::get().to(count))
                    .wrap(sessions("staff"))
                    .wrap(from_fn(writes_outside)),
            )
            .route("/count", web::get().to(count))
            .route("/all", web::get().to(everything))
            .wrap(sessions("visitor")),
    )
    .await;
    let staff = ask(&app, TestRequest::get().uri("/staff/count")).await;
    let cookies: Vec<&str> =
        staff.headers.get_all(SET_COOKIE).map(|cookie| cookie.to_str().unwrap()).collect();
    let cookie = |name: &str| {
        let found = cookies.iter().find(|cookie| cookie.starts_with(name)).unwrap();
        found.split(';').next().unwrap().to_owned()
    };
    let both = format!("{}; {}", cookie("staff="), cookie("visitor="));
    let get = |path: &str| TestRequest::get().uri(path).insert_header((COOKIE, both.clone()));
    assert_eq!(ask(&app, get("/staff/count")).await.text(), "2");
    assert_eq!(ask(&app, get("/all")).await.text(), "outside=true ");
    assert_eq!(ask(&app, get("/count")).await.text(), "1");
}

/// A body that must not leave its thread, and comes in pieces.
struct Local(Rc<Cell<u8>>);

impl MessageBody for Local {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Self::Error>>> {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        std::task::Poll::Ready((left > 0).then(|| Ok(Bytes::from(left.to_string()))))
    }
}

#[actix_web::test]
async fn services_and_bodies_that_stay_on_one_thread_are_served() {
    let rc = Rc::new(Cell::new(3));
    let handler = move |session: Session| {
        let body = Local(rc.clone());
        async move {
            session.insert("k", 1)?;
            Ok::<_, Error>(HttpResponse::Ok().message_body(body).unwrap())
        }
    };
    let app =
        init_service(App::new().route("/", web::get().to(handler)).wrap(sessions("id"))).await;
    let reply = ask(&app, TestRequest::get()).await;
    assert_eq!(reply.text(), "321");
    assert!(reply.cookie().starts_with("id="));
}

#[actix_web::test]
async fn r58_a_file_is_served_untouched_and_after_a_look_at_the_session() {
    async fn looked(session: Session) -> Result<actix_files::NamedFile, actix_web::Error> {
        session.insert("seen", true)?;
        Ok(actix_files::NamedFile::open_async("LICENSE-MIT").await?)
    }
    let file = || async { actix_files::NamedFile::open_async("LICENSE-MIT").await };
    let app = init_service(
        App::new()
            .route("/file", web::get().to(file))
            .route("/looked", web::get().to(looked))
            .wrap(sessions("id")),
    )
    .await;
    let text = std::fs::read("LICENSE-MIT").unwrap();
    let untouched = ask(&app, TestRequest::get().uri("/file")).await;
    assert!(untouched.body == text);
    assert!(!untouched.headers.contains_key(SET_COOKIE));
    let looked = ask(&app, TestRequest::get().uri("/looked")).await;
    assert!(looked.body == text);
    assert!(looked.cookie().starts_with("id="));
}

#[actix_web::test]
async fn r23_a_websocket_has_its_session_until_the_handshake_is_answered() {
    async fn shake(
        session: Session,
        request: HttpRequest,
        payload: Payload,
        late: web::Data<Mutex<Option<Session>>>,
    ) -> Result<HttpResponse, actix_web::Error> {
        session.insert("socket", true)?;
        *late.lock().unwrap() = Some(session);
        Ok(actix_ws::handle(&request, payload)?.0)
    }
    let late = web::Data::new(Mutex::new(None));
    let app = init_service(
        App::new()
            .app_data(late.clone())
            .route("/socket", web::get().to(shake))
            .route("/all", web::get().to(everything))
            .wrap(sessions("id")),
    )
    .await;
    let handshake = TestRequest::get()
        .uri("/socket")
        .insert_header(("upgrade", "websocket"))
        .insert_header(("connection", "upgrade"))
        .insert_header(("sec-websocket-version", "13"))
        .insert_header(("sec-websocket-key", "x3JJHMbDL1EzLkh9GBhXDw=="));
    let response = call_service(&app, handshake.to_request()).await;
    assert_eq!(response.status().as_u16(), 101);
    let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap().to_owned();
    let late: Session = late.lock().unwrap().take().unwrap();
    assert!(matches!(late.insert("k", 1), Err(Error::Closed)));
    let all = TestRequest::get()
        .uri("/all")
        .insert_header((COOKIE, cookie.split(';').next().unwrap().to_owned()));
    assert_eq!(ask(&app, all).await.text(), "socket=true ");
}

#[actix_web::test]
async fn r9_a_session_that_cannot_be_kept_is_answered_as_the_application_likes() {
    let secret = cloakroom::Secret::generate().unwrap();
    let layer = SessionLayer::new(cloakroom::SignedCookieFactory::new(secret).unwrap());
    let layer = layer.on_error(|error: &Error| {
        HttpResponse::InsufficientStorage().body(format!("sorry: {}", error.kind()))
    });
    let fill =
        |session: Session| async move { session.insert("k", "x".repeat(5_000)).map(|_| "kept") };
    let app = init_service(App::new().route("/", web::get().to(fill)).wrap(layer)).await;
    let reply = ask(&app, TestRequest::get()).await;
    assert_eq!((reply.status, reply.text()), (507, "sorry: too_large"));
    assert!(!reply.headers.contains_key(SET_COOKIE));
    assert_eq!(reply.headers.get("cache-control").unwrap(), "no-store");
    assert_eq!(reply.headers.get(VARY).unwrap(), "Cookie");
}

/// Loads its session, then waits to be let go on.
async fn late(session: Session, gate: web::Data<Notify>) -> Result<String, Error> {
    session.modify("visits", |visits: &mut u32| *visits += 1)?;
    gate.notified().await;
    Ok(String::new())
}

async fn logout(session: Session) -> Result<&'static str, Error> {
    session.invalidate().map(|()| "")
}

#[actix_web::test]
async fn s64_a_late_request_revives_nothing_and_its_response_says_so() {
    let gate = web::Data::new(Notify::new());
    let app = init_service(
        App::new()
            .app_data(gate.clone())
            .route("/count", web::get().to(count))
            .route("/late", web::get().to(late))
            .route("/logout", web::get().to(logout))
            .wrap(sessions("id")),
    )
    .await;
    let cookie = ask(&app, TestRequest::get().uri("/count")).await.cookie();
    let get = |path: &str| TestRequest::get().uri(path).insert_header((COOKIE, cookie.clone()));
    let (response, ()) = tokio::join!(call_service(&app, get("/late").to_request()), async {
        ask(&app, get("/logout")).await;
        gate.notify_one();
    });
    assert!(response.response().extensions().get::<Gone>().is_some());
    assert_eq!(ask(&app, get("/count")).await.text(), "1");
}

#[actix_web::test]
async fn s27_r24_what_takes_effect_outlasts_its_request_and_a_middleware_that_fails() {
    async fn ends_and_waits(session: Session) -> Result<&'static str, Error> {
        session.invalidate()?;
        std::future::pending().await
    }
    async fn fails(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
        next.call(request).await?;
        Err::<ServiceResponse, _>(actix_web::error::ErrorImATeapot("no"))
    }
    let app = init_service(
        App::new()
            .route("/count", web::get().to(count))
            .route("/dropped", web::get().to(ends_and_waits))
            .service(
                web::scope("/failing")
                    .route("/logout", web::get().to(logout))
                    .route("/count", web::get().to(count))
                    .wrap(from_fn(fails)),
            )
            .wrap(sessions("id")),
    )
    .await;
    let get = |path: &str, cookie: &str| {
        TestRequest::get().uri(path).insert_header((COOKIE, cookie.to_owned())).to_request()
    };
    for (path, rest) in [("/dropped", "1"), ("/failing/logout", "1"), ("/failing/count", "3")] {
        let cookie = ask(&app, TestRequest::get().uri("/count")).await.cookie();
        let mut request = Box::pin(app.call(get(path, &cookie)));
        tokio::select! {
            biased;
            ended = &mut request => assert!(ended.is_err(), "{path}"),
            () = tokio::task::yield_now() => {}
        }
        drop(request);
        // What is kept for nobody is kept in a task of its own, on this same thread. What has failed is kept already.
        let waits = if path == "/dropped" { 10 } else { 0 };
        for _ in 0..waits {
            tokio::task::yield_now().await;
        }
        let after = Reply::of(call_service(&app, get("/count", &cookie)).await).await;
        assert_eq!(after.text(), rest, "{path}");
    }
}
