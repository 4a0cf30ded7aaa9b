//! Sweeping in MySQL, whose locks are a connection's: one sweeper at a time, past rows that are in use.

use std::sync::Arc;

use sqlx::{Acquire, MySql, MySqlConnection, QueryBuilder, Result, query, query_scalar};

use super::finish::Finish;
use super::lent::Lender;
use super::statements::Statements;

/// Removes what expired before `now`, unless another sweeper is at it.
pub(super) async fn sweep(
    lender: &Lender<MySql>,
    statements: &Arc<Statements>,
    now: i64,
    limit: i64,
) -> Result<u64> {
    let (mut lent, statements) = (lender.lend().await?, statements.clone());
    let call = async move {
        let swept = alone(lent.get()?, &statements, now, limit).await;
        if swept.is_err() {
            // The lock ends with it.
            lent.close();
            return swept;
        }
        lent.end(swept)
    };
    Finish::new(call).await
}

async fn alone(
    connection: &mut MySqlConnection,
    statements: &Statements,
    now: i64,
    limit: i64,
) -> Result<u64> {
    let name = &statements.sweeper;
    let ask = query_scalar("SELECT GET_LOCK(?, 0)").bind(name);
    let is_mine: Option<i64> = ask.fetch_one(&mut *connection).await?;
    if is_mine != Some(1) {
        return Ok(0);
    }
    let swept = remove(connection, statements, now, limit).await?;
    query("DO RELEASE_LOCK(?)").bind(name).execute(&mut *connection).await?;
    Ok(swept)
}

async fn remove(
    connection: &mut MySqlConnection,
    statements: &Statements,
    now: i64,
    limit: i64,
) -> Result<u64> {
    // Otherwise the search would lock the gaps between rows as well, and writers would wait for it.
    query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").execute(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    let expired = query_scalar(&statements.sweep).bind(now).bind(limit);
    let expired: Vec<Vec<u8>> = expired.fetch_all(&mut *transaction).await?;
    if expired.is_empty() {
        return Ok(0);
    }
    let mut delete = QueryBuilder::new(&statements.delete_all);
    let mut keys = delete.separated(", ");
    for key in expired {
        keys.push_bind(key);
    }
    delete.push(")");
    // Its length changes with the number of rows: not one to keep.
    let done = delete.build().persistent(false).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(done.rows_affected())
}
