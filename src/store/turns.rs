//! Who may write a record now: one at a time, in the order in which they came. Nobody waits for another record's.
//!
//! A queue is there as long as somebody is in it: records that one at a time writes cost nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::StoreKey;

/// A queue for each record that somebody writes, and for no other. Tokio's lock is a queue: first come, first served.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queues: Lock<HashMap<StoreKey, Arc<Mutex<()>>>>,
    /// How many there are, so that nobody locks the map to find it empty.
    count: AtomicUsize,
}

/// The right to write a record, as far as this process goes. Given on when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Before the place, so that it is free when the place is left.
    _guard: OwnedMutexGuard<()>,
    _place: Place,
}

/// A place in a record's queue. The last to leave takes the queue away.
#[derive(Debug)]
struct Place {
    turns: Arc<Turns>,
    key: StoreKey,
    queue: Arc<Mutex<()>>,
}

impl Turns {
    /// Whether anybody is in this record's queue.
    pub(crate) fn is_contended(&self, key: &StoreKey) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.lock().contains_key(key)
    }

    /// Waits until everybody who came before has ended. Whoever gives up waiting has not been there.
    pub(crate) async fn wait(self: &Arc<Self>, key: StoreKey) -> Turn {
        let place = self.enter(key);
        let guard = place.queue.clone().lock_owned().await;
        Turn { _guard: guard, _place: place }
    }

    /// Waits for the same, where there is anybody, and lets others go on at once.
    #[cfg(feature = "tower-sessions")]
    pub(crate) async fn wait_for_others(self: &Arc<Self>, key: &StoreKey) {
        if self.is_contended(key) {
            drop(self.wait(*key).await);
        }
    }

    fn enter(self: &Arc<Self>, key: StoreKey) -> Place {
        let mut queues = self.lock();
        let queue = queues.entry(key).or_default().clone();
        self.count.store(queues.len(), Ordering::SeqCst);
        Place { turns: self.clone(), key, queue }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreKey, Arc<Mutex<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        // One here and one in the map: nobody else is in the queue, and nobody enters it without the lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.key);
        }
        self.turns.count.store(queues.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn key(number: u8) -> StoreKey {
        let mut bytes = [7; 16];
        bytes[15] = number;
        StoreKey::from_bytes(bytes)
    }

    #[tokio::test]
    async fn s70_a_session_s_writers_wait_for_each_other_and_for_nobody_else() {
        let turns = Arc::<Turns>::default();
        assert!(!turns.is_contended(&key(1)));
        let first = turns.wait(key(1)).await;
        assert!(turns.is_contended(&key(1)) && !turns.is_contended(&key(2)));
        let other = turns.wait(key(2)).await;
        let mut second = pin!(turns.wait(key(1)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        let second = second.await;
        assert!(turns.is_contended(&key(1)));
        drop((second, other));
        assert!(turns.lock().is_empty(), "a queue goes with the last who stood in it");
        assert_eq!(turns.count.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_queue() {
        let turns = Arc::<Turns>::default();
        let first = turns.wait(key(1)).await;
        {
            let mut second = pin!(turns.wait(key(1)));
            assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(turns.lock().len(), 1, "the first is there still");
        drop(first);
        assert!(turns.lock().is_empty());
    }

    #[cfg(feature = "tower-sessions")]
    #[tokio::test]
    async fn who_only_waits_for_others_needs_no_queue() {
        let turns = Arc::<Turns>::default();
        let first = turns.wait(key(1)).await;
        turns.wait_for_others(&key(2)).await;
        assert_eq!(turns.lock().len(), 1);
        let busy = key(1);
        let mut others = pin!(turns.wait_for_others(&busy));
        assert!(others.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(first);
        others.await;
        assert!(turns.lock().is_empty());
    }
}
