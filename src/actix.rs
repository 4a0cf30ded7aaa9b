//! The middleware for actix-web, [`Session`] as an argument of a handler, and [`Error`] as what a handler may fail with.
//!
//! [`SessionLayer`] is given to `wrap`, of an application, a scope or a resource; the innermost is the one whose
//! sessions a handler gets. A middleware takes its session by `request.extract::<Session>()`.
//!
//! Where a handler also serves routes without a layer, it takes a `Result<Session, Error>`, and
//! [`Error::NoLayer`] says that there is none. Not an `Option<Session>`: actix-web makes `None` of every error, also of
//! a store that does not answer.
//!
//! A handler that fails is answered by actix-web before the layer sees it, and its session is kept as it is for every
//! response of that status. Where a *middleware* inside of the layer fails, there is no response yet: the session is
//! kept as after a panic, before the error goes on, and no cookie goes out (R24).

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use futures_util::future::{LocalBoxFuture, MapOk, TryFutureExt};
use pin_project_lite::pin_project;

pub(crate) mod translate;

use crate::error::tell_answered;
pub use crate::layer::{PlainText, SessionLayer};
use crate::slot::{Answering, InsteadOf, Slot};
use crate::{Error, Session};

impl<S, B, E> Transform<S, ServiceRequest> for SessionLayer<E>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    E: ErrorResponse + Clone,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = SessionMiddleware<S, E>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionMiddleware { inner, layer: self.clone() }))
    }
}

/// Makes the response when a session could not be kept: a function of the error, or [`PlainText`].
pub trait ErrorResponse {
    /// The response for `error`.
    fn respond(&self, error: &Error) -> HttpResponse;
}

impl<F: Fn(&Error) -> HttpResponse> ErrorResponse for F {
    fn respond(&self, error: &Error) -> HttpResponse {
        self(error)
    }
}

impl ErrorResponse for PlainText {
    fn respond(&self, error: &Error) -> HttpResponse {
        let text = (header::CONTENT_TYPE, Self::CONTENT_TYPE);
        HttpResponse::build(error.status_code()).insert_header(text).body(error.for_visitors())
    }
}

impl<B, E: ErrorResponse> InsteadOf<ServiceResponse<EitherBody<B>>> for E {
    fn instead_of(
        &self,
        response: ServiceResponse<EitherBody<B>>,
        error: &Error,
    ) -> ServiceResponse<EitherBody<B>> {
        response.into_response(self.respond(error)).map_into_right_body()
    }
}

/// A service behind a [`SessionLayer`].
#[derive(Debug)]
pub struct SessionMiddleware<S, E = PlainText> {
    inner: S,
    layer: SessionLayer<E>,
}

impl<S, B, E> Service<ServiceRequest> for SessionMiddleware<S, E>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    E: ErrorResponse + Clone,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = ResponseFuture<S::Future, B, E>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let mut outer = None;
        let entry = self.layer.enter(|slot| {
            let there = request.extensions_mut().insert(slot);
            outer = outer.take().or_else(|| there.clone());
            there
        });
        let is_head = request.method() == Method::HEAD;
        let widen: Widen<B> = ServiceResponse::map_into_left_body;
        let handler = self.inner.call(request).map_ok(widen);
        let on_error = self.layer.on_error.clone();
        ResponseFuture { answering: Answering::new(handler, entry, is_head, on_error), outer }
    }
}

/// Makes room for another body, that of an error.
type Widen<B> = fn(ServiceResponse<B>) -> ServiceResponse<EitherBody<B, BoxBody>>;

pin_project! {
    /// The future of a [`SessionMiddleware`].
    pub struct ResponseFuture<F, B, E>
    where
        F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
    {
        #[pin]
        answering: Answering<MapOk<F, Widen<B>>, E>,
        outer: Option<Slot>,
    }
}

impl<F, B, E> Future for ResponseFuture<F, B, E>
where
    F: Future<Output = Result<ServiceResponse<B>, actix_web::Error>>,
    E: ErrorResponse,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.answering.poll(context))?;
        if let Some(outer) = this.outer.take() {
            // A middleware between two layers goes on with the session that it had.
            response.request().extensions_mut().insert(outer);
        }
        Poll::Ready(Ok(response))
    }
}

/// Opens the session of the request; every extractor of one request gets the same session.
///
/// Where no [`SessionLayer`] is installed, the answer is a 500, and the log says why.
impl FromRequest for Session {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let slot = request.extensions().get::<Slot>().cloned();
        let headers = translate::for_session(request);
        Box::pin(async move { slot.ok_or(Error::NoLayer)?.session(&headers).await })
    }
}

/// What [visitors are told](Error::for_visitors), with the error's [status](Error::status). The log has its whole text.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        translate::old_status(self.status())
    }

    fn error_response(&self) -> HttpResponse {
        tell_answered(self);
        PlainText.respond(self)
    }
}
