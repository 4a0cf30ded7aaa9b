//! One error of each kind, so that a page made of errors can be seen with all of them.

use std::iter::successors;

use crate::csrf::{CsrfError, Rule};
use crate::error::TooLarge;
use crate::session::Bound;
use crate::store::{StoreError, StoreErrorKind};
use crate::{ConfigError, Error};

/// One error of each kind, and of each rule by which a request is refused: for tests of pages that are made of them.
///
/// ```
/// for error in cloakroom::testing::errors() {
///     assert!(!error.for_visitors().contains("cart"));
/// }
/// ```
#[must_use]
pub fn errors() -> Vec<Error> {
    let rules = successors(Some(Rule::FetchSite), after_rule);
    let refused = rules.map(|rule| CsrfError::new(rule).into());
    successors(Some(serialize()), after).chain(refused.skip(1)).collect()
}

fn serialize() -> Error {
    let (key, type_name, reason) = ("cart".into(), "shop::Cart", "no map with such keys".into());
    Error::Serialize { key, type_name, reason }
}

/// The kind after this one. A new kind has to be put into the chain.
fn after(error: &Error) -> Option<Error> {
    let cause = || "postgres://shop:hunter2@db is gone";
    Some(match error {
        Error::Serialize { .. } => {
            Error::WrongType { key: "cart".into(), found: "string", expected: "shop::Cart" }
        }
        Error::WrongType { .. } => Error::Queue { key: "_f_".into() },
        Error::Queue { .. } => Error::TooDeep { key: "cart".into(), depth: 65 },
        Error::TooDeep { .. } => {
            TooLarge { bytes: 5000, limit: 4064, largest: vec![("cart".into(), 4000)] }.into()
        }
        Error::TooLarge(_) => {
            let largest = vec![("cart".into(), 4000)];
            Error::OutOfBounds { bound: Bound::Bytes, found: 5000, limit: 4064, largest }
        }
        Error::OutOfBounds { .. } => Error::Panicked { key: "cart".into() },
        Error::Panicked { .. } => Error::NotYet,
        Error::NotYet => Error::NoOwner,
        Error::NoOwner => Error::Closed,
        Error::Closed => Error::NoLayer,
        Error::NoLayer => Error::Random { source: cause().into() },
        Error::Random { .. } => Error::opening(cause()),
        Error::Factory { .. } => {
            let source = StoreError::new(StoreErrorKind::Unavailable, cause());
            Error::Store { action: "kept", source }
        }
        Error::Store { .. } => Error::Busy { attempts: 128 },
        Error::Busy { .. } => Error::Overwrites { key: "cart".into() },
        Error::Overwrites { .. } => ConfigError::Limit { limit: "idle" }.into(),
        Error::Setting(_) => Error::NotSupported { what: "an owner" },
        Error::NotSupported { .. } => CsrfError::new(Rule::FetchSite).into(),
        Error::Csrf(_) => return None,
    })
}

fn after_rule(rule: &Rule) -> Option<Rule> {
    Some(match rule {
        Rule::FetchSite => Rule::Origin,
        Rule::Origin => Rule::Referer,
        Rule::Referer => Rule::NoOrigin,
        Rule::NoOrigin => Rule::TokenMissing,
        Rule::TokenMissing => Rule::TokenTooLate,
        Rule::TokenTooLate => Rule::TokenWrong,
        Rule::TokenWrong => return None,
    })
}
