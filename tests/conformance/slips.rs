//! Stores that are right but for one small thing: each breaks the rules that tell of it, and no other.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use cloakroom::Timestamp;
use cloakroom::conformance::Rule;
use cloakroom::conformance::endurance::{WRITES, no_version_comes_again};
use cloakroom::conformance::races::race_rules;
use cloakroom::conformance::rules::store_rules;
use cloakroom::store::{
    Created, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};

use crate::careless::{Rows, broken, names, touch};

/// What a store does otherwise than it should.
trait Slip: Send + Sync + 'static {
    /// What a record is really kept under.
    fn place(key: &StoreKey) -> StoreKey {
        *key
    }

    /// The version of the next write.
    fn next(version: Version) -> Version {
        version.next()
    }

    /// Whether a version that was seen is the one that is there.
    fn is_same(seen: Version, there: Version) -> bool {
        seen == there
    }

    /// The version that a touch goes by.
    fn touched(seen: Version, _there: Version) -> Version {
        seen
    }
}

struct Slipping<S>(Rows, PhantomData<S>);

impl<S> Default for Slipping<S> {
    fn default() -> Self {
        Self(Rows::default(), PhantomData)
    }
}

impl<S: Slip> Store for Slipping<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        Ok(self.0.lock().unwrap().get(&S::place(key)).cloned())
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let mut rows = self.0.lock().unwrap();
        if rows.contains_key(&S::place(key)) {
            return Ok(Created::Taken);
        }
        rows.insert(S::place(key), Stored::first(record));
        Ok(Created::Done(Version::FIRST))
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        match self.0.lock().unwrap().get_mut(&S::place(key)) {
            None => Ok(Replaced::Gone),
            Some(row) if S::is_same(expected, row.version) => {
                *row = Stored { record: record.clone(), version: S::next(row.version) };
                Ok(Replaced::Done(row.version))
            }
            Some(other) => Ok(Replaced::Conflict(other.clone())),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let mut rows = self.0.lock().unwrap();
        let place = S::place(key);
        let seen = rows.get(&place).map_or(seen, |row| S::touched(seen, row.version));
        Ok(touch(&mut rows, &place, seen, expires_at))
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        Ok(self.0.lock().unwrap().remove(&S::place(key)).is_some())
    }

    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

/// Of all rules, the ones that a store with this slip breaks.
fn broken_by<S: Slip>() -> BTreeSet<&'static str> {
    let endurance = Rule {
        name: "no_version_comes_again",
        check: |store| Box::pin(no_version_comes_again(store, WRITES)),
    };
    let rules = store_rules::<Slipping<S>>().into_iter().chain(race_rules()).chain([endurance]);
    broken(rules.collect())
}

struct Nothing;
impl Slip for Nothing {}

#[test]
fn a_store_without_a_slip_breaks_no_rule() {
    assert_eq!(broken_by::<Nothing>(), names(&[]));
}

struct CutKeys;
impl Slip for CutKeys {
    fn place(key: &StoreKey) -> StoreKey {
        let mut bytes = *key.as_bytes();
        bytes[8..].fill(0);
        StoreKey::from_bytes(bytes)
    }
}

#[test]
fn a_store_that_cuts_keys_to_8_bytes_is_found_out() {
    assert_eq!(broken_by::<CutKeys>(), names(&["keys_that_differ_in_one_bit_are_two_records"]));
}

struct WrappingVersions;
impl Slip for WrappingVersions {
    fn next(version: Version) -> Version {
        Version::from_number((version.number() + 1) % 65_536)
    }
}

#[test]
fn s62_a_store_whose_versions_come_again_after_65_536_writes_is_found_out() {
    assert_eq!(broken_by::<WrappingVersions>(), names(&["no_version_comes_again"]));
}

struct ShortVersions;
impl Slip for ShortVersions {
    fn is_same(seen: Version, there: Version) -> bool {
        seen.number() % 65_536 == there.number() % 65_536
    }
}

#[test]
fn s62_a_store_that_compares_16_bits_of_a_version_is_found_out() {
    let rules = names(&["a_version_that_was_never_given_fits_nothing"]);
    assert_eq!(broken_by::<ShortVersions>(), rules);
}

struct BlindTouch;
impl Slip for BlindTouch {
    fn touched(_seen: Version, there: Version) -> Version {
        there
    }
}

#[test]
fn a_store_whose_touch_ignores_the_version_is_found_out() {
    assert_eq!(
        broken_by::<BlindTouch>(),
        names(&[
            "a_touch_never_undoes_a_replace",
            "a_version_that_was_never_given_fits_nothing",
            "touch_of_an_old_version_changes_nothing",
        ])
    );
}
