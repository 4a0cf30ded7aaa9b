//! Axum: [`Csrf`] as an argument of a handler.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::Error;
use crate::axum::where_there_is_a_layer;
use crate::csrf::Csrf;

/// The token of the request, whoever keeps it.
impl<S: Send + Sync> FromRequestParts<S> for Csrf {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::of_parts(&parts.extensions, &parts.headers).await
    }
}

/// As `Option<Csrf>`: `None` where nobody keeps a token, because no layer is installed. Other errors stay errors.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Csrf {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        where_there_is_a_layer(Self::of_parts(&parts.extensions, &parts.headers).await)
    }
}
