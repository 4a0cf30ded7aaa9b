//! What differs between databases, and what a statement is given and gives back.

use std::future::Future;
use std::sync::Arc;

use sqlx::Database;
use sqlx::error::DatabaseError;

use super::lent::Lender;
use super::statements::Statements;
use crate::store::{Listed, Record, Result, StoreError, StoreErrorKind, StoreKey, Stored, Version};
use crate::time::Timestamp;

/// A database that [`SqlStore`](super::SqlStore) can speak to. Implemented here for each that can be had.
///
/// What a call needs of sqlx is written once for each, because sqlx asks for a bound a type and lifetime otherwise.
#[doc(hidden)]
pub trait Dialect: Database + Sized {
    const SCHEMES: &'static [&'static str];
    const NO_URL: &'static str;
    const SCHEMA: &'static str;
    /// The column `key`, quoted where that is a word of the language.
    const KEY: &'static str;
    /// How to read the column `owner` as text.
    const OWNER: &'static str;
    /// In bytes.
    const LONGEST_OWNER: usize;
    /// Given the owner, and a key or nothing.
    const DELETE_ALL_BUT: &'static str;
    const SWEEP: &'static str;

    /// The statement with its parameters, each a `?`, as this database writes them.
    fn numbered(sql: &str) -> String;

    /// What the database's own error means, and what to do.
    fn meaning(error: &dyn DatabaseError) -> (StoreErrorKind, &'static str);

    fn execute_script(lender: &Lender<Self>, sql: &str) -> impl Future<Output = Result<()>> + Send;

    fn execute(
        lender: &Lender<Self>,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64>> + Send;

    fn fetch(
        lender: &Lender<Self>,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<Row>>> + Send;

    fn count(
        lender: &Lender<Self>,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<i64>> + Send;

    fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        now: i64,
        limit: i64,
    ) -> impl Future<Output = Result<u64>> + Send;
}

/// What a statement is given.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Bytes(Option<&'a [u8]>),
    Text(Option<&'a str>),
    Number(i64),
}

/// What it gives back: the columns of a record, and of a listed one its key.
pub struct Row {
    pub(super) version: i64,
    pub(super) expires_at: i64,
    pub(super) owner: Option<String>,
    pub(super) data: Vec<u8>,
    pub(super) key: Option<Vec<u8>>,
}

impl Row {
    pub(super) fn stored(self) -> Stored {
        let expires_at = Timestamp::from_micros(self.expires_at);
        Stored {
            record: Record::new(self.data, expires_at, self.owner.map(Arc::from)),
            version: Version::from_number(self.version.cast_unsigned()),
        }
    }

    pub(super) fn listed(mut self) -> Result<Listed> {
        let key = self.key.take().and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Corrupt, "a key in the table has not 16 bytes")
        })?;
        Ok(Listed { key: StoreKey::from_bytes(key), stored: self.stored() })
    }
}

/// The calls that read the same for every database, but are compiled for one.
macro_rules! calls {
    () => {
        async fn execute_script(lender: &Lender<Self>, sql: &str) -> Result<()> {
            let sql = sql.to_owned();
            let done = async {
                let mut lent = lender.lend().await?;
                let call = async move {
                    let done = lent.get()?.execute(sql.as_str()).await;
                    lent.end(done)
                };
                Finish::new(call).await
            };
            done.await.map(drop).map_err(error::of::<Self>)
        }

        async fn execute(
            lender: &Lender<Self>,
            sql: &Arc<str>,
            values: &[Value<'_>],
        ) -> Result<u64> {
            let done = async {
                let (sql, values) = (sql.clone(), bound(values)?);
                let mut lent = lender.lend().await?;
                let call = async move {
                    let done = sqlx::query_with(&sql, values).execute(lent.get()?).await;
                    lent.end(done)
                };
                Finish::new(call).await
            };
            done.await.map(|done| done.rows_affected()).map_err(error::of::<Self>)
        }

        async fn fetch(
            lender: &Lender<Self>,
            sql: &Arc<str>,
            values: &[Value<'_>],
        ) -> Result<Vec<Row>> {
            let rows = rows(lender, sql, values).await;
            let rows = rows.and_then(|rows| rows.iter().map(row).collect());
            rows.map_err(error::of::<Self>)
        }

        async fn count(lender: &Lender<Self>, sql: &Arc<str>, values: &[Value<'_>]) -> Result<i64> {
            let rows = rows(lender, sql, values).await;
            let count = rows.and_then(|rows| rows.first().map_or(Ok(0), |row| row.try_get(0)));
            count.map_err(error::of::<Self>)
        }
    };
}

/// What [`calls`] need besides: values in their places, and rows read.
macro_rules! helpers {
    ($database:ty) => {
        type Arguments = <$database as Database>::Arguments<'static>;
        type Rows = Vec<<$database as Database>::Row>;

        fn bound(values: &[Value<'_>]) -> sqlx::Result<Arguments> {
            let mut arguments = Arguments::default();
            for value in values {
                let added = match *value {
                    Value::Bytes(bytes) => arguments.add(bytes),
                    Value::Text(text) => arguments.add(text),
                    Value::Number(number) => arguments.add(number),
                };
                added.map_err(sqlx::Error::Encode)?;
            }
            Ok(arguments)
        }

        async fn rows(
            lender: &Lender<$database>,
            sql: &Arc<str>,
            values: &[Value<'_>],
        ) -> sqlx::Result<Rows> {
            let (sql, values) = (sql.clone(), bound(values)?);
            let mut lent = lender.lend().await?;
            let call = async move {
                let rows = sqlx::query_with(&sql, values).fetch_all(lent.get()?).await;
                lent.end(rows)
            };
            Finish::new(call).await
        }

        fn row(row: &<$database as Database>::Row) -> sqlx::Result<Row> {
            Ok(Row {
                version: row.try_get(0)?,
                expires_at: row.try_get(1)?,
                owner: row.try_get(2)?,
                data: row.try_get(3)?,
                key: if row.len() > 4 { Some(row.try_get(4)?) } else { None },
            })
        }
    };
}

pub(super) use {calls, helpers};
