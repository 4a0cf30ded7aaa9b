//! A connection in the hands of one call, where it comes from, and where it goes when the call is over.
//!
//! A pool asks each connection on its way back whether it is well: a round trip for each call. So in a pool of our own,
//! one whose call has ended well [rests](super::resting) here instead, for the next call. Whoever has a pool of his own
//! may wait at it for a connection, and finds all of them there.
//!
//! One that has not ended its call is closed and never lent again: what of the answer has been read is not known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Error, Pool, Result};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::resting::{Rested, Resting};

/// How long a connection may take to say that it is ready for the next call.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for one that somebody waits for.
const ANSWER: Duration = Duration::from_secs(1);
/// How long one may have been idle without being asked whether it is there still.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// How long one is kept from its pool, which knows how old a connection may become.
const LONGEST: Duration = Duration::from_secs(300);

/// Lends connections.
pub struct Lender<D: Database> {
    pool: Pool<D>,
    /// Of a pool that nobody else has.
    resting: Option<Arc<Resting<D>>>,
}

impl<D: Database> Lender<D> {
    /// From a pool of the application's.
    pub(super) const fn shared(pool: Pool<D>) -> Self {
        Self { pool, resting: None }
    }

    /// From a pool that nobody else has.
    pub(super) fn own(pool: Pool<D>) -> Self {
        let resting = Resting::new(pool.options().get_max_connections());
        Self { pool, resting: Some(Arc::new(resting)) }
    }

    /// Within the time that the pool has for it.
    pub(super) async fn lend(&self) -> Result<Lent<D>> {
        let Some(resting) = &self.resting else {
            return Ok(Lent::new(self.pool.acquire().await?, None));
        };
        let limit = self.pool.options().get_acquire_timeout();
        timeout(limit, self.lend_own(resting)).await.map_err(|_| Error::PoolTimedOut)?
    }

    async fn lend_own(&self, resting: &Arc<Resting<D>>) -> Result<Lent<D>> {
        // As many turns as connections: one rests here, or the pool has one or makes one.
        let mut home = Some((resting.clone(), resting.turn().await?));
        while let Some(Rested { mut lent, since }) = resting.take() {
            lent.home = home.take();
            if since.elapsed() < IDLE || lent.is_there().await {
                return Ok(lent);
            }
            home = lent.home.take();
            // They rested longer still, and each would take as long to say nothing.
            resting.take_idle(IDLE).into_iter().for_each(|rested| rested.lent.close());
        }
        Ok(Lent::new(self.pool.acquire().await?, home))
    }

    pub(super) fn size(&self) -> u32 {
        self.pool.size()
    }
}

impl<D: Database> Clone for Lender<D> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), resting: self.resting.clone() }
    }
}

/// A connection that a call has for itself.
pub(super) struct Lent<D: Database> {
    connection: Option<PoolConnection<D>>,
    /// Since when its pool has not had it.
    taken: Instant,
    /// Whether it is in the middle of a call.
    is_busy: bool,
    home: Option<Home<D>>,
}

/// Where a connection may rest, and the turn of whoever uses it.
type Home<D> = (Arc<Resting<D>>, OwnedSemaphorePermit);

impl<D: Database> Lent<D> {
    fn new(connection: PoolConnection<D>, home: Option<Home<D>>) -> Self {
        Self { connection: Some(connection), taken: Instant::now(), is_busy: false, home }
    }

    /// The connection, for a call that [`end`](Self::end) ends.
    pub(super) fn get(&mut self) -> Result<&mut D::Connection> {
        self.is_busy = true;
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }

    /// Ends the call, whose answer says whether the connection is well.
    pub(super) fn end<T>(mut self, answer: Result<T>) -> Result<T> {
        self.is_busy = false;
        let is_fit = answer.is_ok() && self.taken.elapsed() < LONGEST;
        if is_fit && let Some((resting, turn)) = self.home.take() {
            resting.put(Rested { lent: self, since: Instant::now() });
            drop(turn);
        }
        answer
    }

    /// Gives it back to its pool, and the turn when it is there.
    pub(super) fn give_back(mut self, home: Option<Home<D>>) {
        self.home = home;
    }

    /// Closes it, and with it whatever it holds on the server.
    pub(super) fn close(mut self) {
        self.connection.take().map(PoolConnection::detach);
    }

    /// Asks a connection that was idle. One that does not answer is closed.
    async fn is_there(&mut self) -> bool {
        let asked = async { self.get()?.ping().await };
        let is_there = matches!(timeout(ANSWER, asked).await, Ok(Ok(())));
        self.is_busy = false;
        if !is_there {
            self.connection.take().map(PoolConnection::detach);
        }
        is_there
    }
}

/// Back to the pool when it is ready, or closed if that takes too long: the pool itself would wait for ever for one
/// whose other end is gone without a word, and have one less from then on (S75). Closed if it is in the middle of a call.
impl<D: Database> Drop for Lent<D> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let turn = self.home.take();
        match Handle::try_current() {
            Ok(runtime) if !self.is_busy => drop(runtime.spawn(async move {
                // Dropped in its middle, the way back closes the connection.
                let _ = timeout(PATIENCE, connection.return_to_pool()).await;
                drop(turn);
            })),
            // Without a runtime, everything is coming to its end.
            _ => drop(connection.detach()),
        }
    }
}
