//! The guard at work: a request's way past it, or back.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{ORIGIN, REFERER, VARY};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::decide::Verdict;
use super::layer::CsrfLayer;
use super::replay::Replay;
use super::request::{examine, matched_route};
use crate::Error;
use crate::csrf::double_submit::Visitor;
use crate::csrf::refused::CsrfError;
use crate::slot::Head;
use crate::tower::{ErrorResponse, PlainText};

/// A service behind a [`CsrfLayer`].
#[derive(Debug, Clone)]
pub struct CsrfService<S, E = PlainText> {
    inner: S,
    layer: CsrfLayer<E>,
}

impl<S, E> CsrfService<S, E> {
    pub(super) const fn new(inner: S, layer: CsrfLayer<E>) -> Self {
        Self { inner, layer }
    }
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
        let visitor = guard.without_sessions.as_ref().map(Visitor::new);
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
                    return Poll::Ready(Ok(finish(this.layer, this.visitor.as_ref(), response)));
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
            if let Err(error) = examined {
                if let Some(refused) = refused(&error) {
                    this.layer.tell(refused, request.headers());
                }
                if !this.layer.guard.only_reports {
                    return Poll::Ready(Ok(this.layer.refuse(&error)));
                }
            }
            this.state.set(State::answering(inner, request));
        }
    }
}

impl<E> CsrfLayer<E> {
    fn tell(&self, refused: &CsrfError, headers: &HeaderMap) {
        let (rule, is_enforced) = (refused.rule().as_str(), !self.guard.only_reports);
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let has_referer = headers.contains_key(REFERER);
        tracing::warn!(rule, is_enforced, origin, has_referer, "request refused by the CSRF guard");
        (self.guard.on_refused)(refused);
    }

    fn refuse<B>(&self, error: &Error) -> Response<B>
    where
        E: ErrorResponse<B>,
    {
        let mut response = self.on_error.respond(error);
        if let Some(refused) = refused(error) {
            response.extensions_mut().insert(*refused);
        }
        Head::refuse(response.headers_mut());
        let vary = HeaderValue::from_static("Origin, Sec-Fetch-Site");
        response.headers_mut().append(VARY, vary);
        response
    }
}

/// What a visitor's own cookie adds to the response, where there are no sessions.
fn finish<E, B>(
    layer: &CsrfLayer<E>,
    visitor: Option<&Visitor>,
    mut response: Response<B>,
) -> Response<B>
where
    E: ErrorResponse<B>,
{
    match visitor.map(Visitor::close) {
        None => {}
        Some(Ok(sent)) => {
            Head::new(sent.cookies, sent.is_read, sent.has_token).apply(response.headers_mut());
        }
        Some(Err(error)) => {
            tracing::error!(kind = error.kind(), %error, "CSRF cookie not sent");
            response = layer.on_error.respond(&error);
            Head::refuse(response.headers_mut());
        }
    }
    response
}

const fn refused(error: &Error) -> Option<&CsrfError> {
    if let Error::Csrf(refused) = error { Some(refused) } else { None }
}
