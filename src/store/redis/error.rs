//! What Redis' failures mean to a caller, and what to do about them.

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{StoreError, StoreErrorKind};

/// A failure of Redis in our words, with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: RedisError,
}

pub(super) fn store_error(source: RedisError) -> StoreError {
    let (kind, advice) = meaning(&source);
    StoreError::new(kind, Failure { advice, source })
}

fn meaning(error: &RedisError) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Corrupt, Rejected, TimedOut, Unavailable};
    if error.is_timeout() {
        return (TimedOut, "Redis did not answer in time");
    }
    match (error.kind(), error.code()) {
        (_, Some("OOM")) => {
            (Rejected, "Redis has no memory left: give it more, or sessions a shorter life")
        }
        (_, Some("MISCONF")) => (Rejected, "Redis cannot write its file and takes no writes"),
        (_, Some("NOAUTH" | "WRONGPASS" | "NOPERM")) | (ErrorKind::AuthenticationFailed, _) => {
            (Rejected, "Redis lets this user not in, or not do this: check user and password")
        }
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
            (Rejected, "this Redis is a replica, which takes no writes: connect to its master")
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => {
            (Unavailable, "Redis is loading its data")
        }
        (ErrorKind::InvalidClientConfig, _) => {
            (Rejected, "that is no URL of a Redis: redis://[user:password@]host[:port][/database]")
        }
        (_, Some("WRONGTYPE")) | (ErrorKind::Parse | ErrorKind::UnexpectedReturnType, _) => {
            (Corrupt, "what answers there is no Redis, or a key holds something else")
        }
        _ => (Unavailable, "Redis cannot be reached, or gave up"),
    }
}
