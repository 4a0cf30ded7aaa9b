//! Sweeping in MySQL, whose locks are a connection's: one sweeper at a time, past rows that are in use.

use std::sync::Arc;

use sqlx::{Acquire, MySql, MySqlConnection, QueryBuilder, Result, query, query_as, query_scalar};

use super::dialect::{Span, Swept};
use super::lent::Lent;
use super::statements::Statements;

/// Removes what expired in a span of time, unless another sweeper is at it.
pub(super) async fn sweep(
    mut lent: Lent<MySql>,
    statements: Arc<Statements>,
    span: Span,
) -> Result<Swept> {
    let swept = alone(lent.get()?, &statements, span).await;
    if swept.is_err() {
        // The lock ends with it.
        lent.close();
        return swept;
    }
    lent.end(swept)
}

async fn alone(
    connection: &mut MySqlConnection,
    statements: &Statements,
    span: Span,
) -> Result<Swept> {
    let name = &statements.sweeper;
    let ask = query_scalar("SELECT GET_LOCK(?, 0)").bind(name);
    let is_mine: Option<i64> = ask.fetch_one(&mut *connection).await?;
    if is_mine != Some(1) {
        return Ok(Swept::default());
    }
    let swept = remove(connection, statements, span).await?;
    query("DO RELEASE_LOCK(?)").bind(name).execute(&mut *connection).await?;
    Ok(swept)
}

async fn remove(
    connection: &mut MySqlConnection,
    statements: &Statements,
    Span { from, to, removes, .. }: Span,
) -> Result<Swept> {
    // Otherwise the search would lock the gaps between rows as well, and writers would wait for it.
    query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").execute(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    let expired = query_as(&statements.sweep).bind(from).bind(to).bind(removes);
    let expired: Vec<(Vec<u8>, i64)> = expired.fetch_all(&mut *transaction).await?;
    let Some((_, last)) = expired.last() else { return Ok(Swept::default()) };
    let last = *last;
    let mut delete = QueryBuilder::new(&statements.delete_all);
    let mut keys = delete.separated(", ");
    for (key, _) in expired {
        keys.push_bind(key);
    }
    delete.push(")");
    // Its length changes with the number of rows: not one to keep.
    let done = delete.build().persistent(false).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let rows = done.rows_affected();
    Ok(Swept { seen: rows, rows, last })
}
