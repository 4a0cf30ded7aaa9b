//! tower-http 0.7's CSRF layer, which judges the headers that browsers send and knows no token.

use std::convert::Infallible;

use http::{HeaderValue, Method};
use tower::{Layer, service_fn};
use tower_http::csrf::CsrfLayer;

use crate::measure::{Request, ask};
use crate::session::{Body, answer, request};

pub const NAME: &str = "tower-http 0.7.1, headers only";

#[must_use]
pub fn admitted() -> Request {
    let cookie = HeaderValue::from_static("session=anything");
    let mut service = CsrfLayer::new()
        .layer(service_fn(async |_: http::Request<Body>| Ok::<_, Infallible>(answer())));
    Box::new(move || {
        let mut request = request(Some(&cookie));
        *request.method_mut() = Method::POST;
        let same_origin = HeaderValue::from_static("same-origin");
        request.headers_mut().insert("sec-fetch-site", same_origin);
        drop(ask(&mut service, request));
    })
}
