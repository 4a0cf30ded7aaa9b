//! A handler that is there only for requests with a valid token; for others it is not found.

use crate::csrf::lookup::Lookup;

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
    pub(super) lookup: Lookup,
    #[cfg_attr(not(feature = "tower"), allow(dead_code))] // in actix-web, the router decides
    pub(super) otherwise: F,
}

/// Where a miss goes by default: to a 404.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotFound;

/// Where a miss goes: to another service.
#[cfg(feature = "tower")]
#[derive(Debug, Clone)]
pub struct Or<T>(pub(super) T);

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

    /// Sends a miss to this service of tower, with its body whole. A handler of axum becomes one by `into_service()` or
    /// `with_state(state)`.
    #[cfg(feature = "tower")]
    #[must_use]
    pub fn or<T>(self, other: T) -> CsrfPredicate<Or<T>> {
        CsrfPredicate { lookup: self.lookup, otherwise: Or(other) }
    }
}
