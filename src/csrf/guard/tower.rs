//! The guard at work in tower: a request's way past it, or back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::answer::{finish, refuse};
use super::decide::Verdict;
use super::layer::CsrfLayer;
use super::replay::Replay;
use super::request::{examine, matched_route};
use crate::Error;
use crate::csrf::double_submit::Visitor;
use crate::csrf::refused::CsrfError;
use crate::tower::{ErrorResponse, PlainText};

impl<S, E: Clone> Layer<S> for CsrfLayer<E> {
    type Service = CsrfService<S, E>;

    fn layer(&self, inner: S) -> Self::Service {
        CsrfService { inner, layer: self.clone() }
    }
}

mod predicate;

pub use predicate::{Otherwise, PredicateFuture, PredicateService};

/// A service behind a [`CsrfLayer`].
#[derive(Debug, Clone)]
pub struct CsrfService<S, E = PlainText> {
    inner: S,
    layer: CsrfLayer<E>,
}

type Examined<B> = (Request<Replay<B>>, Result<(), Error>);
type Examining<B> = Pin<Box<dyn Future<Output = Examined<B>> + Send>>;

impl<S, E, ReqBody, ResBody> Service<Request<ReqBody>> for CsrfService<S, E>
where
    S: Service<Request<Replay<ReqBody>>, Response = Response<ResBody>> + Clone,
    E: ErrorResponse<ResBody> + Clone,
    ReqBody: Body<Data: Send, Error: Send> + Send + Unpin + 'static,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let guard = &self.layer.guard;
        let keeper = guard.without_sessions.as_ref();
        let outer = request.extensions().get();
        let visitor = keeper.and_then(|keeper| Visitor::enter(keeper, outer));
        if let Some(visitor) = &visitor {
            request.extensions_mut().insert(visitor.clone());
        }
        let (parts, body) = request.into_parts();
        let verdict = guard.judge(&parts, matched_route(&parts.extensions));
        let request = Request::from_parts(parts, body);
        // The service that was asked whether it is ready is the one that is called.
        let other = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, other);
        let layer = self.layer.clone();
        let state = match verdict {
            Verdict::Allow => State::answering(inner, request.map(Replay::new)),
            Verdict::Refuse(rule) => {
                let refused = Err(CsrfError::new(rule).into());
                State::Judged { judged: Some((inner, (request.map(Replay::new), refused))) }
            }
            Verdict::AskForToken => {
                let guard = guard.clone();
                let examining =
                    async move { examine(request, &guard.lookup, guard.form_limit).await };
                State::Examining { inner: Some(inner), examining: Box::pin(examining) }
            }
        };
        ResponseFuture { state, layer, visitor }
    }
}

pin_project! {
    /// The future of a [`CsrfService`].
    pub struct ResponseFuture<S, B, E>
    where
        S: Service<Request<Replay<B>>>,
        B: Body,
    {
        #[pin]
        state: State<S, B>,
        layer: CsrfLayer<E>,
        visitor: Option<Visitor>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<Replay<B>>>,
        B: Body,
    {
        Examining { inner: Option<S>, examining: Examining<B> },
        Judged { judged: Option<(S, Examined<B>)> },
        Answering { #[pin] answering: S::Future },
    }
}

impl<S, B> State<S, B>
where
    S: Service<Request<Replay<B>>>,
    B: Body,
{
    fn answering(mut inner: S, request: Request<Replay<B>>) -> Self {
        Self::Answering { answering: inner.call(request) }
    }
}

impl<S, B, E, ResBody> Future for ResponseFuture<S, B, E>
where
    S: Service<Request<Replay<B>>, Response = Response<ResBody>>,
    E: ErrorResponse<ResBody>,
    B: Body,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut this = self.as_mut().project();
            let (inner, (request, examined)) = match this.state.as_mut().project() {
                StateProjection::Answering { answering } => {
                    let response = ready!(answering.poll(context))?;
                    let (visitor, on_error) = (this.visitor.as_ref(), &this.layer.on_error);
                    return Poll::Ready(Ok(finish(response, visitor, on_error)));
                }
                StateProjection::Examining { inner, examining } => {
                    let examined = ready!(examining.as_mut().poll(context));
                    let Some(inner) = inner.take() else { return Poll::Pending };
                    (inner, examined)
                }
                StateProjection::Judged { judged } => {
                    let Some(judged) = judged.take() else { return Poll::Pending };
                    judged
                }
            };
            if let Err(error) = this.layer.guard.enforce(examined, request.headers()) {
                let mut response = this.layer.on_error.respond(&error);
                refuse(&mut response, &error);
                return Poll::Ready(Ok(response));
            }
            this.state.set(State::answering(inner, request));
        }
    }
}
