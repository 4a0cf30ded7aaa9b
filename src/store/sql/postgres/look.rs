//! What PostgreSQL says of what its user may do, and of the time: one statement, about catalogues that everybody may read.

use std::sync::Arc;

use sqlx::{Postgres, Row as _};

use super::super::dialect::Value;
use super::super::error;
use super::super::lent::Lender;
use super::super::rights::Looked;
use super::rows;
use crate::store::Result;
use crate::time::Timestamp;

/// Given the table's schema, or nothing for one that the search path finds, and its name. A right to some columns counts,
/// for nobody says which ones. No dollar sign but before a number: values are put there.
const LOOK: &str = include_str!("look.sql");

pub(super) async fn look(lender: &Lender<Postgres>, table: &str) -> Result<Looked> {
    let (schema, name) = table.rsplit_once('.').unwrap_or(("", table));
    let values = [Value::Text(Some(schema)), Value::Text(Some(name))];
    let rows = rows(lender, &Arc::from(LOOK), &values).await?;
    let looked = rows.first().map(|row| {
        let missing: Option<Vec<String>> = row.try_get(0)?;
        let now = row.try_get(1).map(Timestamp::from_micros)?;
        Ok(Looked { missing: missing.unwrap_or_default(), now: Some(now) })
    });
    looked.transpose().map(Option::unwrap_or_default).map_err(error::of::<Postgres>)
}
