//! A handler that is there only for requests with a valid token; for others it is not found.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::replay::Replay;
use super::request::check_request;
use crate::Error;
use crate::csrf::lookup::Lookup;
use crate::slot::Head;
use crate::tower::{ErrorResponse, PlainText};

/// Makes a handler match only with a valid token (R49). A miss is a 404, or goes to [another handler](Self::or);
/// whatever the method is (R51).
///
/// On a route that no [`CsrfLayer`](crate::CsrfLayer) guards: that one would refuse first.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// # async fn delete_everything() {}
/// # async fn ask_first() {}
/// use axum::Router;
/// use axum::handler::{Handler, HandlerWithoutStateExt};
/// use axum::routing::post;
/// use cloakroom::CsrfLayer;
///
/// let matched = CsrfLayer::predicate();
/// let app: Router = Router::new()
///     .route("/delete", post(delete_everything).layer(matched.clone()))
///     .route("/delete-or-ask", post(delete_everything.layer(matched.or(ask_first.into_service()))));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CsrfPredicate<F = NotFound> {
    lookup: Lookup,
    otherwise: F,
}

/// Where a miss goes by default: to a 404.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotFound;

/// Where a miss goes: to another service.
#[derive(Debug, Clone)]
pub struct Or<T>(T);

impl CsrfPredicate {
    /// Looks for the token as a [`CsrfLayer`](crate::CsrfLayer) does by default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<F> CsrfPredicate<F> {
    /// Where the token is looked for.
    #[must_use]
    pub fn lookup(mut self, lookup: Lookup) -> Self {
        self.lookup = lookup;
        self
    }

    /// Sends a miss to this service, with its body whole. A handler of axum becomes one by `into_service()` or
    /// `with_state(state)`.
    #[must_use]
    pub fn or<T>(self, other: T) -> CsrfPredicate<Or<T>> {
        CsrfPredicate { lookup: self.lookup, otherwise: Or(other) }
    }
}

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
        let answering = async move {
            match check_request(request, &lookup).await {
                (request, Ok(())) => inner.call(request).await,
                (request, Err(Error::Csrf(_))) => otherwise.answer(request).await,
                // Whether the token is right cannot be known: that is no miss.
                (_, Err(error)) => {
                    let mut response = PlainText.respond(&error);
                    Head::refuse(response.headers_mut());
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
