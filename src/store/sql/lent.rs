//! A connection in the hands of one call, where it comes from, and where it goes when the call is over.
//!
//! A pool asks each connection on its way back whether it is well: a round trip for each call. So in a pool of our own,
//! one whose call has ended well [rests](super::resting) here instead, for the next call. Whoever has a pool of his own
//! may wait at it for a connection, and finds all of them there.
//!
//! One that has not ended its call is closed and never lent again: what of the answer has been read is not known.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Database, Error, Pool, Result};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{timeout, timeout_at};

use super::Dialect;
use super::error::{Meaning, meaning};
use super::renewal::Renewal;
use super::resting::{Rested, Resting};

/// How long a connection may take to say that it is ready for the next call.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a connection may take to be closed.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long one may have been idle without being asked whether it is there still.
const IDLE: Duration = Duration::from_secs(1);
/// How long one is kept from its pool, which knows how old a connection may become.
const LONGEST: Duration = Duration::from_secs(300);

/// How long it may take to find out why there is no connection.
const QUESTION: Duration = Duration::from_millis(250);

/// Has a pool hand out none that was made before a renewal, and ask one that was idle. It alone knows how old they are:
/// one that was on its way back during a renewal comes from it as if it were new.
pub(super) fn watched<D: Dialect>(pool: PoolOptions<D>, renewal: &Arc<Renewal>) -> PoolOptions<D> {
    let renewal = renewal.clone();
    pool.before_acquire(move |connection: &mut D::Connection, lent| {
        let made = Instant::now().checked_sub(lent.age);
        let is_fit = !made.is_some_and(|made| renewal.is_before(made));
        let renewal = renewal.clone();
        Box::pin(async move {
            if is_fit && lent.idle_for >= IDLE {
                renewal.unless_silent(connection.ping()).await?;
            }
            Ok(is_fit)
        })
    })
}

/// Lends connections.
pub struct Lender<D: Database> {
    pool: Pool<D>,
    /// Of a pool that nobody else has.
    resting: Option<Arc<Resting<D>>>,
    renewal: Arc<Renewal>,
    manner: Manner,
}

/// How statements are to be sent.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Prepared once a connection, with values as parameters.
    Prepared,
    /// Each as one text, after this one: where a pooler gives every transaction another connection.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code))] // nothing else has such poolers
    Texts(Arc<str>),
}

impl<D: Dialect> Lender<D> {
    /// From a pool of the application's.
    pub(super) fn shared(pool: Pool<D>) -> Self {
        Self { pool, resting: None, renewal: Renewal::new(false), manner: Manner::Prepared }
    }

    /// From a pool that nobody else has.
    pub(super) fn own(pool: Pool<D>, manner: Manner, renewal: Arc<Renewal>) -> Self {
        let resting = Arc::new(Resting::new(pool.options().get_max_connections()));
        Self { pool, resting: Some(resting), renewal, manner }
    }

    #[cfg_attr(not(feature = "postgres"), allow(dead_code))]
    pub(super) const fn manner(&self) -> &Manner {
        &self.manner
    }

    /// Within the time that the pool has for it.
    pub(super) async fn lend(&self) -> Result<Lent<D>> {
        let end = Instant::now().checked_add(self.pool.options().get_acquire_timeout());
        let Some(resting) = &self.resting else {
            return Ok(Lent::new(self.acquire(end).await?, self.renewal.clone(), None));
        };
        // As many turns as connections: one rests here, or the pool has one or makes one.
        let turn = within(end, resting.turn()).await.ok_or_else(all_in_use)??;
        let mut home = Some((resting.clone(), turn));
        while let Some(Rested { mut lent, since }) = resting.take() {
            if self.renewal.is_before(lent.taken) {
                lent.close();
                continue;
            }
            lent.home = home.take();
            if since.elapsed() < IDLE || lent.is_there().await {
                return Ok(lent);
            }
            home = lent.home.take();
            // They rested longer still, and each would take as long to say nothing.
            resting.take_idle(IDLE).into_iter().for_each(|rested| rested.lent.close());
        }
        Ok(Lent::new(self.acquire(end).await?, self.renewal.clone(), home))
    }

    /// One of the pool's, and since when at the latest it leads to where it does.
    async fn acquire(&self, end: Option<Instant>) -> Result<(PoolConnection<D>, Instant)> {
        let began = Instant::now();
        match within(end, self.pool.acquire()).await {
            Some(Ok(connection)) => Ok((connection, began)),
            Some(Err(error)) if !matches!(error, Error::PoolTimedOut) => Err(error),
            _ if self.pool.size() >= self.pool.options().get_max_connections() => Err(all_in_use()),
            _ => Err(why_not::<D>(&self.pool.connect_options()).await),
        }
    }

    /// Closes what nobody uses at present, and has the rest closed after use: a connection has said that its server is
    /// gone, or another one's replica by now. Not if that was done since this connection was made.
    pub(super) fn renew(&self, made: Instant) {
        if !self.renewal.begin(made) {
            return;
        }
        if let Some(resting) = &self.resting {
            resting.take_idle(Duration::ZERO).into_iter().for_each(|rested| rested.lent.close());
        }
        while let Some(connection) = self.pool.try_acquire() {
            close::<D>(connection);
        }
    }

    pub(super) fn renewal(&self) -> &Renewal {
        &self.renewal
    }

    pub(super) fn size(&self) -> u32 {
        self.pool.size()
    }
}

/// Why no connection can be made. A pool tries again until its time is over, and then has forgotten what it was told.
pub(super) async fn why_not<D: Dialect>(options: &<D::Connection as Connection>::Options) -> Error {
    match timeout(QUESTION, D::Connection::connect_with(options)).await {
        Ok(Err(error)) => error,
        _ => Error::PoolTimedOut,
    }
}

fn all_in_use() -> Error {
    Error::Io(io::Error::new(ErrorKind::TimedOut, "all connections are in use"))
}

/// What is done by then.
async fn within<T>(end: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match end {
        Some(end) => timeout_at(end.into(), work).await.ok(),
        // Further away than a clock counts is never.
        None => Some(work.await),
    }
}

/// With a word to the server, which otherwise notes in its log that a client was lost.
fn close<D: Dialect>(connection: PoolConnection<D>) {
    let connection = connection.detach();
    if let Ok(runtime) = Handle::try_current() {
        drop(runtime.spawn(async move { drop(timeout(GOODBYE, connection.close()).await) }));
    }
}

impl<D: Database> Clone for Lender<D> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            resting: self.resting.clone(),
            renewal: self.renewal.clone(),
            manner: self.manner.clone(),
        }
    }
}

/// A connection that a call has for itself.
pub(super) struct Lent<D: Database> {
    connection: Option<PoolConnection<D>>,
    /// Since when it may have been in use, without its pool.
    taken: Instant,
    /// Whether it is in the middle of a call.
    is_busy: bool,
    renewal: Arc<Renewal>,
    home: Option<Home<D>>,
}

/// Where a connection may rest, and the turn of whoever uses it.
type Home<D> = (Arc<Resting<D>>, OwnedSemaphorePermit);

impl<D: Dialect> Lent<D> {
    fn new(
        (connection, taken): (PoolConnection<D>, Instant),
        renewal: Arc<Renewal>,
        home: Option<Home<D>>,
    ) -> Self {
        Self { connection: Some(connection), taken, is_busy: false, renewal, home }
    }

    /// The connection, for a call that [`end`](Self::end) ends.
    pub(super) fn get(&mut self) -> Result<&mut D::Connection> {
        self.is_busy = true;
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }

    /// Since when it may have been in use.
    pub(super) const fn taken(&self) -> Instant {
        self.taken
    }

    /// Ends the call, whose answer says whether the connection is well.
    pub(super) fn end<T>(mut self, answer: Result<T>) -> Result<T> {
        let is_well = match &answer {
            Ok(_) => true,
            // Nothing else leaves a driver between two answers.
            Err(error @ Error::Database(_)) => {
                let (meaning, _) = meaning::<D>(error);
                meaning.leaves_connection_well()
                    || meaning == Meaning::Elsewhere && self.renewal.is_too_early(self.taken)
            }
            Err(_) => false,
        };
        if !is_well || self.renewal.is_before(self.taken) {
            self.close();
            return answer;
        }
        self.is_busy = false;
        let rests = answer.is_ok() && self.taken.elapsed() < LONGEST;
        if rests && let Some((resting, turn)) = self.home.take() {
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
        if let Some(connection) = self.connection.take() {
            close::<D>(connection);
        }
    }

    /// Asks a connection that was idle. One that does not answer is closed.
    async fn is_there(&mut self) -> bool {
        let renewal = self.renewal.clone();
        let asked = async { self.get()?.ping().await };
        let is_there = renewal.unless_silent(asked).await.is_ok();
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
