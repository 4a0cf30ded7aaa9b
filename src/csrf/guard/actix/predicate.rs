//! The predicate in actix-web: a middleware that looks for the token, and a guard of routes that knows what it found.
//!
//! A router asks its guards in passing, and has neither a request's body nor time to open its session. So both are
//! looked at before.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::guard::{Guard, GuardContext};
use futures_util::future::LocalBoxFuture;

use super::super::predicate::CsrfPredicate;
use super::super::request::{FORM_LIMIT, may_carry_token};
use super::{examine, parts_of};
use crate::Error;
use crate::actix::ErrorResponse;
use crate::csrf::lookup::Lookup;
use crate::error::tell_answered;
use crate::layer::PlainText;
use crate::slot::Head;

impl CsrfPredicate {
    /// The guard of a route or a resource that is there only for requests with a valid token (R49): the router goes on
    /// to the next, or answers 404. What it asks is found out by the predicate itself, as a middleware around
    /// (`wrap`); without that, no request has a token.
    ///
    /// A resource whose *routes* all miss answers 405, as actix-web has it; guard the resource for a 404.
    ///
    /// ```
    /// # async fn delete_everything() -> &'static str { "" }
    /// # async fn ask_first() -> &'static str { "" }
    /// use actix_web::{App, web};
    /// use cloakroom::CsrfLayer;
    /// # let sessions = cloakroom::SessionLayer::new(cloakroom::StoredFactory::new("shop", cloakroom::store::MemoryStore::default()));
    ///
    /// let predicate = CsrfLayer::predicate();
    /// let app = App::new()
    ///     .service(web::resource("/delete").guard(predicate.guard()).to(delete_everything))
    ///     .service(
    ///         web::resource("/delete-or-ask")
    ///             .route(web::post().guard(predicate.guard()).to(delete_everything))
    ///             .route(web::post().to(ask_first)),
    ///     )
    ///     .wrap(predicate)
    ///     .wrap(sessions);
    /// ```
    #[must_use]
    pub fn guard(&self) -> ValidToken {
        ValidToken(())
    }
}

/// What [`CsrfPredicate::guard`] makes.
#[derive(Debug, Clone, Copy)]
pub struct ValidToken(());

/// What the predicate has found, in the extensions of the request.
struct Found {
    is_valid: bool,
}

impl Guard for ValidToken {
    fn check(&self, context: &GuardContext<'_>) -> bool {
        let found = context.req_data().get::<Found>().map(|found| found.is_valid);
        if found.is_none() {
            tracing::error!(
                "no token was looked for: `wrap` the CsrfPredicate around the route that it guards"
            );
        }
        found == Some(true)
    }
}

impl<S, B> Transform<S, ServiceRequest> for CsrfPredicate
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = PredicateMiddleware<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(PredicateMiddleware {
            inner: Rc::new(inner),
            lookup: Rc::new(self.lookup.clone()),
        }))
    }
}

/// A service of actix-web behind a [`CsrfPredicate`].
#[derive(Debug)]
pub struct PredicateMiddleware<S> {
    inner: Rc<S>,
    lookup: Rc<Lookup>,
}

impl<S, B> Service<ServiceRequest> for PredicateMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, actix_web::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (inner, lookup) = (self.inner.clone(), self.lookup.clone());
        Box::pin(async move {
            match look(request, &lookup).await {
                Ok(request) => Ok(inner.call(request).await?.map_into_left_body()),
                // Whether the token is right cannot be known: that is no miss.
                Err((request, error)) => {
                    tell_answered(&error);
                    let response = request.into_response(PlainText.respond(&error));
                    let mut response = response.map_into_right_body();
                    Head::refuse(&mut response);
                    Ok(response)
                }
            }
        })
    }
}

/// Looks for the token, and notes what was found with the request.
async fn look(
    request: ServiceRequest,
    lookup: &Lookup,
) -> Result<ServiceRequest, (ServiceRequest, Error)> {
    let parts = parts_of(request.request());
    let (request, found) = if may_carry_token(&parts, lookup) {
        let (http, payload) = request.into_parts();
        let (payload, examined) = examine(parts, payload, lookup, FORM_LIMIT).await;
        let request = ServiceRequest::from_parts(http, payload);
        match examined {
            Ok(()) => (request, Found { is_valid: true }),
            Err(Error::Csrf(_)) => (request, Found { is_valid: false }),
            Err(error) => return Err((request, error)),
        }
    } else {
        (request, Found { is_valid: false })
    };
    request.extensions_mut().insert(found);
    Ok(request)
}
