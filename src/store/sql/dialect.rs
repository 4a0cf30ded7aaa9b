//! What differs between databases, and what a statement is given and gives back.

use std::future::Future;
use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::pool::PoolOptions;
use sqlx::{Database, Pool};

use super::error::Meaning;
use super::lent::{Lender, Manner};
use super::rights::Looked;
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
    /// What may stand after the question mark of a URL.
    const PARAMETERS: &'static [&'static str];
    const NO_PROTOCOL: &'static str;
    const SCHEMA: &'static str;
    /// What has to be said before it where several say it at once.
    const BEFORE_SCHEMA: &'static str;
    /// The column `key`, quoted where that is a word of the language.
    const KEY: &'static str;
    /// How to read the column `owner` as text.
    const OWNER: &'static str;
    /// Of a table or an index, in bytes.
    const LONGEST_NAME: usize;
    /// In bytes.
    const LONGEST_OWNER: usize;
    /// Given key, version, expiry, owner and data.
    const INSERT: &'static str;
    /// Given version, expiry, owner and data, then the key and the version that is expected.
    const UPDATE: &'static str;
    /// Given the expiry, then the key and the version that is expected.
    const TOUCH: &'static str;
    /// Given a key.
    const LAYOUT: &'static str;
    /// Given the owner, and a key or nothing.
    const DELETE_ALL_BUT: &'static str;
    const SWEEP: &'static str;

    /// The statement with its parameters, each a `?`, as this database writes them.
    fn numbered(sql: &str) -> String;

    /// What the database's own error means, and what to do.
    fn meaning(error: &dyn DatabaseError) -> (Meaning, &'static str);

    /// Connects, with sessions on the server that give up after [`LIMIT`](super::LIMIT).
    fn connect(
        pool: PoolOptions<Self>,
        url: &str,
    ) -> impl Future<Output = sqlx::Result<(Pool<Self>, Manner)>> + Send;

    fn execute_script(lender: &Lender<Self>, sql: &str) -> impl Future<Output = Result<()>> + Send;

    fn execute(
        lender: &Lender<Self>,
        sql: &Arc<str>,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Done>> + Send;

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

    /// Finds out what this user may do with the table, if it is there.
    fn look(lender: &Lender<Self>, table: &str) -> impl Future<Output = Result<Looked>> + Send;

    /// Removes what expired.
    fn sweep(
        lender: &Lender<Self>,
        statements: &Arc<Statements>,
        span: Span,
    ) -> impl Future<Output = Result<Swept>> + Send;
}

/// What a statement is given.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Bytes(Option<&'a [u8]>),
    Text(Option<&'a str>),
    Number(i64),
}

/// How many rows a statement concerned.
pub struct Done {
    pub(super) rows: u64,
    /// Whether it may have been done before as well, by an attempt whose answer did not come.
    pub(super) is_in_doubt: bool,
}

/// What a sweep is to look at: what was due from a time on and before another one.
#[derive(Clone, Copy)]
pub struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
    /// How many rows it looks at.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    // where all that is due has expired
    pub(super) looks: i64,
    /// How many of those it removes.
    pub(super) removes: i64,
}

/// What a sweep has done.
#[derive(Default)]
pub struct Swept {
    /// How many rows it looked at.
    pub(super) seen: u64,
    /// How many of those it removed.
    pub(super) rows: u64,
    /// When the last was due of those that it is done with.
    pub(super) last: i64,
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
            let mut attempts = Attempts::new(lender, Effect::Writes);
            let done = repeat!(attempts, lender, lent, {
                let sql = sql.to_owned();
                async move {
                    let done = lent.get()?.execute(sql.as_str()).await;
                    lent.end(done)
                }
            });
            done.map(drop).map_err(error::of::<Self>)
        }

        async fn execute(
            lender: &Lender<Self>,
            sql: &Arc<str>,
            values: &[Value<'_>],
        ) -> Result<Done> {
            let mut attempts = Attempts::new(lender, Effect::Writes);
            let rows = repeat!(attempts, lender, lent, {
                let said = said(lender, sql, values).map_err(error::of::<Self>)?;
                async move {
                    let rows = tell(lent.get()?, said).await;
                    lent.end(rows)
                }
            });
            let rows = match rows {
                // What is there already is not inserted.
                Err(error) if error::meaning::<Self>(&error).0 == Meaning::Taken => 0,
                rows => rows.map_err(error::of::<Self>)?,
            };
            Ok(Done { rows, is_in_doubt: attempts.is_in_doubt })
        }

        async fn fetch(
            lender: &Lender<Self>,
            sql: &Arc<str>,
            values: &[Value<'_>],
        ) -> Result<Vec<Row>> {
            let rows = rows(lender, sql, values).await?;
            let rows: sqlx::Result<_> = rows.iter().map(row).collect();
            rows.map_err(error::of::<Self>)
        }

        async fn count(lender: &Lender<Self>, sql: &Arc<str>, values: &[Value<'_>]) -> Result<i64> {
            let rows = rows(lender, sql, values).await?;
            let count = rows.first().map_or(Ok(0), |row| row.try_get(0));
            count.map_err(error::of::<Self>)
        }
    };
}

/// Makes a call on a connection until it holds, or there is to be no other attempt. Each goes on to the server's answer.
macro_rules! repeat {
    ($attempts:ident, $lender:ident, $lent:ident, $call:block) => {
        loop {
            #[allow(unused_mut)] // each call says it once
            let mut $lent = match $lender.lend().await {
                Ok(lent) => lent,
                Err(error) => break Err(error),
            };
            let taken = $lent.taken();
            match Finish::new($call).await {
                Err(error) if $attempts.go_on(&error, taken).await => {}
                answer => break answer,
            }
        }
    };
}

/// What [`calls`] need besides: values in their places, and rows read.
macro_rules! helpers {
    ($database:ty) => {
        type Connection = <$database as Database>::Connection;
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
        ) -> Result<Rows> {
            let mut attempts = Attempts::new(lender, Effect::Reads);
            let rows = repeat!(attempts, lender, lent, {
                let said = said(lender, sql, values).map_err(error::of::<$database>)?;
                async move {
                    let rows = ask(lent.get()?, said).await;
                    lent.end(rows)
                }
            });
            rows.map_err(error::of::<$database>)
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

pub(super) use {calls, helpers, repeat};
