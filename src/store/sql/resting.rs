//! Connections between two calls: the one used last is used next, and those that nobody needs go back to their pool.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::{Database, Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Dialect;
use super::lent::Lent;

/// How long a connection rests before it goes back to its pool, and how often that is looked at.
const REST: Duration = Duration::from_secs(10);

/// A connection between two calls.
pub(super) struct Rested<D: Database> {
    pub(super) lent: Lent<D>,
    /// Since when nobody has used it.
    pub(super) since: Instant,
}

/// All of one pool.
pub(super) struct Resting<D: Database> {
    /// As many as the pool may have connections: who has one need not wait in the pool for one that rests here.
    turns: Arc<Semaphore>,
    state: Mutex<State<D>>,
}

struct State<D: Database> {
    /// The one used last is at the end.
    stack: Vec<Rested<D>>,
    is_looked_after: bool,
}

impl<D: Dialect> Resting<D> {
    pub(super) fn new(connections: u32) -> Self {
        let turns = Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(usize::MAX)));
        Self { turns, state: Mutex::new(State { stack: Vec::new(), is_looked_after: false }) }
    }

    /// Waits until fewer than all connections are in use.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit> {
        self.turns.clone().acquire_owned().await.map_err(|_| Error::PoolClosed)
    }

    pub(super) fn take(&self) -> Option<Rested<D>> {
        self.lock().stack.pop()
    }

    pub(super) fn put(self: &Arc<Self>, rested: Rested<D>) {
        let mut state = self.lock();
        state.stack.push(rested);
        if !state.is_looked_after {
            state.is_looked_after = true;
            drop(tokio::spawn(look_after(Arc::downgrade(self))));
        }
    }

    /// Takes out those that nobody has used for so long.
    pub(super) fn take_idle(&self, span: Duration) -> Vec<Rested<D>> {
        let mut state = self.lock();
        let idle = state.stack.partition_point(|rested| rested.since.elapsed() >= span);
        state.stack.drain(..idle).collect()
    }

    /// Gives back to the pool those that nobody seems to need, and says whether others are left.
    fn give_back(self: &Arc<Self>) -> bool {
        for Rested { lent, .. } in self.take_idle(REST) {
            let turn = self.turns.clone().try_acquire_owned().ok();
            lent.give_back(turn.map(|turn| (self.clone(), turn)));
        }
        let mut state = self.lock();
        state.is_looked_after = !state.stack.is_empty();
        state.is_looked_after
    }

    fn lock(&self) -> MutexGuard<'_, State<D>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back what nobody needs, until nothing rests any more. The pool keeps it as long as its own limits say.
async fn look_after<D: Dialect>(resting: Weak<Resting<D>>) {
    loop {
        tokio::time::sleep(REST).await;
        match resting.upgrade() {
            Some(resting) if resting.give_back() => {}
            _ => return,
        }
    }
}
