//! What goes wrong with memcached, what it means to a caller, and what to do about it.

use std::io;

use crate::store::{StoreError, StoreErrorKind};

/// A failure in our words. What memcached says is not repeated: only its kind is known to hold no record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("that is no URL of memcached: memcached://host[:port][,host[:port]…], without a user")]
    NoUrl,
    #[error("no connection can be opened with max_connections 0: allow one at least")]
    NoConnections,
    #[error(
        "a prefix of {0} bytes is not one of memcached's: at most 218 bytes, no blanks, no control characters"
    )]
    BadPrefix(usize),
    #[error("memcached at {place} cannot be reached")]
    Unreachable {
        place: String,
        #[source]
        source: io::Error,
    },
    #[error("no connection to memcached became free, or could be made, in time")]
    Slow,
    #[error("memcached ended the connection")]
    Ended(#[source] io::Error),
    #[error("what answers there is no memcached, or a proxy that does not know a command")]
    Stranger,
    #[error("memcached keeps no versions: start it without -C")]
    NoCas,
    #[error(
        "the record is too large for memcached, which takes 1 MiB unless its -I says otherwise: \
         raise it, or keep less"
    )]
    TooLarge,
    #[error("memcached has no memory left: give it more by -m, or records a shorter life")]
    Full,
    #[error("memcached, or a proxy before it, did not do as asked")]
    Failing,
    #[error("other requests touched the record each time that it was to be written")]
    Busy,
}

pub(super) fn store_error(failure: Failure) -> StoreError {
    use StoreErrorKind::{Corrupt, Rejected, TimedOut, Unavailable};
    let kind = match failure {
        Failure::NoUrl
        | Failure::NoConnections
        | Failure::BadPrefix(_)
        | Failure::NoCas
        | Failure::TooLarge
        | Failure::Full => Rejected,
        Failure::Unreachable { .. } | Failure::Ended(_) | Failure::Failing | Failure::Busy => {
            Unavailable
        }
        Failure::Slow => TimedOut,
        Failure::Stranger => Corrupt,
    };
    StoreError::new(kind, failure)
}
