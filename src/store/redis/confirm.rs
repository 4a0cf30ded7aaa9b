//! Waiting until replicas have a write.
//!
//! What waits holds up what comes after, so it has a connection of its own, which may lead to another master than the
//! one that took the write: then everything there has its replicas, but the write is not among it. So what was written
//! is looked for on this very connection, or written once more where that is the same: a logout.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};

use super::connection::Connection;
use super::error::store_error;
use super::keys::Partition;
use super::{RedisStore, row};
use crate::store::{Result, StoreError, StoreErrorKind, StoreKey, Version};

/// For how long at least it is known what was written. Who waits does so right after the write.
const MEMORY: Duration = Duration::from_secs(30);

pub(super) struct Waiting {
    connection: Connection,
    replicas: u32,
    within: Duration,
    written: Mutex<Written>,
}

/// What a write left of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    Version { now: Version, before: Option<Version> },
}

/// The last writes, in two parts: the older one is forgotten as a whole.
struct Written {
    young: HashMap<StoreKey, Left>,
    old: HashMap<StoreKey, Left>,
    since: Instant,
}

impl Waiting {
    pub(super) fn new(connection: Connection, replicas: u32, within: Duration) -> Self {
        let written = Written { young: HashMap::new(), old: HashMap::new(), since: Instant::now() };
        Self { connection, replicas, within, written: Mutex::new(written) }
    }

    /// Sends these commands, which have to do with what was written, and waits. Answers with what they were answered.
    async fn wait(&self, mut commands: Pipeline, mark: String) -> Result<Vec<Value>> {
        // Something to wait for, also where nothing else was written on this connection.
        commands.cmd("SET").arg(mark).arg(1).arg("EX").arg(60);
        commands.cmd("WAIT").arg(self.replicas).arg(self.within.as_millis().max(1) as u64);
        let mut answers = self
            .connection
            .send_all(&commands)
            .await
            .map_err(|error| unconfirmed(store_error(error)))?;
        match answers.pop() {
            Some(Value::Int(have)) if have >= i64::from(self.replicas) => Ok(answers),
            Some(Value::Int(have)) => Err(unconfirmed(format!(
                "{have} of {} replicas had the write in time",
                self.replicas
            ))),
            _ => Err(unconfirmed("Redis does not say how many replicas have it")),
        }
    }
}

impl RedisStore {
    /// Notes what a write left, for who is going to wait for it.
    pub(super) fn wrote(&self, key: &StoreKey, left: Left) {
        if let Some(waiting) = &self.waiting {
            waiting.written.lock().unwrap_or_else(PoisonError::into_inner).note(*key, left);
        }
    }

    /// Waits until replicas have what was last written of this record here.
    pub(super) async fn confirm(&self, key: &StoreKey) -> Result<()> {
        let Some(waiting) = &self.waiting else { return Ok(()) };
        let partition = self.shared.keys.partition_of(key);
        let left = waiting.written.lock().unwrap_or_else(PoisonError::into_inner).of(key);
        match left {
            Some(Left::Nothing) => self.confirm_gone(partition, std::iter::once(key)).await,
            None => self.confirm_gone(partition, std::iter::empty()).await,
            Some(Left::Version { now, before }) => {
                let mut look = ::redis::pipe();
                look.cmd("GETRANGE").arg(self.shared.keys.record(key)).arg(0).arg(7);
                let answers = waiting.wait(look, self.shared.keys.mark(partition)).await?;
                let is_lost = match answers.first() {
                    Some(Value::BulkString(there)) => is_lost(there, now, before),
                    _ => true,
                };
                let cause = "another master has taken the place of the one that took the write";
                if is_lost { Err(unconfirmed(cause)) } else { Ok(()) }
            }
        }
    }

    /// Removes records once more, and waits until replicas have that.
    pub(super) async fn confirm_gone(
        &self,
        partition: Partition,
        gone: impl Iterator<Item = &StoreKey> + Send,
    ) -> Result<()> {
        let Some(waiting) = &self.waiting else { return Ok(()) };
        let mut remove = ::redis::pipe();
        let names: Vec<String> = gone.map(|key| self.shared.keys.record(key)).collect();
        if !names.is_empty() {
            remove.cmd("DEL").arg(names);
        }
        waiting.wait(remove, self.shared.keys.mark(partition)).await.map(drop)
    }
}

/// Whether a master has not seen a write, by the version that it has. Any other than the one before is a later one's,
/// and of a record that is gone no old ticket opens anything.
fn is_lost(there: &[u8], now: Version, before: Option<Version>) -> bool {
    let is = |version| there == row::version_bytes(version);
    match before {
        Some(before) => is(before) && before != now,
        None => there.is_empty(),
    }
}

impl Written {
    fn note(&mut self, key: StoreKey, left: Left) {
        if self.since.elapsed() > MEMORY {
            self.old = std::mem::take(&mut self.young);
            self.since = Instant::now();
        }
        self.young.insert(key, left);
    }

    fn of(&self, key: &StoreKey) -> Option<Left> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }
}

/// The store is there, and has done what it was asked: whatever the reason, it does not count as out of reach.
fn unconfirmed(cause: impl Into<crate::error::BoxError>) -> StoreError {
    StoreError::new(StoreErrorKind::Rejected, Unconfirmed(cause.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("the write is done, but a failover may undo it")]
struct Unconfirmed(#[source] crate::error::BoxError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s77_a_master_that_has_the_version_before_has_not_seen_the_write() {
        let [one, two, three] = [1, 2, 3].map(Version::from_number);
        for (there, before, expected) in [
            (Some(two), Some(one), false),
            (Some(three), Some(one), false),
            (None, Some(one), false),
            (Some(one), Some(one), true),
            (Some(two), None, false),
            (None, None, true),
        ] {
            let there = there.map(row::version_bytes).map_or(vec![], Vec::from);
            assert_eq!(is_lost(&there, two, before), expected, "{there:?} {before:?}");
        }
    }

    #[test]
    fn what_was_written_is_known_until_it_is_old() {
        let mut written =
            Written { young: HashMap::new(), old: HashMap::new(), since: Instant::now() };
        let key = |number| StoreKey::from_bytes([number; 16]);
        written.note(key(1), Left::Nothing);
        let mut seen = vec![written.of(&key(1))];
        for _ in 0..2 {
            written.since = Instant::now().checked_sub(MEMORY + Duration::from_secs(1)).unwrap();
            written.note(key(0), Left::Nothing);
            seen.push(written.of(&key(1)));
        }
        assert_eq!(seen, [Some(Left::Nothing), Some(Left::Nothing), None]);
    }
}
