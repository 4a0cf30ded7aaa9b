//! The layer that guards a whole site: its settings, one method each.

use std::sync::Arc;

use http::Method;
use http::request::Parts;

use super::decide::Tokens;
use super::predicate::CsrfPredicate;
use super::settings::Guard;
use crate::ConfigError;
use crate::csrf::double_submit::DoubleSubmit;
use crate::csrf::lookup::Lookup;
use crate::csrf::refused::CsrfError;
use crate::layer::PlainText;

/// Refuses requests that another site may have caused. Put it inside of the [`SessionLayer`](crate::SessionLayer),
/// that is, before it.
///
/// Without settings it guards every request but `GET`, `HEAD` and `OPTIONS`, and every WebSocket. The rules, in
/// order, are on the page of [`csrf`](crate::csrf). Settings (R79):
///
/// | setting | default |
/// |---|---|
/// | [`site`](Self::site) | no origin; browsers that send `Sec-Fetch-Site` need none |
/// | [`trust_origin`](Self::trust_origin), [`trust_subdomains`](Self::trust_subdomains) | none |
/// | [`exempt`](Self::exempt), [`only_if`](Self::only_if) | every route and request |
/// | [`lookup`](Self::lookup) | header `X-CSRF-Token`, else form field `csrf_token` |
/// | [`form_limit`](Self::form_limit) | the first 64 KiB of a form |
/// | [`trust_browser_headers`](Self::trust_browser_headers) | a token is needed in any case |
/// | [`require_origin`](Self::require_origin) | a token is enough where nothing says where the request comes from |
/// | [`report_only`](Self::report_only) | requests are refused |
///
/// ```
/// # #[cfg(feature = "axum")] {
/// # async fn page() {}
/// # async fn order() {}
/// # let sessions = cloakroom::StoredFactory::new("shop", cloakroom::store::MemoryStore::default());
/// use axum::{Router, routing::get};
/// use cloakroom::{CsrfLayer, SessionLayer};
///
/// let app: Router = Router::new()
///     .route("/order", get(page).post(order))
///     .layer(CsrfLayer::new().site("https://shop.example")?)
///     .layer(SessionLayer::new(sessions));
/// # }
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CsrfLayer<E = PlainText> {
    pub(super) guard: Arc<Guard>,
    pub(super) on_error: E,
}

impl CsrfLayer {
    /// A layer with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A layer for a single handler that makes a miss a 404: see [`CsrfPredicate`].
    #[must_use]
    pub fn predicate() -> CsrfPredicate {
        CsrfPredicate::new()
    }
}

impl<E> CsrfLayer<E> {
    /// An origin of this site, such as `https://shop.example`, for browsers that do not send `Sec-Fetch-Site`: those
    /// of before 2023, and all of them over plain http. May be called several times. The `Host` header is never
    /// asked, because the sender writes it (S47).
    ///
    /// # Errors
    /// [`ConfigError::Origin`].
    pub fn site(self, origin: &str) -> Result<Self, ConfigError> {
        self.try_with(|guard| guard.origins.add_ours(origin))
    }

    /// Another site whose pages may send requests to this one. They still need a token.
    ///
    /// # Errors
    /// [`ConfigError::Origin`]; an origin over http only for a site that is itself http (S49).
    pub fn trust_origin(self, origin: &str) -> Result<Self, ConfigError> {
        self.try_with(|guard| guard.origins.trust(origin))
    }

    /// The same for this origin and all subdomains of it, with the same scheme and port.
    ///
    /// # Errors
    /// As [`trust_origin`](Self::trust_origin).
    pub fn trust_subdomains(self, origin: &str) -> Result<Self, ConfigError> {
        self.try_with(|guard| guard.origins.trust_subdomains(origin))
    }

    /// Pages that the browser keeps apart, such as sandboxed ones, may send requests, and so may anybody who
    /// sandboxes a page of his own. The token is all that is left.
    #[must_use]
    pub fn insecure_trust_null_origin(self) -> Self {
        self.with(|guard| guard.origins.trust_null())
    }

    /// Takes requests from other subdomains of the same site for this site's own, whatever they are.
    #[must_use]
    pub fn insecure_allow_same_site(self) -> Self {
        self.with(|guard| guard.origins.same_site_is_ours())
    }

    /// Does not ask where a request comes from, only for its token.
    #[must_use]
    pub fn insecure_skip_origin_check(self) -> Self {
        self.with(|guard| guard.checks_origin = false)
    }

    /// Refuses requests with 403 if nothing says where they come from, even if their token is right or they have no
    /// cookie. No browser of the last years sends such, but programs do.
    #[must_use]
    pub fn require_origin(self) -> Self {
        self.with(|guard| guard.requires_origin = true)
    }

    /// Asks for a token only where the browser does not say that the request comes from this site.
    #[must_use]
    pub fn trust_browser_headers(self) -> Self {
        self.with(|guard| guard.tokens = Tokens::WithoutEvidence)
    }

    /// Where the token is looked for.
    #[must_use]
    pub fn lookup(self, lookup: Lookup) -> Self {
        self.with(|guard| guard.lookup = lookup)
    }

    /// How many bytes of a form are searched for the token, and kept in memory for that; default 65,536. Longer forms
    /// are streamed to the handler. The token's field is best the first.
    #[must_use]
    pub fn form_limit(self, bytes: usize) -> Self {
        self.with(|guard| guard.form_limit = bytes)
    }

    /// Other methods than `GET`, `HEAD` and `OPTIONS` that need no check. A WebSocket is checked in any case.
    #[must_use]
    pub fn insecure_safe_methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.with(|guard| guard.safe_methods = methods.into_iter().collect())
    }

    /// Does not guard this route, written as the router has it: `/hooks/{provider}`. For receivers that check
    /// signatures of their own.
    ///
    /// Compared with the route that matched, never with the request's path (S58). With axum, for layers on a
    /// `Router`; with actix-web, see below; elsewhere see [`only_if`](Self::only_if).
    ///
    /// In actix-web a middleware around an application or a scope runs before the router has decided, and what it can
    /// know is the first resource in order of declaration whose pattern has the path, whatever its guards: declare no
    /// other resource with the paths of an exempt one.
    #[cfg(any(feature = "axum", feature = "actix"))]
    #[must_use]
    pub fn exempt(self, route: impl Into<String>) -> Self {
        self.with(|guard| {
            guard.exempt.insert(route.into());
        })
    }

    /// Guards only requests for which this says true. A path in it has many spellings: decide by what a router or a
    /// layer has put into the extensions, or by a header that no browser sends for another site.
    #[must_use]
    pub fn only_if(self, condition: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.with(|guard| guard.only_if = Some(Arc::new(condition)))
    }

    /// Refuses nothing, and only tells what it would refuse: for a while before a site is guarded (S60).
    #[must_use]
    pub fn report_only(self) -> Self {
        self.with(|guard| guard.only_reports = true)
    }

    /// Keeps tokens in a cookie of their own, for sites without sessions; a session, where there is one, is not
    /// looked at (S50). Handlers take a [`Csrf`](crate::csrf::Csrf).
    #[must_use]
    pub fn without_sessions(self, keeper: DoubleSubmit) -> Self {
        let keeper = Arc::new(keeper);
        self.with(|guard| guard.without_sessions = Some(keeper))
    }

    /// Is told of each request that is refused, or would be, for counting; a `tracing` event at `WARN` says it too.
    #[must_use]
    pub fn on_refused(self, told: impl Fn(&CsrfError) + Send + Sync + 'static) -> Self {
        self.with(|guard| guard.on_refused = Arc::new(told))
    }

    /// Makes another response for a refusal. By default it is a plain sentence [for visitors](crate::Error::for_visitors).
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::response::{Html, IntoResponse, Response};
    /// use cloakroom::{CsrfLayer, Error};
    ///
    /// let layer = CsrfLayer::new().on_error(|error: &Error| -> Response {
    ///     (error.status(), Html("<h1>That did not come from here</h1>")).into_response()
    /// });
    /// # axum::Router::<()>::new().layer(layer);
    /// # }
    /// ```
    #[must_use]
    pub fn on_error<N>(self, on_error: N) -> CsrfLayer<N> {
        CsrfLayer { guard: self.guard, on_error }
    }

    fn with(mut self, set: impl FnOnce(&mut Guard)) -> Self {
        set(Arc::make_mut(&mut self.guard));
        self
    }

    fn try_with(
        mut self,
        set: impl FnOnce(&mut Guard) -> Result<(), ConfigError>,
    ) -> Result<Self, ConfigError> {
        set(Arc::make_mut(&mut self.guard))?;
        Ok(self)
    }
}
