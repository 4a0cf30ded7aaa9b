//! What stands before handlers: the layer that guards a site, the predicate, and the check of a whole request.
//!
//! `origin` and `form` read what a request says, `decide` is the table of what is done about it; none of them knows
//! what a service is. `layer` and `predicate` are the settings that users see; `tower` and `actix` move a request past
//! them.

#[cfg(feature = "actix")]
mod actix;
mod answer;
#[cfg(feature = "axum")]
mod axum;
mod decide;
mod form;
mod layer;
mod origin;
mod predicate;
mod replay;
mod request;
mod settings;
#[cfg(feature = "tower")]
mod tower;

#[cfg(feature = "actix")]
pub use self::actix::{CsrfMiddleware, PredicateMiddleware, ValidToken, check_payload};
#[cfg(feature = "tower")]
pub use self::tower::{CsrfService, Otherwise, PredicateFuture, PredicateService, ResponseFuture};
pub use layer::CsrfLayer;
#[cfg(feature = "tower")]
pub use predicate::Or;
pub use predicate::{CsrfPredicate, NotFound};
pub use replay::Replay;
pub use request::check_request;
