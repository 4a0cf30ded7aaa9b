//! The layer for axum and every other tower service.
//!
//! It puts a slot into each request and, when the handler has answered, keeps the session before the response's
//! head goes out, for streamed bodies too. A request whose handler does not ask for its session passes through.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::slot::{AnyFactory, Slot};
use crate::{Error, SessionFactory};

mod future;

pub use future::ResponseFuture;

/// Gives every request behind it a session. `E` makes the response for a session that could not be kept.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use cloakroom::{Error, Secret, Session, SessionLayer, SignedCookieFactory};
///
/// async fn view(session: Session) -> Result<String, Error> {
///     session.modify("visits", |visits: &mut u32| *visits += 1)?;
///     Ok(format!("{:?}", session.get::<u32>("visits")?))
/// }
///
/// # let secret = Secret::generate().unwrap();
/// let sessions = SessionLayer::new(SignedCookieFactory::new(secret).unwrap());
/// let app: Router = Router::new().route("/", get(view)).layer(sessions);
/// # }
/// ```
#[derive(Clone)]
pub struct SessionLayer<E = PlainText> {
    factory: Arc<dyn AnyFactory>,
    on_error: E,
}

impl SessionLayer {
    /// A layer that opens and keeps sessions with this factory.
    pub fn new(factory: impl SessionFactory) -> Self {
        Self { factory: Arc::new(factory), on_error: PlainText }
    }
}

impl<E> SessionLayer<E> {
    /// Makes another response for a session that could not be kept, such as one too large for its cookie.
    ///
    /// By default it is the error as plain text. Whatever this returns, the client's old cookie stays as it was.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// # use cloakroom::{Error, Secret, SessionLayer, SignedCookieFactory};
    /// # let factory = SignedCookieFactory::new(Secret::generate().unwrap()).unwrap();
    /// use axum::response::{Html, IntoResponse, Response};
    ///
    /// let layer = SessionLayer::new(factory).on_error(|error: &Error| -> Response {
    ///     (error.status(), Html("<h1>Your cart is full</h1>")).into_response()
    /// });
    /// # axum::Router::<()>::new().layer(layer);
    /// # }
    /// ```
    pub fn on_error<N>(self, on_error: N) -> SessionLayer<N> {
        SessionLayer { factory: self.factory, on_error }
    }
}

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

/// The error's text and status. For bodies that can be made of text; for others give
/// [`SessionLayer::on_error`] a function.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainText;

impl<B: From<String>> ErrorResponse<B> for PlainText {
    fn respond(&self, error: &Error) -> Response<B> {
        let mut response = Response::new(B::from(error.to_string()));
        *response.status_mut() = error.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
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
    type Future = ResponseFuture<S::Future, ResBody, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let slot = Slot::new(self.layer.factory.clone());
        request.extensions_mut().insert(slot.clone());
        let is_head = request.method() == Method::HEAD;
        ResponseFuture::new(self.inner.call(request), slot, is_head, self.layer.on_error.clone())
    }
}
