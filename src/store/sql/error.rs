//! What a database's answers and failures mean to a caller: what is done about them follows from that alone.
//!
//! Each database has one table, *code -> meaning*, beside its dialect. Whatever it says that is not in there is a refusal,
//! which is an answer: the store is not down because of it.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use sqlx::Error;
use sqlx::error::DatabaseError;

use super::Dialect;
use crate::store::{StoreError, StoreErrorKind};

/// What an answer means, or that there is none.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// There is a row with this key.
    Taken,
    /// The statement was rolled back whole, and may hold the next time.
    Again,
    /// Nothing was done, and nothing will be on this connection: another one may lead to a server that can.
    Elsewhere,
    /// The server gave up, and nothing was done: it was about to take too long.
    Slow,
    /// For good, until somebody changes something.
    Refused,
    /// The server is not there, or is leaving; whether the statement was done is not known.
    OutOfReach,
    /// What is stored cannot be read.
    Corrupt,
}

impl Meaning {
    /// What a caller is told when nothing helped. Only the first two count as a store that is down.
    const fn kind(self) -> StoreErrorKind {
        match self {
            Self::OutOfReach => StoreErrorKind::Unavailable,
            Self::Again | Self::Slow => StoreErrorKind::TimedOut,
            Self::Corrupt => StoreErrorKind::Corrupt,
            Self::Taken | Self::Elsewhere | Self::Refused => StoreErrorKind::Rejected,
        }
    }

    /// Whether the connection that said so can take the next call.
    pub(super) const fn leaves_connection_well(self) -> bool {
        !matches!(self, Self::Elsewhere | Self::OutOfReach)
    }
}

/// A failure of a database in our words, with its own as the source. Holds no data of a session.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Failure {
    advice: &'static str,
    #[source]
    source: Error,
}

pub(super) fn of<D: Dialect>(source: Error) -> StoreError {
    let (meaning, advice) = meaning::<D>(&source);
    StoreError::new(meaning.kind(), Failure { advice, source })
}

/// That a user may not do what cloakroom does.
pub(super) fn of_missing<D: Dialect>(table: &str, rights: &[String]) -> StoreError {
    let (database, rights) = (D::NAME, rights.join(", "));
    let cause = format!(
        "{database} does not let this user do what cloakroom needs with the table {table}: {rights}"
    );
    StoreError::new(StoreErrorKind::Rejected, cause)
}

/// Whether it says that a table is of an earlier version.
pub(super) fn is_of_column(error: &StoreError) -> bool {
    answer_in(error).and_then(DatabaseError::code).as_deref() == Some("42703")
}

/// The number that MySQL has for it.
#[cfg(feature = "mysql")]
pub(super) fn number_of(error: &StoreError) -> Option<u16> {
    let error = answer_in(error)?.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>();
    error.map(sqlx::mysql::MySqlDatabaseError::number)
}

/// What the database itself said.
fn answer_in(error: &StoreError) -> Option<&dyn DatabaseError> {
    let failure = error.source()?.downcast_ref::<Failure>()?;
    failure.source.as_database_error()
}

/// What a failure means, and what to do.
pub(super) fn meaning<D: Dialect>(error: &Error) -> (Meaning, &'static str) {
    use Meaning::{Corrupt, OutOfReach, Refused, Slow};
    match error {
        Error::Database(error) => D::meaning(&**error),
        Error::Io(error) => io_meaning(error),
        Error::PoolTimedOut => (Slow, "no connection became free, or could be made, in time"),
        Error::PoolClosed => (OutOfReach, "the application has closed its pool of connections"),
        Error::Configuration(_) => (Refused, "the URL, or a setting in it, is not understood"),
        Error::Tls(_) => {
            (Refused, "no encryption: is the feature `tls` on, and the certificate a trusted one?")
        }
        Error::Protocol(_) => (OutOfReach, D::NO_PROTOCOL),
        Error::ColumnDecode { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. } => {
            (Corrupt, "a row cannot be read: is the table another program's?")
        }
        Error::Encode(_) => (Refused, "a value cannot be sent to the database"),
        _ => (OutOfReach, "the driver gave up"),
    }
}

fn io_meaning(error: &io::Error) -> (Meaning, &'static str) {
    use Meaning::{OutOfReach, Slow};
    // The one thing that the standard library tells only in words.
    let is_of_name = || error.to_string().starts_with("failed to lookup address");
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            (OutOfReach, "nothing listens there: does the database run, are host and port right?")
        }
        ErrorKind::TimedOut => (Slow, "no connection in time"),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => (OutOfReach, "the database, or what is before it, hung up"),
        _ if is_of_name() => (OutOfReach, "the database's host is not known: is its name right?"),
        _ => (OutOfReach, "the database cannot be reached"),
    }
}

#[cfg(test)]
#[cfg(feature = "postgres")]
mod tests {
    use sqlx::Postgres;

    use super::*;

    #[test]
    fn each_failure_to_connect_is_said_in_words_of_its_own() {
        let io = |kind: ErrorKind| Error::Io(kind.into());
        let parsed = |url: &str| url.parse::<sqlx::postgres::PgConnectOptions>().unwrap_err();
        let failures = [
            (io(ErrorKind::ConnectionRefused), Meaning::OutOfReach, "nothing listens"),
            (io(ErrorKind::ConnectionReset), Meaning::OutOfReach, "hung up"),
            (io(ErrorKind::TimedOut), Meaning::Slow, "in time"),
            (parsed("postgres://[broken"), Meaning::Refused, "the URL"),
            (parsed("postgres://host/db?sslmode=perhaps"), Meaning::Refused, "a setting in it"),
            (Error::Protocol("?".into()), Meaning::OutOfReach, "PostgreSQL"),
            (Error::Tls("?".into()), Meaning::Refused, "`tls`"),
            (Error::PoolClosed, Meaning::OutOfReach, "the application"),
        ];
        for (error, meaning, words) in failures {
            let (means, advice) = super::meaning::<Postgres>(&error);
            assert_eq!(means, meaning, "{error}");
            assert!(advice.contains(words), "{error}: {advice}");
        }
    }
}
