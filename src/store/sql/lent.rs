//! A pool's connection in the hands of one call.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool, Result};
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long a connection may take to say that it is ready for the next call.
const PATIENCE: Duration = Duration::from_secs(2);

/// Goes back to the pool when it is ready, or is closed if that takes too long: the pool itself would wait for ever for
/// one whose other end is gone without a word, and have one less from then on (S75).
pub(super) struct Lent<D: Database>(pub(super) PoolConnection<D>);

impl<D: Database> Lent<D> {
    pub(super) async fn from(pool: &Pool<D>) -> Result<Self> {
        pool.acquire().await.map(Self)
    }
}

impl<D: Database> Drop for Lent<D> {
    fn drop(&mut self) {
        // Without a runtime, everything is coming to its end, the pool among it.
        if let Ok(runtime) = Handle::try_current() {
            // Dropped in its middle, the way back closes the connection.
            drop(runtime.spawn(timeout(PATIENCE, self.0.return_to_pool())));
        }
    }
}
