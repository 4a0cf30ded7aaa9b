//! What MySQL and MariaDB say of what their user may do. Rights come by roles, patterns and parts taken back, so that no
//! list tells: statements are explained, which takes the right to them and does nothing.

use sqlx::MySql;

use super::super::dialect::Dialect;
use super::super::error::number_of;
use super::super::lent::Lender;
use super::super::rights::Looked;
use crate::store::{Result, StoreError};

/// A statement for each right.
const TRIALS: [(&str, &str); 4] = [
    ("SELECT", "EXPLAIN SELECT version FROM {table} WHERE 1 = 0"),
    (
        "INSERT",
        "EXPLAIN INSERT INTO {table} (`key`, version, expires_at, owner, data) VALUES ('', 0, 0, NULL, '')",
    ),
    ("UPDATE", "EXPLAIN UPDATE {table} SET version = 0 WHERE 1 = 0"),
    ("DELETE", "EXPLAIN DELETE FROM {table} WHERE 1 = 0"),
];

pub(super) async fn look(lender: &Lender<MySql>, table: &str) -> Result<Looked> {
    let trials = TRIALS.map(|(right, sql)| (right, sql.replace("{table}", table)));
    let all = trials.iter().map(|(_, sql)| sql.as_str()).collect::<Vec<_>>().join("; ");
    match MySql::execute_script(lender, &all).await {
        Err(error) if is_denied(&error) => {}
        done => return done.map(|()| Looked::default()),
    }
    // The first one that is denied ends them all.
    let mut missing = Vec::new();
    for (right, sql) in trials {
        if MySql::execute_script(lender, &sql).await.is_err_and(|error| is_denied(&error)) {
            missing.push(right.to_owned());
        }
    }
    Ok(Looked { missing })
}

/// The table to this user, or a column of it.
fn is_denied(error: &StoreError) -> bool {
    matches!(number_of(error), Some(1142 | 1143))
}
