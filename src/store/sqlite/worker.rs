//! The threads that own the connections: one that writes, a few that read.
//!
//! The writer takes whatever waits and does all of it in one transaction (group commit): under load many requests
//! share one `fsync`. Each is answered after the commit, never before.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::store_error;
use crate::store::{Result, StoreError, StoreErrorKind};
use crate::time::{Clock, Timestamp};

/// How much may wait for a thread; then callers wait too.
const WAITING: usize = 1024;
/// How much goes into one transaction.
const BATCH: usize = 256;
/// How many expired rows the writer removes at once.
const SWEPT_AT_ONCE: usize = 500;

/// What a thread is asked to do with its connection.
type Job = Box<dyn AnyJob>;

trait AnyJob: Send {
    /// Does it. An error may have ended the transaction around it.
    fn run(&mut self, connection: &Connection);
    /// Tells the caller; `failure` if what was done did not last.
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

struct Task<T, W> {
    work: Option<W>,
    done: Option<rusqlite::Result<T>>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, W> AnyJob for Task<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) {
        // A caller that has gone away before wants nothing done.
        if !self.caller.is_closed() {
            self.done = self.work.take().map(|work| work(connection));
        }
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let answer = match (self.done, failure) {
            (Some(Err(error)), _) => Err(store_error(error)),
            (_, Some(failure)) => Err(same(failure)),
            (Some(Ok(answer)), None) => Ok(answer),
            (None, None) => return,
        };
        // Whoever does not wait any more does not want to know.
        let _ = self.caller.send(answer);
    }
}

/// A thread with a connection, seen from outside. It ends when this is dropped.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// A thread that does everything in transactions, and sweeps now and then.
    pub(super) fn writing(connection: Connection, sweeper: Sweeper) -> Result<Self> {
        Self::start("cloakroom-sqlite-writer", move |jobs| write(connection, jobs, sweeper))
    }

    /// A thread that reads.
    pub(super) fn reading(connection: Connection) -> Result<Self> {
        Self::start("cloakroom-sqlite-reader", move |mut jobs| {
            while let Some(mut job) = jobs.blocking_recv() {
                job.run(&connection);
                job.answer(None);
            }
        })
    }

    fn start(name: &str, run: impl FnOnce(mpsc::Receiver<Job>) + Send + 'static) -> Result<Self> {
        let (jobs, receiver) = mpsc::channel(WAITING);
        let thread = thread::Builder::new().name(name.into()).spawn(|| run(receiver));
        thread.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, error))?;
        Ok(Self { jobs })
    }

    /// Has `work` done on the thread, and waits for the answer.
    pub(super) async fn ask<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Task { work: Some(work), done: None, caller });
        let ended =
            |_| StoreError::new(StoreErrorKind::Unavailable, "the store's thread has ended");
        self.jobs.send(job).await.map_err(|_| ended(()))?;
        answer.await.map_err(|_| ended(()))?
    }
}

/// Several threads that do the same, in turn.
pub(super) struct Pool {
    workers: Vec<Worker>,
    next: AtomicUsize,
}

impl Pool {
    pub(super) const fn new(workers: Vec<Worker>) -> Self {
        Self { workers, next: AtomicUsize::new(0) }
    }

    pub(super) fn any(&self) -> &Worker {
        &self.workers[self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len()]
    }
}

fn write(mut connection: Connection, mut jobs: mpsc::Receiver<Job>, mut sweeper: Sweeper) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut batch, BATCH) > 0 {
        let failure = write_batch(&mut connection, &mut batch).err();
        // Looked at before the answer: whoever has that may move a clock of their own.
        let now = sweeper.clock.now();
        batch.drain(..).for_each(|job| job.answer(failure.as_ref()));
        sweeper.sweep_if_due(&connection, now);
    }
}

/// Does all jobs, or none. A job that fails alone takes no other with it.
fn write_batch(connection: &mut Connection, batch: &mut [Job]) -> Result<()> {
    let immediate = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(immediate).map_err(store_error)?;
    for job in batch {
        job.run(&transaction);
        if transaction.is_autocommit() {
            let cause = "a write that shared the transaction failed, and SQLite took it back whole";
            return Err(StoreError::new(StoreErrorKind::Unavailable, cause));
        }
    }
    transaction.commit().map_err(store_error)
}

/// The same failure again, for each of those who shared it.
fn same(failure: &StoreError) -> StoreError {
    StoreError::new(failure.kind(), failure.causes())
}

/// Removes expired rows now and then, so that nobody has to.
pub(super) struct Sweeper {
    pub(super) every: Option<Duration>,
    pub(super) clock: Box<dyn Clock>,
    pub(super) last: Timestamp,
}

impl Sweeper {
    fn sweep_if_due(&mut self, connection: &Connection, now: Timestamp) {
        let Some(every) = self.every else { return };
        if now.since(self.last) < every {
            return;
        }
        self.last = now;
        // One statement is a transaction of its own.
        match sweep(connection, now, SWEPT_AT_ONCE) {
            Ok(swept) if swept == SWEPT_AT_ONCE => self.last = Timestamp::from_secs(0), // go on
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "expired sessions not swept"),
        }
    }
}

/// Removes rows that expired before `now`.
pub(super) fn sweep(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM sessions WHERE key IN \
               (SELECT key FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection.prepare_cached(sql)?.execute((now.as_micros(), limit))
}
