//! What MySQL and MariaDB say of what their user may do. Rights come by roles, patterns and parts taken back, so that no
//! list tells: statements are explained, which takes the right to them and does nothing.

use std::sync::Arc;

use sqlx::MySql;

use super::super::dialect::Dialect;
use super::super::error::number_of;
use super::super::lent::Lender;
use super::super::rights::Looked;
use crate::store::Result;
use crate::time::Timestamp;

/// Whatever the zone of the session is.
const TIME: &str = "SELECT timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6))";

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
    let micros = MySql::count(lender, &Arc::from(TIME), &[]).await?;
    let now = Some(Timestamp::from_micros(micros));
    let trials = TRIALS.map(|(right, sql)| (right, sql.replace("{table}", table)));
    let all = trials.iter().map(|(_, sql)| sql.as_str()).collect::<Vec<_>>().join("; ");
    let mut missing = Vec::new();
    let is_any_denied = is_denied(MySql::execute_script(lender, &all).await);
    // The first one ends them all.
    for (right, sql) in trials.iter().filter(|_| is_any_denied) {
        if is_denied(MySql::execute_script(lender, sql).await) {
            missing.push((*right).to_owned());
        }
    }
    Ok(Looked { missing, now })
}

/// The table to this user, or a column of it. Any other error says nothing of rights: the table may not be there yet.
fn is_denied(done: Result<()>) -> bool {
    done.is_err_and(|error| matches!(number_of(&error), Some(1142 | 1143)))
}
