//! Requests of one session that lost a race wait here for each other, instead of losing again and again.
//!
//! A queue is there as long as somebody is in it: sessions without races cost nothing, and visitors never wait for
//! each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::store::StoreKey;

/// The queues of a factory.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queues: Lock<HashMap<StoreKey, Arc<Mutex<()>>>>,
    /// How many there are, so that nobody locks the map to find it empty.
    count: AtomicUsize,
}

/// The right to write a session, as far as this process goes. Given on when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    // Before the place, so that it is free when the place is left.
    _guard: OwnedMutexGuard<()>,
    _place: Place<'a>,
}

/// A place in a queue.
#[derive(Debug)]
struct Place<'a> {
    turns: &'a Turns,
    key: StoreKey,
    queue: Arc<Mutex<()>>,
}

impl Turns {
    /// Whether somebody works off a conflict on this session.
    pub(super) fn is_contended(&self, key: &StoreKey) -> bool {
        self.count.load(Ordering::Relaxed) > 0 && self.lock().contains_key(key)
    }

    /// Waits until it is one's turn; first come, first served.
    pub(super) async fn wait(&self, key: StoreKey) -> Turn<'_> {
        let place = self.enter(key);
        let guard = place.queue.clone().lock_owned().await;
        Turn { _guard: guard, _place: place }
    }

    fn enter(&self, key: StoreKey) -> Place<'_> {
        let mut queues = self.lock();
        let queue = queues.entry(key).or_default().clone();
        self.count.store(queues.len(), Ordering::Relaxed);
        Place { turns: self, key, queue }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StoreKey, Arc<Mutex<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        // One here and one in the map: nobody else is in the queue, and nobody enters it without the lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.key);
        }
        self.turns.count.store(queues.len(), Ordering::Relaxed);
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
        let turns = Turns::default();
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
        let turns = Turns::default();
        let first = turns.wait(key(1)).await;
        {
            let mut second = pin!(turns.wait(key(1)));
            assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(first);
        assert!(turns.lock().is_empty());
    }
}
