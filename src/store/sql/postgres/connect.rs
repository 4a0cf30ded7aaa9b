//! Sessions on a PostgreSQL that suit a store, and poolers that do not let them be set up.
//!
//! What a session needs is said while it begins, which costs nothing. `PgBouncer` refuses that or, told to, ignores it, so
//! that is how one is noticed: then every statement brings along what it needs, and is prepared nowhere, because the next
//! one may run in another session.

use std::time::Duration;

use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{ConnectOptions, Error, Postgres, Result, query_scalar};

use super::super::LIMIT;
use super::super::lent::Manner;

/// A setting of our own, by which a session is known that was set up.
const MARK: &str = "cloakroom.direct";

/// How much of that may be spent on waiting for a lock: less, so that the server says which of the two it was, and more than
/// the second after which it looks whether there is a deadlock.
const WAIT: Duration = LIMIT.saturating_sub(Duration::from_millis(250));

pub(super) async fn connect(pool: PoolOptions<Postgres>, url: &str) -> Result<(PgPool, Manner)> {
    let options: PgConnectOptions = url.parse()?;
    // Nothing of ours is a float, and poolers do not know the setting.
    let options = options.extra_float_digits(None);
    match pool.clone().connect_with(set_up(options.clone())).await {
        Ok(pool) if is_set_up(&pool).await? => return Ok((pool, Manner::Prepared)),
        Ok(pool) => pool.close().await,
        Err(error) if is_of_pooler(&error) => {}
        Err(error) => return Err(error),
    }
    // What is logged of a statement would show a session.
    let pool = pool.connect_with(options.disable_statement_logging()).await?;
    Ok((pool, Manner::Texts(each().into())))
}

/// The same with what our sessions need, unless the URL says something else.
fn set_up(options: PgConnectOptions) -> PgConnectOptions {
    let (limit, wait) = (LIMIT.as_millis().to_string(), WAIT.as_millis().to_string());
    let ours = [
        // The server gives up when we do: otherwise each call that waits for a lock leaves a process behind.
        ("statement_timeout", limit.as_str()),
        ("lock_timeout", &wait),
        // In any other, a statement fails that meets another's, instead of seeing what it did.
        ("default_transaction_isolation", "read\\ committed"),
        (MARK, "on"),
    ];
    let said = options.get_options().unwrap_or_default().to_owned();
    options.options(ours.into_iter().filter(|(name, _)| !said.contains(name)))
}

/// What each statement needs where sessions cannot be set up.
fn each() -> String {
    let (limit, wait) = (LIMIT.as_millis(), WAIT.as_millis());
    format!(
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = {limit}; \
         SET LOCAL lock_timeout = {wait}; "
    )
}

async fn is_set_up(pool: &PgPool) -> Result<bool> {
    let mark = query_scalar("SELECT current_setting($1, true)").bind(MARK).persistent(false);
    let mark: Result<Option<String>> = mark.fetch_one(pool).await;
    match mark {
        Ok(mark) => Ok(mark.as_deref() == Some("on")),
        // A pooler has answered the two halves of a prepared statement in two sessions.
        Err(Error::Database(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether it is about a setting that poolers do not know.
fn is_of_pooler(error: &Error) -> bool {
    error.as_database_error().is_some_and(|error| {
        error.code().as_deref() == Some("08P01") && error.message().contains("startup parameter")
    })
}
