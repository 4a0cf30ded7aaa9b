//! Axum: [`Csrf`] as an argument of a handler.

use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::Error;
use crate::csrf::Csrf;

/// The token of the request, whoever keeps it.
impl<S: Send + Sync> FromRequestParts<S> for Csrf {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::of_parts(&parts.extensions, &parts.headers).await
    }
}
