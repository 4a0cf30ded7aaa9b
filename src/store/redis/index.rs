//! An owner's records: found by a sorted set in each partition, which is written together with them.

use ::redis::{AsyncCommands, Script, ScriptInvocation};
use futures_util::future::try_join_all;

use super::error::store_error;
use super::keys::Partition;
use super::{RedisStore, stored};
use crate::store::{Index, Listed, Result, Store, StoreKey};

/// How many records are read at once when an owner's are listed.
const LISTED_AT_ONCE: usize = 256;

impl RedisStore {
    /// A script about one record and its owner's index.
    fn of_owner<'a>(
        &self,
        script: &'a Script,
        owner: &str,
        key: &StoreKey,
    ) -> ScriptInvocation<'a> {
        let mut script = script.key(self.shared.keys.record(key));
        script.key(self.index_of(key, owner)).arg(owner).arg(key.to_string());
        script
    }

    /// The names in an owner's index, stale ones among them.
    async fn names(&self, partition: Partition, owner: &str) -> Result<Vec<StoreKey>> {
        let index = self.shared.keys.index(partition, owner);
        let mut connection = self.connection.clone();
        let names: Vec<String> = connection.zrange(index, 0, -1).await.map_err(store_error)?;
        Ok(names.iter().filter_map(|name| StoreKey::parse(name)).collect())
    }

    async fn list_in(&self, partition: Partition, owner: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for keys in self.names(partition, owner).await?.chunks(LISTED_AT_ONCE) {
            let names: Vec<String> = keys.iter().map(|key| self.shared.keys.record(key)).collect();
            let mut connection = self.connection.clone();
            let values: Vec<Option<Vec<u8>>> = connection.mget(names).await.map_err(store_error)?;
            for (key, value) in keys.iter().zip(values) {
                let there = value.map(|value| stored(key, value)).transpose()?;
                match there.filter(|there| there.record.owner.as_deref() == Some(owner)) {
                    Some(stored) => listed.push(Listed { key: *key, stored }),
                    None => {
                        let heal = self.of_owner(&self.shared.scripts.heal, owner, key);
                        self.run::<i64>(&heal).await?;
                    }
                }
            }
        }
        Ok(listed)
    }

    async fn remove_in(
        &self,
        partition: Partition,
        owner: &str,
        keep: Option<&StoreKey>,
    ) -> Result<usize> {
        let mut removed = 0;
        for key in self.names(partition, owner).await?.iter().filter(|key| Some(*key) != keep) {
            let remove = self.of_owner(&self.shared.scripts.remove_of, owner, key);
            removed += usize::from(self.run::<i64>(&remove).await? == 1);
        }
        // Also where nothing was left to remove: an earlier try may not have waited long enough.
        self.wait(partition).await?;
        Ok(removed)
    }
}

impl Index for RedisStore {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let partitions = self.shared.keys.partitions();
        let lists = try_join_all(partitions.map(|partition| self.list_in(partition, owner)));
        Ok(lists.await?.into_iter().flatten().collect())
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        Ok(self.list(owner).await?.len())
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let remove = self.of_owner(&self.shared.scripts.remove_of, owner, key);
        let removed = self.run::<i64>(&remove).await? == 1;
        self.await_replication(key).await?;
        Ok(removed)
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let partitions = self.shared.keys.partitions();
        let removed =
            try_join_all(partitions.map(|partition| self.remove_in(partition, owner, keep)));
        Ok(removed.await?.into_iter().sum())
    }
}
