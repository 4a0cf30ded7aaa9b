//! PostgreSQL.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::pool::PoolOptions;
use sqlx::{Arguments as _, Database, Executor, Pool, Postgres, Row as _};

use super::attempts::{Attempts, Effect};
use super::dialect::{Dialect, Done, Row, Swept, Value, calls, helpers, repeat};
use super::error::{self, Meaning};
use super::finish::Finish;
use super::lent::{Lender, Manner};
use super::statements::Statements;
use crate::store::Result;

mod answers;
mod connect;
mod text;

helpers!(Postgres);

/// A statement with its values.
enum Said {
    Prepared(Arc<str>, Arguments),
    Text(String),
}

fn said(lender: &Lender<Postgres>, sql: &Arc<str>, values: &[Value<'_>]) -> sqlx::Result<Said> {
    Ok(match lender.manner() {
        Manner::Prepared => Said::Prepared(sql.clone(), bound(values)?),
        Manner::Texts(before) => Said::Text(text::of(before, sql, values)),
    })
}

async fn ask(connection: &mut Connection, said: Said) -> sqlx::Result<Rows> {
    match said {
        Said::Prepared(sql, values) => sqlx::query_with(&sql, values).fetch_all(connection).await,
        Said::Text(text) => connection.fetch_all(text.as_str()).await,
    }
}

async fn tell(connection: &mut Connection, said: Said) -> sqlx::Result<u64> {
    let done = match said {
        Said::Prepared(sql, values) => sqlx::query_with(&sql, values).execute(connection).await,
        Said::Text(text) => connection.execute(text.as_str()).await,
    };
    done.map(|done| done.rows_affected())
}

impl Dialect for Postgres {
    const SCHEMES: &'static [&'static str] = &["postgres://", "postgresql://"];
    const NO_URL: &'static str =
        "that is no URL of a PostgreSQL: postgres://user:password@host/database";
    const PARAMETERS: &'static [&'static str] = &[
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
        "options[",
        "statement-cache-capacity",
    ];
    const NO_PROTOCOL: &'static str = "what answers there does not speak as PostgreSQL does";
    const LONGEST_NAME: usize = 63;
    const SCHEMA: &'static str = include_str!("postgres.sql");
    /// `IF NOT EXISTS` is no help against others at the same moment. All is one transaction; an index may take its time.
    const BEFORE_SCHEMA: &'static str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '30s'; \
         SELECT pg_advisory_xact_lock(hashtextextended('cloakroom makes {table}', 0)); ";
    const KEY: &'static str = "key";
    const OWNER: &'static str = "owner";
    /// What fits into its index with room to spare.
    const LONGEST_OWNER: usize = 1024;
    const DELETE_ALL_BUT: &'static str =
        "DELETE FROM {table} WHERE owner = ? AND key IS DISTINCT FROM ?";
    const SWEEP: &'static str = "WITH gone AS (\
         DELETE FROM {table} WHERE key IN (SELECT key FROM {table} \
         WHERE (SELECT pg_try_advisory_xact_lock(hashtextextended(?, 0))) \
         AND expires_at >= ? AND expires_at < ? \
         ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED) RETURNING expires_at) \
         SELECT count(*), coalesce(max(expires_at), 0) FROM gone";

    fn numbered(sql: &str) -> String {
        let mut parts = sql.split('?');
        let first = parts.next().unwrap_or_default().to_owned();
        let numbered = (1..).zip(parts);
        numbered.fold(first, |sql, (number, part)| format!("{sql}${number}{part}"))
    }

    fn meaning(error: &dyn DatabaseError) -> (Meaning, &'static str) {
        answers::meaning(error.code().as_deref().unwrap_or_default())
    }

    async fn connect(pool: PoolOptions<Self>, url: &str) -> sqlx::Result<(Pool<Self>, Manner)> {
        connect::connect(pool, url).await
    }

    /// The lock ends with the statement.
    async fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        [from, to, limit]: [i64; 3],
    ) -> Result<Swept> {
        let sweeper = Value::Text(Some(&statements.sweeper));
        let values = [sweeper, Value::Number(from), Value::Number(to), Value::Number(limit)];
        let mut attempts = Attempts::new(lender, Effect::Writes);
        let rows = repeat!(attempts, lender, lent, {
            let said = said(lender, &statements.sweep, &values).map_err(error::of::<Self>)?;
            async move {
                let rows = ask(lent.get()?, said).await;
                lent.end(rows)
            }
        });
        let swept = |rows: Rows| {
            let Some(row) = rows.first() else { return Ok(Swept::default()) };
            let rows = u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0);
            Ok(Swept { rows, last: row.try_get(1)? })
        };
        rows.and_then(swept).map_err(error::of::<Self>)
    }

    calls!();
}
