//! Stores with the mistakes that are made most easily: the suite has to name each of them, and no other.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use cloakroom::Timestamp;
use cloakroom::conformance::races::race_rules;
use cloakroom::conformance::rules::store_rules;
use cloakroom::conformance::{Rule, block_on};
use cloakroom::store::{
    Created, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};

pub type Rows = Mutex<HashMap<StoreKey, Stored>>;

/// As it ought to be.
pub fn touch(
    rows: &mut HashMap<StoreKey, Stored>,
    key: &StoreKey,
    seen: Version,
    expires_at: Timestamp,
) -> Touched {
    match rows.get_mut(key) {
        None => Touched::Gone,
        Some(other) if other.version != seen => Touched::Changed,
        Some(row) => {
            row.record.expires_at = expires_at;
            Touched::Done
        }
    }
}

/// The names of the rules that the store breaks.
pub fn broken<S: Store + Default>(rules: Vec<Rule<S>>) -> BTreeSet<&'static str> {
    let breaks = |rule: &Rule<S>| {
        let check = || block_on((rule.check)(Arc::new(S::default())));
        std::panic::catch_unwind(AssertUnwindSafe(check)).is_err()
    };
    rules.iter().filter(|rule| breaks(rule)).map(|rule| rule.name).collect()
}

pub fn names(names: &[&'static str]) -> BTreeSet<&'static str> {
    names.iter().copied().collect()
}

/// `replace` writes whatever is there, or nothing: an upsert.
#[derive(Default)]
struct Upserting(Rows);

impl Store for Upserting {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let stored = self.0.lock().unwrap().get(key).cloned();
        tokio::task::yield_now().await; // the answer's way back from the engine
        Ok(stored)
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        self.0.lock().unwrap().insert(*key, Stored::first(record));
        Ok(Created::Done(Version::FIRST))
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let version = expected.next();
        self.0.lock().unwrap().insert(*key, Stored { record: record.clone(), version });
        Ok(Replaced::Done(version))
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        Ok(touch(&mut self.0.lock().unwrap(), key, seen, expires_at))
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        Ok(self.0.lock().unwrap().remove(key).is_some())
    }

    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

#[test]
fn s62_s64_a_store_that_upserts_is_found_out() {
    assert_eq!(
        broken(store_rules::<Upserting>()),
        names(&[
            "create_does_not_overwrite",
            "a_version_that_was_never_given_fits_nothing",
            "replace_after_remove_is_gone",
            "replace_does_not_create",
            "replace_of_an_old_version_is_a_conflict_with_what_is_there",
        ])
    );
    assert_eq!(
        broken(race_rules::<Upserting>()),
        names(&[
            "a_replace_never_revives_what_is_removed",
            "every_replace_counts",
            "one_of_many_creates_the_record",
            "one_of_many_replaces_a_version",
        ])
    );
}

/// Looks first and then writes, with time for others in between. One caller alone sees nothing wrong.
#[derive(Default)]
struct GetThenSet(Rows);

impl GetThenSet {
    async fn get(&self, key: &StoreKey) -> Option<Stored> {
        let stored = self.0.lock().unwrap().get(key).cloned();
        tokio::task::yield_now().await; // a round trip to the engine
        stored
    }

    fn set(&self, key: &StoreKey, stored: Stored) {
        self.0.lock().unwrap().insert(*key, stored);
    }
}

impl Store for GetThenSet {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        Ok(self.get(key).await)
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        if self.get(key).await.is_some() {
            return Ok(Created::Taken);
        }
        self.set(key, Stored::first(record));
        Ok(Created::Done(Version::FIRST))
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        match self.get(key).await {
            None => Ok(Replaced::Gone),
            Some(other) if other.version != expected => Ok(Replaced::Conflict(other)),
            Some(mut row) => {
                let version = row.replace(record);
                self.set(key, row);
                Ok(Replaced::Done(version))
            }
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let Some(mut row) = self.get(key).await else { return Ok(Touched::Gone) };
        if row.version != seen {
            return Ok(Touched::Changed);
        }
        row.record.expires_at = expires_at;
        self.set(key, row);
        Ok(Touched::Done)
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let was_there = self.get(key).await.is_some();
        self.0.lock().unwrap().remove(key);
        Ok(was_there)
    }

    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

#[test]
fn s62_s64_a_store_that_gets_and_then_sets_passes_every_rule_and_loses_every_race() {
    assert_eq!(broken(store_rules::<GetThenSet>()), names(&[]));
    let races: BTreeSet<_> = race_rules::<GetThenSet>().iter().map(|rule| rule.name).collect();
    assert_eq!(broken(race_rules::<GetThenSet>()), races);
}
