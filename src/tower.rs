//! The layer for axum and every other tower service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
pub use crate::layer::{PlainText, SessionLayer};
use crate::slot::{Answering, InsteadOf};

impl<S, E: Clone> Layer<S> for SessionLayer<E> {
    type Service = SessionService<S, E>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, layer: self.clone() }
    }
}

/// Makes the response when a session could not be kept: a function of the error, or [`PlainText`].
pub trait ErrorResponse<B> {
    /// The response for `error`.
    fn respond(&self, error: &Error) -> Response<B>;
}

impl<B, F: Fn(&Error) -> Response<B>> ErrorResponse<B> for F {
    fn respond(&self, error: &Error) -> Response<B> {
        self(error)
    }
}

impl<B: From<String>> ErrorResponse<B> for PlainText {
    fn respond(&self, error: &Error) -> Response<B> {
        let mut response = Response::new(B::from(error.for_visitors().to_owned()));
        *response.status_mut() = error.status();
        let text = HeaderValue::from_static(Self::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}

impl<B, E: ErrorResponse<B>> InsteadOf<Response<B>> for E {
    fn instead_of(&self, _: Response<B>, error: &Error) -> Response<B> {
        self.respond(error)
    }
}

/// A service behind a [`SessionLayer`].
#[derive(Clone)]
pub struct SessionService<S, E = PlainText> {
    inner: S,
    layer: SessionLayer<E>,
}

impl<S, E, ReqBody, ResBody> Service<Request<ReqBody>> for SessionService<S, E>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    E: ErrorResponse<ResBody> + Clone,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let entry = self.layer.enter(|slot| request.extensions_mut().insert(slot));
        let is_head = request.method() == Method::HEAD;
        let handler = self.inner.call(request);
        let on_error = self.layer.on_error.clone();
        ResponseFuture { answering: Answering::new(handler, entry, is_head, on_error) }
    }
}

pin_project! {
    /// The future of a [`SessionService`].
    pub struct ResponseFuture<F, E>
    where
        F: Future,
    {
        #[pin]
        answering: Answering<F, E>,
    }
}

impl<F, B, E, R> Future for ResponseFuture<F, E>
where
    F: Future<Output = Result<Response<B>, R>>,
    E: ErrorResponse<B>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().answering.poll(context)
    }
}
