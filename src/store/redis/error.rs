//! Redis' failures in our words.

use ::redis::RedisError;

use super::meaning::{Meaning, explain};
use crate::store::{StoreError, StoreErrorKind};

/// A failure of Redis with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: RedisError,
}

pub(super) fn store_error(source: RedisError) -> StoreError {
    let (meaning, advice) = explain(&source);
    StoreError::new(kind(meaning), Failure { advice, source })
}

/// A server that answers is there, whatever it says: only what did not answer counts as out of reach (S75).
const fn kind(meaning: Meaning) -> StoreErrorKind {
    match meaning {
        Meaning::Again | Meaning::Elsewhere | Meaning::Unknown | Meaning::Refused => {
            StoreErrorKind::Rejected
        }
        Meaning::Corrupt => StoreErrorKind::Corrupt,
        Meaning::Unreachable => StoreErrorKind::Unavailable,
        Meaning::Silent => StoreErrorKind::TimedOut,
    }
}
