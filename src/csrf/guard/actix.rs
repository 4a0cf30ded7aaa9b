//! The guard at work in actix-web: a request's way past it, or back.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::EitherBody;
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::{Either, LocalBoxFuture, MapOk, TryFutureExt};
use http::header::UPGRADE;
use http::request::Parts;

use super::answer::{finish, refuse};
use super::decide::Verdict;
use super::layer::CsrfLayer;
use super::request::{Route, matched_route};
use crate::Error;
use crate::actix::{ErrorResponse, translate};
use crate::csrf::double_submit::Visitor;
use crate::csrf::holder::Csrf;
use crate::csrf::refused::CsrfError;
use crate::layer::PlainText;

mod body;
mod predicate;

pub use body::check_payload;
use body::examine;
pub use predicate::{PredicateMiddleware, ValidToken};

impl<S, B, E> Transform<S, ServiceRequest> for CsrfLayer<E>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
    E: ErrorResponse + Clone + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = CsrfMiddleware<S, E>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(CsrfMiddleware { inner: Rc::new(inner), layer: self.clone() }))
    }
}

/// A service of actix-web behind a [`CsrfLayer`].
#[derive(Debug)]
pub struct CsrfMiddleware<S, E = PlainText> {
    inner: Rc<S>,
    layer: CsrfLayer<E>,
}

impl<S, B, E> Service<ServiceRequest> for CsrfMiddleware<S, E>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
    E: ErrorResponse + Clone + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Guarding<S::Future, B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let guard = &self.layer.guard;
        let is_safe = {
            let head = request.request();
            guard.is_safe(&translate::method(head), &translate::headers(head, &[UPGRADE]))
        };
        if is_safe && guard.without_sessions.is_none() {
            let widen: Widen<B> = ServiceResponse::map_into_left_body;
            return Either::Left(self.inner.call(request).map_ok(widen));
        }
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        Either::Right(Box::pin(async move { layer.pass(&*inner, request).await }))
    }
}

/// Makes room for another body, that of an error.
type Widen<B> = fn(ServiceResponse<B>) -> ServiceResponse<EitherBody<B>>;
type Passing<B> = LocalBoxFuture<'static, Result<ServiceResponse<EitherBody<B>>, actix_web::Error>>;
/// The future of a [`CsrfMiddleware`]: on its way at once, or past the guard.
type Guarding<F, B> = Either<MapOk<F, Widen<B>>, Passing<B>>;

impl<E: ErrorResponse> CsrfLayer<E> {
    /// Hands the request to `inner`, or refuses it.
    async fn pass<S, B>(
        &self,
        inner: &S,
        request: ServiceRequest,
    ) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error>
    where
        S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    {
        let keeper = self.guard.without_sessions.as_ref();
        let enter = |keeper| Visitor::enter(keeper, request.extensions().get());
        let visitor = keeper.and_then(enter);
        if let Some(visitor) = &visitor {
            request.extensions_mut().insert(visitor.clone());
        }
        let parts = parts_of(request.request());
        let route = matched_route(&parts.extensions);
        let (request, examined) = match self.guard.judge(&parts, route) {
            Verdict::Allow => (request, Ok(())),
            Verdict::Refuse(rule) => (request, Err(CsrfError::new(rule).into())),
            Verdict::AskForToken => {
                let (http, payload) = request.into_parts();
                let (payload, examined) =
                    examine(parts.clone(), payload, &self.guard.lookup, self.guard.form_limit)
                        .await;
                (ServiceRequest::from_parts(http, payload), examined)
            }
        };
        if let Err(error) = self.guard.enforce(examined, &parts.headers) {
            let response = request.into_response(self.on_error.respond(&error));
            let mut response = response.map_into_right_body();
            refuse(&mut response, &error);
            return Ok(response);
        }
        let response = inner.call(request).await?.map_into_left_body();
        Ok(finish(response, visitor.as_ref(), &self.on_error))
    }
}

/// The head of a request, with what its extensions know of its session, its visitor and its route.
fn parts_of(request: &HttpRequest) -> Parts {
    let mut parts = translate::whole(request);
    if let Some(visitor) = request.extensions().get::<Visitor>() {
        parts.extensions.insert(visitor.clone());
    }
    if let Some(route) = route(request) {
        parts.extensions.insert(route);
    }
    parts
}

/// The route that the request is on its way to. The router compares the path decoded; a name by which only the path
/// as it was sent matches another route is nobody's (S58).
fn route(request: &HttpRequest) -> Option<Route> {
    let decoded = request.resource_map().match_pattern(request.match_info().as_str())?;
    let is_same = request.match_pattern().is_some_and(|sent| sent == decoded);
    is_same.then(|| Route(decoded.into()))
}

/// The token of the request, whoever keeps it.
impl FromRequest for Csrf {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut parts = translate::for_opening(request);
        if let Some(visitor) = request.extensions().get::<Visitor>() {
            parts.extensions.insert(visitor.clone());
        }
        Box::pin(async move { Self::of_parts(&parts.extensions, &parts.headers).await })
    }
}
