//! What a database's failures mean to a caller, and what to do about them.

use std::error::Error as _;

use sqlx::Error;

use super::Dialect;
use crate::store::{StoreError, StoreErrorKind};

/// A failure of a database in our words, with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: Error,
}

pub(super) fn of<D: Dialect>(source: Error) -> StoreError {
    use StoreErrorKind::{Corrupt, Rejected, TimedOut, Unavailable};
    let (kind, advice) = match &source {
        Error::PoolTimedOut => (TimedOut, "no connection became free, or could be made, in time"),
        Error::Configuration(_) => (Rejected, D::NO_URL),
        Error::ColumnDecode { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. } => {
            (Corrupt, "a row cannot be read: is the table another program's?")
        }
        Error::Database(error) => D::meaning(&**error),
        _ => (Unavailable, "the database cannot be reached, or gave up"),
    };
    StoreError::new(kind, Failure { advice, source })
}

/// Whether a row was not inserted because there is one with its key.
pub(super) fn is_taken(error: &StoreError) -> bool {
    let failure = error.source().and_then(|source| source.downcast_ref::<Failure>());
    failure.is_some_and(|failure| {
        failure.source.as_database_error().is_some_and(|error| error.is_unique_violation())
    })
}
