//! Who may write a record now: one call at a time, in the order in which they came. Nobody waits for another record's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

use crate::store::StoreKey;

/// A queue for each record that somebody writes, and for no other. Tokio's lock is a queue: first come, first served.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<StoreKey, Arc<Queue<()>>>>);

/// The right to write a record, until it is dropped.
pub(super) struct Turn {
    /// Dropped before the place, which looks whether anybody else is there.
    _held: OwnedMutexGuard<()>,
    _place: Place,
}

/// A place in a record's queue. The last to leave takes the queue away.
struct Place {
    turns: Arc<Turns>,
    key: StoreKey,
    queue: Arc<Queue<()>>,
}

impl Turns {
    /// Waits until everybody who came before has ended. Whoever gives up waiting has not been there.
    pub(super) async fn turn(self: &Arc<Self>, key: &StoreKey) -> Turn {
        let queue = self.queues().entry(*key).or_default().clone();
        let place = Place { turns: self.clone(), key: *key, queue };
        let held = place.queue.clone().lock_owned().await;
        Turn { _held: held, _place: place }
    }

    /// Waits for the same, where there is anybody, and lets others go on at once.
    pub(super) async fn wait(self: &Arc<Self>, key: &StoreKey) {
        let is_busy = self.queues().contains_key(key);
        if is_busy {
            drop(self.turn(key).await);
        }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<StoreKey, Arc<Queue<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        // One is the table's, one is this one: nobody else is there, and nobody comes while the table is locked.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn whoever_leaves_last_takes_the_queue_away() {
        let (turns, key) = (Arc::<Turns>::default(), StoreKey::from_bytes([1; 16]));
        let first = turns.turn(&key).await;
        {
            let mut given_up = pin!(turns.turn(&key));
            assert!(given_up.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(turns.queues().len(), 1, "the first is there still");
        let second = turns.turn(&key);
        drop(first);
        let second = second.await;
        turns.wait(&StoreKey::from_bytes([2; 16])).await;
        assert_eq!(turns.queues().len(), 1, "whoever does not write needs no queue");
        drop(second);
        assert!(turns.queues().is_empty());
    }
}
