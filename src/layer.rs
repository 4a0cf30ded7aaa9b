//! What an application is wrapped in so that its requests have sessions: the same for every framework.
//!
//! `tower.rs` and `actix.rs` say how a request gets through it.

use std::fmt;
use std::sync::Arc;

use crate::SessionFactory;
use crate::slot::{AnyFactory, Entry, Slot};

/// Gives every request behind it a session: a layer for axum and any other tower service, a middleware for actix-web.
/// `E` makes the response for a session that could not be kept.
///
/// It puts a slot into each request and, when the handler has answered, keeps the session before the response's
/// head goes out, for streamed bodies too. A request whose handler does not ask for its session passes through.
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
///
/// The same handler in actix-web. A clone of the layer is the same layer: make it once, outside of the closure that
/// makes the application.
///
/// ```
/// # #[cfg(feature = "actix")] {
/// use actix_web::{App, web};
/// # use cloakroom::{Error, Secret, Session, SessionLayer, SignedCookieFactory};
/// # async fn view(session: Session) -> Result<String, Error> {
/// #     Ok(format!("{:?}", session.get::<u32>("visits")?))
/// # }
/// # let secret = Secret::generate().unwrap();
///
/// let sessions = SessionLayer::new(SignedCookieFactory::new(secret).unwrap());
/// let app = move || App::new().route("/", web::get().to(view)).wrap(sessions.clone());
/// # app();
/// # }
/// ```
/// # Layers inside of layers
/// A clone of a layer inside of the layer itself, around a nested router or a scope, uses the session of the outer one:
/// a request has one session and one cookie, which the outermost keeps, by its own [`on_error`](SessionLayer::on_error).
/// So does another layer of [the same factory](SessionFactory::is_same), such as a clone of a
/// [`StoredFactory`](crate::StoredFactory).
///
/// Layers of different factories have different sessions, under cookies that must differ in name. What is inside of
/// both gets the session of the inner one. A middleware between them, or around the inner one, has that of the outer
/// one, also after the inner one has answered; in tower it asks for it before it calls the inner service, because it
/// has no request afterwards.
#[derive(Clone)]
pub struct SessionLayer<E = PlainText> {
    factory: Arc<dyn AnyFactory>,
    pub(crate) on_error: E,
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
    /// By default it is a plain sentence [for visitors](crate::Error::for_visitors); the error itself names keys and types,
    /// and is for the log, where it stands in any case. Whatever this returns, the client's old cookie stays as it was.
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
    ///
    /// For actix-web the function makes an `actix_web::HttpResponse`.
    pub fn on_error<N>(self, on_error: N) -> SessionLayer<N> {
        SessionLayer { factory: self.factory, on_error }
    }

    /// The place for the session of a request that comes in, perhaps from a layer around this one.
    pub(crate) fn enter(&self, put: impl FnMut(Slot) -> Option<Slot>) -> Entry {
        Slot::enter(&self.factory, put)
    }
}

impl<E> fmt::Debug for SessionLayer<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer").finish_non_exhaustive()
    }
}

/// What [visitors are told](crate::Error::for_visitors), with the error's [status](crate::Error::status). Its whole text
/// is in the log.
///
/// With tower, for bodies that can be made of text; for others give [`SessionLayer::on_error`] a function.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainText;

impl PlainText {
    /// What its responses are labelled with.
    pub(crate) const CONTENT_TYPE: &str = "text/plain; charset=utf-8";
}
