//! The predicate at work in tower.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::super::predicate::{CsrfPredicate, NotFound, Or};
use super::super::replay::Replay;
use super::super::request::{check_request, may_carry_token};
use crate::Error;
use crate::error::tell_answered;
use crate::slot::Head;
use crate::tower::{ErrorResponse, PlainText};

impl<S, F: Clone> Layer<S> for CsrfPredicate<F> {
    type Service = PredicateService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        PredicateService { inner, predicate: self.clone() }
    }
}

/// A service behind a [`CsrfPredicate`].
#[derive(Debug, Clone)]
pub struct PredicateService<S, F = NotFound> {
    inner: S,
    predicate: CsrfPredicate<F>,
}

/// What becomes of a request that the predicate does not match: [`NotFound`] or [`Or`].
pub trait Otherwise<Q, R, E> {
    /// Answers it.
    fn answer(self, request: Q) -> impl Future<Output = Result<R, E>> + Send;
}

impl<Q: Send, B: From<String> + Send, E: Send> Otherwise<Q, Response<B>, E> for NotFound {
    async fn answer(self, request: Q) -> Result<Response<B>, E> {
        drop(request);
        let mut response = Response::new(B::from("not found".to_owned()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        Ok(response)
    }
}

impl<Q, T> Otherwise<Q, T::Response, T::Error> for Or<T>
where
    Q: Send,
    T: Service<Q, Future: Send> + Send,
{
    async fn answer(mut self, request: Q) -> Result<T::Response, T::Error> {
        std::future::poll_fn(|context| self.0.poll_ready(context)).await?;
        self.0.call(request).await
    }
}

impl<S, F, ReqBody, ResBody> Service<Request<ReqBody>> for PredicateService<S, F>
where
    S: Service<Request<Replay<ReqBody>>, Response = Response<ResBody>, Future: Send>,
    S: Clone + Send + 'static,
    F: Otherwise<Request<Replay<ReqBody>>, S::Response, S::Error> + Clone + Send + 'static,
    ReqBody: Body<Data: Send, Error: Send> + Send + Unpin + 'static,
    ResBody: From<String>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = PredicateFuture<Response<ResBody>, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let other = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, other);
        let CsrfPredicate { lookup, otherwise } = self.predicate.clone();
        let (parts, body) = request.into_parts();
        let may_match = may_carry_token(&parts, &lookup);
        let request = Request::from_parts(parts, body);
        let answering = async move {
            if !may_match {
                return otherwise.answer(request.map(Replay::new)).await;
            }
            match check_request(request, &lookup).await {
                (request, Ok(())) => inner.call(request).await,
                (request, Err(Error::Csrf(_))) => otherwise.answer(request).await,
                // Whether the token is right cannot be known: that is no miss.
                (_, Err(error)) => {
                    tell_answered(&error);
                    let mut response = PlainText.respond(&error);
                    Head::refuse(&mut response);
                    Ok(response)
                }
            }
        };
        PredicateFuture(Box::pin(answering))
    }
}

/// The future of a [`PredicateService`].
pub struct PredicateFuture<R, E>(Pin<Box<dyn Future<Output = Result<R, E>> + Send>>);

impl<R, E> Future for PredicateFuture<R, E> {
    type Output = Result<R, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}
