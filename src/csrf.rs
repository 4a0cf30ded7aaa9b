//! Requests that came from somewhere else (CSRF): tokens, checks, and a guard for a whole site.
//!
//! A browser sends a visitor's cookies with requests that *other* sites cause. So a request with the right cookie may
//! still be one that the visitor never meant. What tells them apart: the browser says which site caused a request, and
//! a page of this site can carry a token that no other site can read.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, response::Html, routing::get};
//! use cloakroom::store::MemoryStore;
//! use cloakroom::{CsrfLayer, Error, Session, SessionLayer, StoredFactory};
//!
//! async fn form(session: Session) -> Result<Html<String>, Error> {
//!     let field = session.csrf_token()?.hidden_field();
//!     Ok(Html(format!(r#"<form method="post">{field}<button>Delete Everything</button></form>"#)))
//! }
//!
//! async fn delete_everything(session: Session) -> Result<&'static str, Error> {
//!     session.clear()?; // whoever got here came from the form
//!     Ok("deleted")
//! }
//!
//! let app: Router = Router::new()
//!     .route("/", get(form).post(delete_everything))
//!     .layer(CsrfLayer::new().site("https://shop.example")?)
//!     .layer(SessionLayer::new(StoredFactory::new("shop", MemoryStore::default())));
//! # }
//! # Ok::<(), cloakroom::ConfigError>(())
//! ```
//!
//! # What the guard does
//! [`CsrfLayer`] goes through these rules in order; the first that decides, decides.
//!
//! 1. `GET`, `HEAD` and `OPTIONS` pass, unless they ask for a WebSocket or another protocol. So does a route that is
//!    [exempt](CsrfLayer::exempt).
//! 2. **`Sec-Fetch-Site`**, which browsers send since 2023 and no page can change: `same-origin` and `none` (the
//!    visitor's own doing) go on to 5. Anything else is refused with 403, unless `Origin` is
//!    [trusted](CsrfLayer::trust_origin).
//! 3. Without it, **`Origin`**: one of [this site](CsrfLayer::site) or a trusted one goes on to 5, any other is refused
//!    with 403.
//! 4. Without either, **`Referer`**, likewise. Without any of the three, and without a cookie, the request passes: a
//!    program sent it, and it has no rights that another site could borrow.
//! 5. **The token**, if the request carries a cookie: in the header `X-CSRF-Token`, or if that is absent or empty, in
//!    the form field `csrf_token`. Without the right one it is refused with 400. A WebSocket that has passed 2 or 3
//!    needs none, because browsers cannot add one.
//!
//! A refused request never reaches its handler, and leaves no trace in the session. The response says which
//! [rule](Rule) it was, in its text and, as a [`CsrfError`], in its extensions.
//!
//! Tokens: [`Session::csrf_token`](crate::Session::csrf_token) stands until
//! [`new_csrf_token`](crate::Session::new_csrf_token), [`renew`](crate::Session::renew),
//! [`set_owner`](crate::Session::set_owner) or the session's end; any number of tabs share it.
//! [`csrf_token_for`](crate::Session::csrf_token_for) is good for one form only. Printed, both differ at each render, so
//! that compression gives nothing away. For scripts: [`SCRIPT`] and [`CsrfToken::meta_tag`].
//!
//! # Without the guard
//! [`check`] is the same by hand, for a handler that has read its form already; [`check_request`] for a request whose
//! body nobody has read. [`CsrfPredicate`] makes a handler match only with a token, so that a miss is a 404.
//! [`DoubleSubmit`] is for sites without sessions.
//!
//! # Deployment caveats
//! - A proxy that rewrites `Origin`, `Referer` or the `Sec-Fetch-` headers, or adds them, decides in place of the
//!   browser.
//! - What answers for the site before this layer does, such as a cache or another service under the same origin, is not
//!   guarded.
//! - A page of this site that lets strangers run scripts has no secrets from them, the token included.
//! - A form's token is looked for in its first 64 KiB: put its field first. Reading a body has no time limit of its own;
//!   the server's applies.

mod double_submit;
#[cfg(any(feature = "tower", feature = "actix"))]
mod guard;
mod holder;
mod html;
mod lookup;
mod refused;
mod secret;
mod session;
mod token;

use http::{HeaderMap, Uri};

pub use double_submit::DoubleSubmit;
#[cfg(any(feature = "tower", feature = "actix"))]
pub use guard::{CsrfLayer, CsrfPredicate, NotFound, Replay, check_request};
#[cfg(feature = "actix")]
pub use guard::{CsrfMiddleware, PredicateMiddleware, ValidToken, check_payload};
#[cfg(feature = "tower")]
pub use guard::{CsrfService, Or, Otherwise, PredicateFuture, PredicateService, ResponseFuture};
pub use holder::Csrf;
pub use html::{Html, SCRIPT};
pub use lookup::Lookup;
pub use refused::{CsrfError, Rule};
pub use token::CsrfToken;

pub(crate) use secret::{CsrfSecret, CsrfSecrets, TokenSource};

use crate::Error;

/// Checks by hand whether a request carries the token of this session: in the header `X-CSRF-Token`, or where that is
/// absent or empty in the form field `csrf_token`, whose value is `form` (R44, R78).
///
/// For other names, or a token in the query, see [`Lookup`].
///
/// ```
/// use cloakroom::{Error, Session, csrf};
/// use http::{HeaderMap, Uri};
///
/// fn delete_everything(session: &Session, headers: &HeaderMap, token: Option<&str>) -> Result<(), Error> {
///     csrf::check(session, headers, token)?; // 400
///     session.clear()
/// }
/// # let session = Session::detached();
/// # let token = session.csrf_token()?;
/// # assert!(delete_everything(&session, &HeaderMap::new(), None).is_err());
/// # assert!(delete_everything(&session, &HeaderMap::new(), Some(token.masked())).is_ok());
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// [`Error::Csrf`], with status 400 (R45).
#[doc(alias = "check_csrf_token")]
pub fn check(
    session: impl Into<Csrf>,
    headers: &HeaderMap,
    form: Option<&str>,
) -> Result<(), Error> {
    Lookup::default().check(session, &Uri::default(), headers, form)
}

/// The same as an answer (R46).
#[must_use]
pub fn is_valid(session: impl Into<Csrf>, headers: &HeaderMap, form: Option<&str>) -> bool {
    check(session, headers, form).is_ok()
}

/// The session key of the token, where it is a value of the session.
pub const KEY: &str = "_csrft_";
