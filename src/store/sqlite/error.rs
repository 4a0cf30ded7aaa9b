//! What SQLite's failures mean to a caller, and what to do about them.

use rusqlite::ErrorCode;

use crate::store::{StoreError, StoreErrorKind};

/// A failure of SQLite in our words, with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: rusqlite::Error,
}

pub(super) fn store_error(source: rusqlite::Error) -> StoreError {
    let (kind, advice) = meaning(&source);
    StoreError::new(kind, Failure { advice, source })
}

fn meaning(error: &rusqlite::Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Rejected, Unavailable};
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (Unavailable, "the file is locked by another program for longer than the busy timeout")
        }
        Some(ErrorCode::ReadOnly) => {
            (Rejected, "the file is read-only: let this program write it, and the folder it is in")
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            (Rejected, "the file may not be used: check its permissions")
        }
        Some(ErrorCode::DiskFull) => {
            (Rejected, "the disk is full, or the file is as large as it may be")
        }
        Some(ErrorCode::TooBig) => (Rejected, "the record is too large for SQLite"),
        Some(ErrorCode::DatabaseCorrupt) => {
            (Corrupt, "the file is damaged: restore it, or move it away to begin a new one")
        }
        Some(ErrorCode::NotADatabase) => (Corrupt, "the file is no SQLite database"),
        Some(ErrorCode::CannotOpen) => {
            (Unavailable, "the file cannot be opened: does its folder exist?")
        }
        Some(ErrorCode::SystemIoFailure) => (Unavailable, "the disk does not answer"),
        Some(_) => (Unavailable, "SQLite failed"),
        // Not from the engine, but from reading a row: a column that does not hold what it should.
        None => (Corrupt, "a row cannot be read"),
    }
}
