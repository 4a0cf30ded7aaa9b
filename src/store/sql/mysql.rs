//! MySQL and MariaDB.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::pool::PoolOptions;
use sqlx::{Arguments as _, Database, Executor, MySql, Pool, Row as _};

use super::attempts::{Attempts, Effect};
use super::dialect::{Dialect, Done, Row, Span, Swept, Value, calls, helpers, repeat};
use super::error::{self, Meaning};
use super::finish::Finish;
use super::lent::{Lender, Manner};
use super::rights::Looked;
use super::statements::Statements;
use super::{LIMIT, sweeper};
use crate::store::Result;

mod answers;
mod look;

helpers!(MySql);

/// A statement with its values.
type Said = (Arc<str>, Arguments);

fn said(_: &Lender<MySql>, sql: &Arc<str>, values: &[Value<'_>]) -> sqlx::Result<Said> {
    Ok((sql.clone(), bound(values)?))
}

async fn ask(connection: &mut Connection, (sql, values): Said) -> sqlx::Result<Rows> {
    sqlx::query_with(&sql, values).fetch_all(connection).await
}

async fn tell(connection: &mut Connection, (sql, values): Said) -> sqlx::Result<u64> {
    let done = sqlx::query_with(&sql, values).execute(connection).await;
    done.map(|done| done.rows_affected())
}

/// Has the server give up when we do: otherwise each call that waits for a lock leaves a connection behind.
///
/// What only one of the two servers knows is a comment to the other.
async fn set_up(connection: &mut Connection) -> sqlx::Result<()> {
    // For a lock they wait whole seconds.
    let (seconds, limit, millis) = (LIMIT.as_secs().max(1), LIMIT.as_secs_f64(), LIMIT.as_millis());
    let set = format!(
        "SET SESSION lock_wait_timeout = {seconds}, SESSION innodb_lock_wait_timeout = {seconds} \
         /*M!100102 , SESSION max_statement_time = {limit} */ \
         /*!50708 , SESSION max_execution_time = {millis} */"
    );
    match connection.execute(set.as_str()).await {
        // A proxy that does not know one of them: what the server is set up to must do.
        Err(sqlx::Error::Database(error)) => {
            tracing::warn!(%error, "the database's sessions cannot be told when to give up");
            Ok(())
        }
        done => done.map(drop),
    }
}

impl Dialect for MySql {
    const SCHEMES: &'static [&'static str] = &["mysql://", "mariadb://"];
    const NO_URL: &'static str = "that is no URL of a MySQL: mysql://user:password@host/database";
    const PARAMETERS: &'static [&'static str] = &[
        "ssl-mode",
        "sslmode",
        "ssl-ca",
        "sslca",
        "ssl-cert",
        "sslcert",
        "ssl-key",
        "sslkey",
        "charset",
        "collation",
        "socket",
        "timezone",
        "time-zone",
        "statement-cache-capacity",
    ];
    const NO_PROTOCOL: &'static str = "what answers there does not speak as MySQL does";
    const LONGEST_NAME: usize = 64;
    const SCHEMA: &'static str = include_str!("mysql.sql");
    const BEFORE_SCHEMA: &'static str = "";
    const KEY: &'static str = "`key`";
    const OWNER: &'static str = "CAST(owner AS char CHARACTER SET utf8mb4)";
    /// The column's width: a server that is not strict would cut it off without a word.
    const LONGEST_OWNER: usize = 1024;
    const INSERT: &'static str =
        "INSERT INTO {table} ({key}, version, expires_at, owner, data) VALUES (?, ?, ?, ?, ?)";
    const UPDATE: &'static str = "UPDATE {table} SET version = ?, expires_at = ?, owner = ?, \
         data = ? WHERE {key} = ? AND version = ?";
    const TOUCH: &'static str = "UPDATE {table} SET expires_at = ? WHERE {key} = ? AND version = ?";
    const LAYOUT: &'static str = "SELECT count(expires_at) FROM {table} WHERE {key} = ?";
    const DELETE_ALL_BUT: &'static str =
        "DELETE FROM {table} WHERE owner = ? AND NOT ({key} <=> ?)";
    const SWEEP: &'static str = "SELECT {key}, expires_at FROM {table} \
         WHERE expires_at >= ? AND expires_at < ? ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED";

    fn numbered(sql: &str) -> String {
        sql.to_owned()
    }

    fn meaning(error: &dyn DatabaseError) -> (Meaning, &'static str) {
        let error = error.try_downcast_ref::<MySqlDatabaseError>();
        answers::meaning(error.map_or(0, MySqlDatabaseError::number))
    }

    async fn connect(pool: PoolOptions<Self>, url: &str) -> sqlx::Result<(Pool<Self>, Manner)> {
        let pool = pool.after_connect(|connection, _| Box::pin(set_up(connection)));
        Ok((pool.connect(url).await?, Manner::Prepared))
    }

    async fn look(lender: &Lender<Self>, table: &str) -> Result<Looked> {
        look::look(lender, table).await
    }

    async fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        span: Span,
    ) -> Result<Swept> {
        let mut attempts = Attempts::new(lender, Effect::Writes);
        let swept =
            repeat!(attempts, lender, lent, { sweeper::sweep(lent, statements.clone(), span) });
        swept.map_err(error::of::<Self>)
    }

    calls!();
}
