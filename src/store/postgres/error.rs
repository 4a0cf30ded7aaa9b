//! What PostgreSQL's failures mean to a caller, and what to do about them.

use sqlx::Error;

use crate::store::{StoreError, StoreErrorKind};

/// A failure of PostgreSQL in our words, with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: Error,
}

const NO_URL: &str = "that is no URL of a PostgreSQL: postgres://user:password@host/database";

pub(super) fn no_url() -> StoreError {
    StoreError::new(StoreErrorKind::Rejected, NO_URL)
}

pub(super) fn store_error(source: Error) -> StoreError {
    let (kind, advice) = meaning(&source);
    StoreError::new(kind, Failure { advice, source })
}

fn meaning(error: &Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Rejected, TimedOut, Unavailable};
    match error {
        Error::PoolTimedOut => (TimedOut, "no connection became free, or could be made, in time"),
        Error::Configuration(_) => (Rejected, NO_URL),
        Error::ColumnDecode { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. } => {
            (Corrupt, "a row cannot be read: is the table another program's?")
        }
        // Classes and codes of the manual's appendix A.
        Error::Database(error) => match error.code().as_deref().unwrap_or_default() {
            "42P01" => (Rejected, "the table is not there: call `create_table`, or run the schema"),
            "25006" => (Rejected, "the server takes no writes: connect to the primary"),
            "42501" => (Rejected, "this user may not use the table: grant it"),
            "22021" => (Rejected, "PostgreSQL keeps no text with a zero byte, such as this owner"),
            code if code.starts_with("28") => (Rejected, "user or password is wrong"),
            code if code.starts_with("3D") => (Rejected, "there is no such database"),
            code if code.starts_with("53") => {
                (Rejected, "the server has no disk, memory or connections left")
            }
            _ => (Unavailable, "PostgreSQL refused, or is shutting down"),
        },
        _ => (Unavailable, "PostgreSQL cannot be reached, or gave up"),
    }
}
