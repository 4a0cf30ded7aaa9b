//! The head of a request or a response in the types of `http` 1, which the core speaks: actix-web has those of an
//! earlier version.
//!
//! Both versions take the same bytes for a name, a value or a method, so that nothing is lost on the way.

use actix_web::body::EitherBody;
use actix_web::dev::ServiceResponse;
use actix_web::http as old;
use actix_web::{HttpMessage, HttpRequest};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

use crate::slot::{Outgoing, Slot, is_older_prefetch};

/// What of a request opening its session needs.
pub(crate) fn for_opening(request: &HttpRequest) -> Parts {
    let mut parts = empty();
    parts.headers = for_session(request);
    if let Some(slot) = request.extensions().get::<Slot>() {
        parts.extensions.insert(slot.clone());
    }
    parts
}

/// The whole head, and the slot of its session.
pub(crate) fn whole(request: &HttpRequest) -> Parts {
    let mut parts = for_opening(request);
    parts.method = method(request);
    parts.uri = request.uri().to_string().parse().unwrap_or(Uri::from_static("/"));
    parts.headers = HeaderMap::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            parts.headers.append(name, value);
        }
    }
    parts
}

/// The headers that opening a session looks at, found in one pass.
pub(crate) fn for_session(request: &HttpRequest) -> HeaderMap {
    let mut found = HeaderMap::new();
    for (name, value) in request.headers() {
        let (name, value) = (name.as_str(), value.as_bytes());
        let known = Slot::HEADERS.iter().find(|known| known.as_str() == name).cloned();
        let older = || is_older_prefetch(value, || name).then(|| name.parse().ok()).flatten();
        if let (Some(name), Ok(value)) = (known.or_else(older), HeaderValue::from_bytes(value)) {
            found.append(name, value);
        }
    }
    found
}

/// The headers of these names.
pub(crate) fn headers(request: &HttpRequest, names: &[HeaderName]) -> HeaderMap {
    let mut found = HeaderMap::new();
    for name in names {
        for value in request.headers().get_all(name.as_str()) {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                found.append(name, value);
            }
        }
    }
    found
}

/// What nobody knows counts as what changes things.
pub(crate) fn method(request: &HttpRequest) -> Method {
    Method::from_bytes(request.method().as_str().as_bytes()).unwrap_or(Method::POST)
}

pub(crate) fn old_status(status: StatusCode) -> old::StatusCode {
    let status = old::StatusCode::from_u16(status.as_u16());
    status.unwrap_or(old::StatusCode::INTERNAL_SERVER_ERROR)
}

fn empty() -> Parts {
    Request::new(()).into_parts().0
}

impl<B> Outgoing for ServiceResponse<EitherBody<B>> {
    fn status(&self) -> StatusCode {
        let status = StatusCode::from_u16(Self::status(self).as_u16());
        status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.headers().contains_key(name.as_str())
    }

    fn fields(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.headers().get_all(name.as_str()).filter_map(|field| field.to_str().ok())
    }

    fn append(&mut self, name: HeaderName, value: HeaderValue) {
        if let Some((name, value)) = old_field(&name, &value) {
            self.headers_mut().append(name, value);
        }
    }

    fn replace(&mut self, name: HeaderName, value: HeaderValue) {
        if let Some((name, value)) = old_field(&name, &value) {
            self.headers_mut().insert(name, value);
        }
    }

    fn mark(&mut self, mark: impl Clone + Send + Sync + 'static) {
        self.response_mut().extensions_mut().insert(mark);
    }
}

fn old_field(
    name: &HeaderName,
    value: &HeaderValue,
) -> Option<(old::header::HeaderName, old::header::HeaderValue)> {
    let name = old::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    Some((name, old::header::HeaderValue::from_bytes(value.as_bytes()).ok()?))
}
