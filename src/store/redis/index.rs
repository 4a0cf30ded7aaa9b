//! An owner's records: found by a sorted set in each partition, which is written together with them.

use std::collections::HashSet;
use std::future::Future;

use ::redis::{AsyncCommands, Script};
use futures_util::future::try_join_all;
use futures_util::stream::{StreamExt, TryStreamExt, iter};

use super::error::store_error;
use super::keys::Partition;
use super::{RedisStore, row};
use crate::store::{Index, Listed, Record, Result, StoreKey, Stored, Version};
use crate::time::Timestamp;

/// How many records one command is about: Redis does nothing else meanwhile.
const AT_ONCE: usize = 256;
/// How many commands are on their way for one partition.
const COMMANDS: usize = 8;

impl RedisStore {
    /// Runs a script about records of one partition and their owner's index, which answers with names.
    async fn of_owner(
        &self,
        script: &Script,
        partition: Partition,
        owner: &str,
        keys: &[StoreKey],
    ) -> Result<Vec<StoreKey>> {
        let mut script = script.key(self.shared.keys.index(partition, owner));
        script.arg(owner);
        for key in keys {
            script.key(self.shared.keys.record(key)).arg(key.to_string());
        }
        Ok(parsed(&self.run::<Vec<String>>(&script).await?))
    }

    /// Lets go of a name that is no record's of this owner any more.
    pub(super) async fn let_go(&self, owner: &str, key: &StoreKey) {
        let partition = self.shared.keys.partition_of(key);
        // If this fails, whoever looks does it: the name does no harm.
        let _ = self.of_owner(&self.shared.scripts.heal, partition, owner, &[*key]).await;
    }

    /// The names in an owner's index, stale ones among them.
    async fn names(&self, partition: Partition, owner: &str) -> Result<Vec<StoreKey>> {
        let index = self.shared.keys.index(partition, owner);
        let mut connection = self.connection.clone();
        let names: Vec<String> = connection.zrange(index, 0, -1).await.map_err(store_error)?;
        Ok(parsed(&names))
    }

    async fn list_in(&self, partition: Partition, owner: &str) -> Result<Vec<Listed>> {
        let keys = self.names(partition, owner).await?;
        let lists = keys.chunks(AT_ONCE).map(|keys| self.records(partition, owner, keys));
        side_by_side(lists.collect()).await
    }

    /// Those records of an owner that are there. Lets go of the names of the others.
    async fn records(
        &self,
        partition: Partition,
        owner: &str,
        keys: &[StoreKey],
    ) -> Result<Vec<Listed>> {
        let names: Vec<String> = keys.iter().map(|key| self.shared.keys.record(key)).collect();
        let mut connection = self.connection.clone();
        let values: Vec<Option<Vec<u8>>> = connection.mget(names).await.map_err(store_error)?;
        let (mut listed, mut stale) = (Vec::new(), Vec::new());
        for (key, value) in keys.iter().zip(values) {
            let stored = value.map(|value| {
                row::decode(value.clone()).unwrap_or_else(|| unreadable(value, owner))
            });
            match stored.filter(|there| there.record.owner.as_deref() == Some(owner)) {
                Some(stored) => listed.push(Listed { key: *key, stored }),
                None => stale.push(*key),
            }
        }
        if !stale.is_empty() {
            let heal = self.of_owner(&self.shared.scripts.heal, partition, owner, &stale).await?;
            let unreadable = |key| Listed { key, stored: unreadable(Vec::new(), owner) };
            listed.extend(heal.into_iter().map(unreadable));
        }
        Ok(listed)
    }

    async fn remove_in(
        &self,
        partition: Partition,
        owner: &str,
        keep: Option<&StoreKey>,
    ) -> Result<usize> {
        let mut keys = self.names(partition, owner).await?;
        keys.retain(|key| Some(key) != keep);
        let script = &self.shared.scripts.remove_of;
        let removals =
            keys.chunks(AT_ONCE).map(|keys| self.of_owner(script, partition, owner, keys));
        let removed = side_by_side(removals.collect()).await?;
        let removed: HashSet<StoreKey> = removed.into_iter().collect();
        // Also where nothing was left to remove: an earlier try may not have waited long enough.
        self.confirm_gone(partition, removed.iter()).await?;
        Ok(removed.len())
    }
}

impl Index for RedisStore {
    /// One round trip for every 256 of them, several at once, and as many for names that nobody let go yet. What is
    /// no record, but has a name in the index, is among them: nobody can say that it is nothing.
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let partitions = self.shared.keys.partitions();
        let lists = try_join_all(partitions.map(|partition| self.list_in(partition, owner)));
        Ok(lists.await?.into_iter().flatten().collect())
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        Ok(self.list(owner).await?.len())
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let partition = self.shared.keys.partition_of(key);
        let script = &self.shared.scripts.remove_of;
        let removed = self.of_owner(script, partition, owner, &[*key]).await?;
        self.confirm_gone(partition, removed.iter()).await?;
        Ok(!removed.is_empty())
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let partitions = self.shared.keys.partitions();
        let removed =
            try_join_all(partitions.map(|partition| self.remove_in(partition, owner, keep)));
        Ok(removed.await?.into_iter().sum())
    }
}

/// What these calls, a few at once, answer together.
async fn side_by_side<T>(calls: Vec<impl Future<Output = Result<Vec<T>>>>) -> Result<Vec<T>> {
    let answers: Vec<Vec<T>> = iter(calls).buffer_unordered(COMMANDS).try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

fn parsed(names: &[String]) -> Vec<StoreKey> {
    names.iter().filter_map(|name| StoreKey::parse(name)).collect()
}

/// What is no record, but may be somebody's session for all that is known: it is said to be there, and its data that
/// nobody can read says the rest.
fn unreadable(value: Vec<u8>, owner: &str) -> Stored {
    let record = Record::new(value, Timestamp::MAX, Some(owner.into()));
    Stored { record, version: Version::from_number(0) }
}
