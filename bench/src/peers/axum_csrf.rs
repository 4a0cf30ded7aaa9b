//! axum_csrf 0.12 as a layer, with its default settings, and a handler that verifies a token from a header.

use std::convert::Infallible;

use axum_core::response::IntoResponse;
use axum_csrf::{CsrfConfig, CsrfLayer, CsrfToken};
use http::{HeaderValue, Method};
use tower::{Layer, service_fn};

use crate::measure::{Request, ask};
use crate::session::{answer, cookie, request};

pub const NAME: &str = "axum_csrf 0.12.0";

#[must_use]
pub fn verified() -> Request {
    type Body = axum_core::body::Body;
    let layer = CsrfLayer::new(CsrfConfig::default());
    let mut page = layer.layer(service_fn(async |request: http::Request<Body>| {
        let token = request.extensions().get::<CsrfToken>().expect("a token").clone();
        let text = token.authenticity_token().expect("a token's text");
        Ok::<_, Infallible>((token, text).into_response())
    }));
    let response = ask(&mut page, request(None).map(Body::new));
    let cookie = cookie(response.headers());
    let text = crate::measure::at_once(http_body_util::BodyExt::collect(response.into_body()));
    let text = HeaderValue::from_bytes(&text.expect("a body").to_bytes()).expect("a value");
    let mut service = layer.layer(service_fn(async |request: http::Request<Body>| {
        let token = request.extensions().get::<CsrfToken>().expect("a token");
        let text = request.headers()["x-csrf-token"].to_str().expect("text");
        token.verify(text).expect("the right token");
        Ok::<_, Infallible>(answer().map(Body::new))
    }));
    Box::new(move || {
        let mut request = request(Some(&cookie)).map(Body::new);
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("x-csrf-token", text.clone());
        drop(ask(&mut service, request));
    })
}
