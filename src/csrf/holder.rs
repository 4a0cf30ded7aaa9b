//! Who keeps a request's token: its session, or a cookie of the token's own where there are no sessions.

use http::{Extensions, HeaderMap, Method, Request};

use super::double_submit::Visitor;
use super::secret::Form;
use super::token::CsrfToken;
use crate::{Error, Session};

/// The token of a request, whoever keeps it: the session, or a [cookie of its own](super::DoubleSubmit).
///
/// Handlers of axum take it as an argument. Where a [`Session`] is at hand, its own methods do the same.
///
/// ```
/// use cloakroom::{Error, csrf::Csrf};
///
/// async fn form(csrf: Csrf) -> Result<String, Error> {
///     Ok(format!(r#"<form method="post">{}<button>Delete Everything</button></form>"#, csrf.token()?.hidden_field()))
/// }
/// # let session = cloakroom::Session::detached();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # assert!(runtime.block_on(form(Csrf::from(&session)))?.contains("csrf_token"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Csrf(Holder);

#[derive(Debug, Clone)]
enum Holder {
    Session(Session),
    Visitor(Visitor),
}

impl Csrf {
    /// That of a request that came through a [`SessionLayer`](crate::SessionLayer), or through a
    /// [`CsrfLayer`](crate::CsrfLayer) that keeps the token itself.
    ///
    /// # Errors
    /// As [`Session::of`].
    pub fn of<B>(request: &Request<B>) -> impl Future<Output = Result<Self, Error>> + Send {
        // As `Session::of`: the body need not be `Sync`.
        Self::of_parts(request.extensions(), request.headers())
    }

    /// As [`of`](Csrf::of), for a request that was taken apart.
    ///
    /// # Errors
    /// As [`Session::of`].
    pub async fn of_parts(extensions: &Extensions, headers: &HeaderMap) -> Result<Self, Error> {
        match extensions.get::<Visitor>() {
            Some(visitor) => {
                visitor.read(headers);
                Ok(Self(Holder::Visitor(visitor.clone())))
            }
            None => Ok(Self(Holder::Session(Session::of_parts(extensions, headers).await?))),
        }
    }

    /// The token: see [`Session::csrf_token`].
    ///
    /// # Errors
    /// As there.
    pub fn token(&self) -> Result<CsrfToken, Error> {
        match &self.0 {
            Holder::Session(session) => session.csrf_token(),
            Holder::Visitor(visitor) => visitor.token(None),
        }
    }

    /// A token for one form only: see [`Session::csrf_token_for`].
    ///
    /// # Errors
    /// As there.
    pub fn token_for(&self, method: &Method, route: &str) -> Result<CsrfToken, Error> {
        match &self.0 {
            Holder::Session(session) => session.csrf_token_for(method, route),
            Holder::Visitor(visitor) => visitor.token(Some(Form { method, route })),
        }
    }

    /// A new token; the old one is dead at once: see [`Session::new_csrf_token`].
    ///
    /// # Errors
    /// As there.
    pub fn new_token(&self) -> Result<CsrfToken, Error> {
        match &self.0 {
            Holder::Session(session) => session.new_csrf_token(),
            Holder::Visitor(visitor) => visitor.new_token(),
        }
    }

    /// Whether this text, from a request, is the token (R73).
    #[must_use]
    pub fn is_token(&self, supplied: &str) -> bool {
        self.accepts(supplied.as_bytes(), None)
    }

    pub(super) fn accepts(&self, supplied: &[u8], form: Option<Form<'_>>) -> bool {
        match &self.0 {
            Holder::Session(session) => session.accepts_csrf_token(supplied, form),
            Holder::Visitor(visitor) => visitor.accepts(supplied, form),
        }
    }

    /// Whether there is a token that could be sent at all.
    pub(super) fn has_token(&self) -> bool {
        match &self.0 {
            Holder::Session(session) => session.has_csrf_token(),
            Holder::Visitor(visitor) => visitor.has_token(),
        }
    }
}

impl From<&Session> for Csrf {
    fn from(session: &Session) -> Self {
        Self(Holder::Session(session.clone()))
    }
}

impl From<&Self> for Csrf {
    fn from(csrf: &Self) -> Self {
        csrf.clone()
    }
}
