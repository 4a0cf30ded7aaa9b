//! What is particular to actix-web: middleware, scopes, services that stay on one thread, guards of routes. What is
//! the same on every framework is in the testbed.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod error_page;
mod example;
#[path = "../it/failing.rs"]
mod failing;
mod guard;
#[path = "../it/log.rs"]
mod log;
mod middleware;
mod nested;
mod predicate;
#[path = "../it/shown.rs"]
mod shown;

use actix_web::App;
use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::header::{HeaderMap, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::ServiceConfig;
use cloakroom::store::MemoryStore;
use cloakroom::{CsrfLayer, SessionLayer, StoredFactory};

/// An answer, with its whole body.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Reply {
    async fn of<B: MessageBody>(response: ServiceResponse<B>) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        Self { status, headers, body: body.to_vec() }
    }

    /// The name and value of the cookie that it sets.
    fn cookie(&self) -> String {
        let cookie = self.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sessions in memory, in a cookie of this name.
fn sessions(cookie: &str) -> SessionLayer {
    let settings = cloakroom::cookie::CookieSettings::new(cookie);
    let factory = StoredFactory::builder("shop", MemoryStore::default()).cookie(settings).build();
    SessionLayer::new(factory.unwrap())
}

/// An application with these routes behind a guard and a session layer.
async fn site(
    layer: CsrfLayer,
    routes: impl FnOnce(&mut ServiceConfig),
) -> impl Service<
    actix_http::Request,
    Response = ServiceResponse<impl MessageBody>,
    Error = actix_web::Error,
> {
    init_service(App::new().configure(routes).wrap(layer).wrap(sessions("id"))).await
}

async fn ask<B: MessageBody>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    request: TestRequest,
) -> Reply {
    Reply::of(call_service(app, request.to_request()).await).await
}
