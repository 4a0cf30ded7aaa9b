//! PostgreSQL.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::{Arguments as _, Database, Executor, Postgres, Row as _};

use super::dialect::{Dialect, Row, Value, calls, helpers};
use super::error;
use super::finish::Finish;
use super::lent::Lender;
use super::statements::Statements;
use crate::store::{Result, StoreErrorKind};

helpers!(Postgres);

impl Dialect for Postgres {
    const SCHEMES: &'static [&'static str] = &["postgres://", "postgresql://"];
    const NO_URL: &'static str =
        "that is no URL of a PostgreSQL: postgres://user:password@host/database";
    const SCHEMA: &'static str = include_str!("postgres.sql");
    const KEY: &'static str = "key";
    const OWNER: &'static str = "owner";
    /// What fits into its index with room to spare.
    const LONGEST_OWNER: usize = 1024;
    const DELETE_ALL_BUT: &'static str =
        "DELETE FROM {table} WHERE owner = ? AND key IS DISTINCT FROM ?";
    const SWEEP: &'static str = "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} \
         WHERE (SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))) AND expires_at < ? \
         ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)";

    fn numbered(sql: &str) -> String {
        let mut parts = sql.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        let numbered = (1..).zip(parts);
        numbered.fold(first, |sql, (number, part)| format!("{sql}${number}{part}"))
    }

    /// Classes and codes of the manual's appendix A.
    fn meaning(error: &dyn DatabaseError) -> (StoreErrorKind, &'static str) {
        use StoreErrorKind::{Rejected, Unavailable};
        match error.code().as_deref().unwrap_or_default() {
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
        }
    }

    /// The lock ends with the statement.
    async fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        now: i64,
        limit: i64,
    ) -> Result<u64> {
        let sweeper = Value::Text(Some(&statements.sweeper));
        let values = [sweeper, Value::Number(now), Value::Number(limit)];
        Self::execute(lender, &statements.sweep, &values).await
    }

    calls!();
}
