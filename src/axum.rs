//! Axum: [`Session`] as an argument of a handler, and [`Error`] as what a handler may fail with.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::tell_answered;
use crate::tower::{ErrorResponse, PlainText};
use crate::{Error, Session};

/// Opens the session of the request; every extractor of one request gets the same session.
///
/// Where no [`SessionLayer`](crate::SessionLayer) is installed, the answer is a 500, and the log says why.
impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::of_parts(&parts.extensions, &parts.headers).await
    }
}

/// As `Option<Session>`: `None` where no [`SessionLayer`](crate::SessionLayer) is installed. A session that cannot be
/// opened is an error there too (S73).
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        where_there_is_a_layer(Self::of_parts(&parts.extensions, &parts.headers).await)
    }
}

pub(crate) fn where_there_is_a_layer<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::NoLayer) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What [visitors are told](Error::for_visitors), with the error's [status](Error::status). The log has its whole text.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        tell_answered(&self);
        PlainText.respond(&self)
    }
}
