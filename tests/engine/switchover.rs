//! A switchover that leaves connections open: the server behind them takes no writes any more, and new ones lead to another.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{Created, Record, Result, Store, StoreErrorKind, StoreKey};

const VISITORS: usize = 24;
/// Only against a test that never ends.
const PATIENCE: Duration = Duration::from_secs(20);

async fn write(store: &impl Store) -> Result<Created> {
    static KEYS: AtomicU64 = AtomicU64::new(1000);
    let number = u128::from(KEYS.fetch_add(1, Ordering::Relaxed));
    let record = Record::new(&b"data"[..], Timestamp::from_secs(4_102_444_800), None);
    store.create(&StoreKey::from_bytes(number.to_be_bytes()), &record).await
}

async fn each<F: Future<Output = ()> + Send + 'static>(visitor: impl Fn() -> F) {
    let visitors: Vec<_> = (0..VISITORS).map(|_| tokio::spawn(visitor())).collect();
    for visitor in visitors {
        tokio::time::timeout(PATIENCE, visitor).await.expect("it does not recover").unwrap();
    }
}

/// Two dozen visitors write before, while the server takes no writes, and after new connections lead elsewhere.
pub async fn assert_that_it_is_survived<D: Future, S: FnOnce()>(
    store: impl Store + Clone,
    demote: D,
    switch: S,
) {
    let writes = |times: usize| {
        let store = store.clone();
        move || {
            let store = store.clone();
            async move {
                for _ in 0..times {
                    drop(write(&store).await.unwrap());
                }
            }
        }
    };
    each(writes(5)).await;
    demote.await;
    let refused = store.clone();
    each(move || {
        let store = refused.clone();
        async move {
            // A server may take a moment to tell its sessions.
            let error = loop {
                if let Err(error) = write(&store).await {
                    break error;
                }
            };
            assert_eq!(error.kind(), StoreErrorKind::Rejected, "{error:?}");
        }
    })
    .await;
    switch();
    let recovering = store.clone();
    each(move || {
        let store = recovering.clone();
        async move {
            // Two seconds, in which it may find out.
            for _ in 0..400 {
                let _ = write(&store).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    })
    .await;
    each(writes(50)).await;
}
