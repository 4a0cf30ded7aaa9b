//! The routes under `/csrf` that a guard stands before, in each of its forms.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};
use cloakroom::csrf::{self, Lookup};
use cloakroom::{CsrfLayer, Session};

use super::{OnError, reading, respond};
use crate::guarded;
use crate::setup::Setup;

/// The routes, behind this guard if there is one.
pub(super) fn add_routes(routes: &mut ServiceConfig, guard: Option<&CsrfLayer<OnError>>) {
    let predicate = CsrfLayer::predicate();
    let matched = web::resource("").guard(predicate.guard()).route(web::post().to(matched));
    routes
        .service(web::resource("/csrf/form").route(reading().to(form)))
        .service(
            web::resource("/csrf/check").route(reading().to(check)).route(web::post().to(check)),
        )
        .service(
            web::resource("/csrf/check-chapter")
                .route(reading().to(check_chapter))
                .route(web::post().to(check_chapter)),
        )
        .service(web::scope("/csrf/predicate").service(matched).wrap(predicate));
    for resource in echoing() {
        match guard {
            None => routes.service(resource),
            Some(guard) => routes.service(resource.wrap(guard.clone())),
        };
    }
}

/// What a guard may stand before. No scope, because that would have the guard before what is nowhere, too.
fn echoing() -> [Resource; 4] {
    [
        web::resource("/csrf/guarded")
            .route(reading().to(echo))
            .route(web::post().to(echo))
            .route(web::put().to(echo))
            .route(web::delete().to(echo)),
        web::resource("/csrf/guarded/{item}").route(web::post().to(echo)),
        web::resource("/csrf/exempt/{hook}").route(web::post().to(echo)),
        web::resource("/csrf/socket").route(reading().to(socket)),
    ]
}

async fn form(session: Session) -> HttpResponse {
    respond(guarded::form(&session))
}

async fn check(request: HttpRequest, payload: Payload) -> HttpResponse {
    let lookup = Lookup::default();
    let (_, checked) = csrf::check_payload(&request, payload.into_inner(), &lookup).await;
    respond(guarded::valid(checked))
}

async fn check_chapter(request: HttpRequest, payload: Payload) -> HttpResponse {
    let lookup = Lookup::parameter_then_header();
    let (_, checked) = csrf::check_payload(&request, payload.into_inner(), &lookup).await;
    respond(guarded::valid(checked))
}

async fn matched() -> HttpResponse {
    respond(guarded::matched())
}

async fn echo(setup: Data<Setup>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    respond(guarded::echo(&setup, content_type, &body))
}

async fn socket(request: HttpRequest, payload: Payload) -> HttpResponse {
    match actix_ws::handle(&request, payload) {
        Ok((response, _, _)) => response,
        Err(_) => respond(Err(guarded::no_handshake())),
    }
}
