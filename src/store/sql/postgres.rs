//! PostgreSQL.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::pool::PoolOptions;
use sqlx::{Arguments as _, Database, Executor, Pool, Postgres, Row as _};

use super::attempts::{Attempts, Effect};
use super::dialect::{Dialect, Done, Row, Span, Swept, Value, calls, helpers, repeat};
use super::error::{self, Meaning};
use super::finish::Finish;
use super::lent::{Lender, Manner};
use super::rights::Looked;
use super::statements::Statements;
use crate::store::Result;

mod answers;
mod connect;
mod look;
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
    const INSERT: &'static str = "INSERT INTO {table} \
         (key, version, expires_at, owner, data, sweep_at) VALUES ($1, $2, $3, $4, $5, $3)";
    /// A column that has an index stays as it is, and the owner's with it: then the row stays in its block, and no index
    /// hears of it.
    const UPDATE: &'static str = "UPDATE {table} SET version = $1, expires_at = $2, owner = $3, \
         data = $4, sweep_at = least(sweep_at, $2) WHERE key = $5 AND version = $6";
    const TOUCH: &'static str = "UPDATE {table} SET expires_at = $1, \
         sweep_at = least(sweep_at, $1) WHERE key = $2 AND version = $3";
    const LAYOUT: &'static str = "SELECT count(sweep_at) FROM {table} WHERE key = ?";
    const DELETE_ALL_BUT: &'static str =
        "DELETE FROM {table} WHERE owner = ? AND key IS DISTINCT FROM ?";
    /// What was touched since it was to be looked at is looked at again when it is to expire. The keys as arrays, because
    /// they are found by the key's index then, whatever is known of the table.
    const SWEEP: &'static str = "WITH due AS (\
         SELECT key, sweep_at, expires_at < $3 AS is_over FROM {table} \
         WHERE (SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))) \
         AND sweep_at >= $2 AND sweep_at < $3 \
         ORDER BY sweep_at LIMIT $4 FOR UPDATE SKIP LOCKED), \
         live AS (UPDATE {table} SET sweep_at = expires_at \
         WHERE key = ANY (ARRAY(SELECT key FROM due WHERE NOT is_over))), \
         gone AS (DELETE FROM {table} WHERE key = ANY (ARRAY(\
         SELECT key FROM due WHERE is_over ORDER BY sweep_at LIMIT $5)) RETURNING sweep_at) \
         SELECT (SELECT count(*) FROM due), count(*), \
         CASE WHEN count(*) < $5 THEN (SELECT max(sweep_at) FROM due) ELSE max(sweep_at) END \
         FROM gone";

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

    async fn look(lender: &Lender<Self>, table: &str) -> Result<Looked> {
        look::look(lender, table).await
    }

    /// The lock ends with the statement.
    async fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        Span { from, to, looks, removes }: Span,
    ) -> Result<Swept> {
        let [from, to, looks, removes] = [from, to, looks, removes].map(Value::Number);
        let values = [Value::Text(Some(&statements.sweeper)), from, to, looks, removes];
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
            let count = |count: i64| u64::try_from(count).unwrap_or(0);
            let last: Option<i64> = row.try_get(2)?;
            Ok(Swept {
                seen: count(row.try_get(0)?),
                rows: count(row.try_get(1)?),
                last: last.unwrap_or(i64::MIN),
            })
        };
        rows.and_then(swept).map_err(error::of::<Self>)
    }

    calls!();
}
