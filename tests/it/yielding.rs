//! A store whose every call lets others run before and after it, as a round trip to an engine does.

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};
use tokio::task::yield_now;

pub struct Yielding<S>(pub S);

async fn slowly<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

impl<S: Store> Store for Yielding<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        slowly(self.0.load(key)).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        slowly(self.0.create(key, record)).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        slowly(self.0.replace(key, expected, record)).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        slowly(self.0.touch(key, seen, expires_at)).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        slowly(self.0.remove(key)).await
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        slowly(self.0.await_replication(key)).await
    }
}
