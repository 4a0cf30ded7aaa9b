//! axum_csrf 0.12 as a layer, with its default settings, and a handler that verifies a token from a header.

use std::convert::Infallible;

use axum_core::response::IntoResponse;
use axum_csrf::{CsrfConfig, CsrfLayer, CsrfToken};
use http::{HeaderValue, Method, Request, Response};
use tower::{Layer, service_fn};

use crate::measure::{Cost, ask, cost};
use crate::session::{cookie, request};

#[must_use]
pub fn verified() -> Cost {
    type Body = axum_core::body::Body;
    let layer = CsrfLayer::new(CsrfConfig::default());
    let mut page = layer.layer(service_fn(async |request: Request<Body>| {
        let token = request.extensions().get::<CsrfToken>().expect("a token").clone();
        let text = token.authenticity_token().expect("a token's text");
        Ok::<_, Infallible>((token, text).into_response())
    }));
    let response = ask(&mut page, request(None).map(Body::new));
    let cookie = cookie(response.headers());
    let text = crate::measure::at_once(http_body_util::BodyExt::collect(response.into_body()));
    let text = HeaderValue::from_bytes(&text.expect("a body").to_bytes()).expect("a value");
    let post = || {
        let mut request = request(Some(&cookie)).map(Body::new);
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("x-csrf-token", text.clone());
        request
    };
    let mut service = layer.layer(service_fn(async |request: Request<Body>| {
        let token = request.extensions().get::<CsrfToken>().expect("a token");
        let text = request.headers()["x-csrf-token"].to_str().expect("text");
        token.verify(text).expect("the right token");
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let mut bare =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let bare = cost(|| drop(ask(&mut bare, post())));
    cost(|| drop(ask(&mut service, post()))).beyond(bare)
}
