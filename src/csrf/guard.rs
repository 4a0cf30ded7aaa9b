//! What stands before handlers: the layer that guards a site, the predicate, and the check of a whole request.
//!
//! `origin` and `form` read what a request says, `decide` is the table of what is done about it; none of them knows
//! what a service is. `layer` and `predicate` are what users see, `service` moves a request past them.

mod decide;
#[cfg(feature = "axum")]
mod extract;
mod form;
mod layer;
mod origin;
mod predicate;
mod replay;
mod request;
mod service;
mod settings;

pub use layer::CsrfLayer;
pub use predicate::{CsrfPredicate, NotFound, Or, Otherwise, PredicateFuture, PredicateService};
pub use replay::Replay;
pub use request::check_request;
pub use service::{CsrfService, ResponseFuture};
