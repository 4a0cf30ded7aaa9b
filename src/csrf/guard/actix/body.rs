//! A payload of actix-web as the body that forms are searched in, and back.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;
use http::Request;
use http::request::Parts;
use http_body::{Body, Frame};

use super::super::replay::Replay;
use super::super::request::{self, FORM_LIMIT};
use super::parts_of;
use crate::Error;
use crate::csrf::lookup::Lookup;

/// Checks a request of actix-web by hand where its payload was not read yet, and gives the payload back whole (R44).
///
/// Header first, then form field, as [`Lookup`] says. The first 64 KiB of a form are searched, url-encoded or
/// multipart; what is given back is what came, byte for byte.
///
/// ```
/// use actix_web::{HttpRequest, web::Payload};
/// use cloakroom::csrf::{self, Lookup};
/// use cloakroom::Error;
///
/// async fn handle(request: HttpRequest, payload: Payload) -> Result<&'static str, Error> {
///     let lookup = Lookup::default();
///     let (_payload, checked) = csrf::check_payload(&request, payload.into_inner(), &lookup).await;
///     checked?; // 400
///     Ok("done")
/// }
/// ```
///
/// # Errors
/// [`Error::Csrf`] with status 400; whatever the session's factory fails with.
pub async fn check_payload(
    request: &HttpRequest,
    payload: Payload,
    lookup: &Lookup,
) -> (Payload, Result<(), Error>) {
    examine(parts_of(request), payload, lookup, FORM_LIMIT).await
}

pub(super) async fn examine(
    parts: Parts,
    payload: Payload,
    lookup: &Lookup,
    limit: usize,
) -> (Payload, Result<(), Error>) {
    let request = Request::from_parts(parts, Pieces(payload));
    let (request, examined) = request::examine(request, lookup, limit).await;
    let stream: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Replayed(request.into_body()));
    (Payload::from(stream), examined)
}

/// A payload as a body.
struct Pieces(Payload);

impl Body for Pieces {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        let piece = ready!(Pin::new(&mut self.0).poll_next(context));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

/// A body as a stream.
struct Replayed(Replay<Pieces>);

impl Stream for Replayed {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A payload has no trailers.
        let frame = ready!(Pin::new(&mut self.0).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }
}
