//! MySQL and MariaDB.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{Arguments as _, Database, Executor, MySql, Row as _};

use super::dialect::{Dialect, Row, Value, calls, helpers};
use super::finish::Finish;
use super::lent::Lender;
use super::statements::Statements;
use super::{error, sweeper};
use crate::store::{Result, StoreErrorKind};

helpers!(MySql);

impl Dialect for MySql {
    const SCHEMES: &'static [&'static str] = &["mysql://", "mariadb://"];
    const NO_URL: &'static str = "that is no URL of a MySQL: mysql://user:password@host/database";
    const SCHEMA: &'static str = include_str!("mysql.sql");
    const KEY: &'static str = "`key`";
    const OWNER: &'static str = "CAST(owner AS char CHARACTER SET utf8mb4)";
    /// The column's width: a server that is not strict would cut it off without a word.
    const LONGEST_OWNER: usize = 1024;
    const DELETE_ALL_BUT: &'static str =
        "DELETE FROM {table} WHERE owner = ? AND NOT ({key} <=> ?)";
    const SWEEP: &'static str = "SELECT {key} FROM {table} WHERE expires_at < ? \
         ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED";

    fn numbered(sql: &str) -> String {
        sql.to_owned()
    }

    /// Numbers of both manuals' lists of server errors.
    fn meaning(error: &dyn DatabaseError) -> (StoreErrorKind, &'static str) {
        use StoreErrorKind::{Rejected, Unavailable};
        match error.try_downcast_ref::<MySqlDatabaseError>().map_or(0, MySqlDatabaseError::number) {
            1146 => (Rejected, "the table is not there: call `create_table`, or run the schema"),
            1290 | 1792 | 1836 => (Rejected, "the server takes no writes: connect to the primary"),
            1044 | 1045 | 1698 => (Rejected, "user or password is wrong, or not for this database"),
            1142 | 1143 => (Rejected, "this user may not use the table: grant it"),
            1049 => (Rejected, "there is no such database"),
            1153 => (Rejected, "the record is over the server's max_allowed_packet"),
            1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1203 => {
                (Rejected, "the server has no disk, memory or connections left")
            }
            _ => (Unavailable, "the database refused, or is shutting down"),
        }
    }

    async fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        now: i64,
        limit: i64,
    ) -> Result<u64> {
        sweeper::sweep(lender, statements, now, limit).await.map_err(error::of::<Self>)
    }

    calls!();
}
