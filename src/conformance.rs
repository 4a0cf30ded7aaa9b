//! What every store has to hold to, as tests that anybody can run on a store of their own.
//!
//! One line in a test file makes one named test of each rule, another one those of the races, a third one a test of many
//! writes:
//!
//! ```
//! # use std::collections::{HashMap, hash_map::Entry};
//! # use std::sync::{Mutex, MutexGuard, PoisonError};
//! use cloakroom::Timestamp;
//! use cloakroom::store::{Created, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version};
//!
//! #[derive(Debug, Default)]
//! pub struct MapStore(Mutex<HashMap<StoreKey, Stored>>);
//!
//! impl Store for MapStore {
//!     async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
//!         Ok(self.rows().get(key).cloned())
//!     }
//!
//!     async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
//!         match self.rows().entry(*key) {
//!             Entry::Occupied(_) => Ok(Created::Taken),
//!             Entry::Vacant(free) => Ok(Created::Done(free.insert(Stored::first(record)).version)),
//!         }
//!     }
//!
//!     async fn replace(&self, key: &StoreKey, expected: Version, record: &Record) -> Result<Replaced> {
//!         match self.rows().get_mut(key) {
//!             None => Ok(Replaced::Gone),
//!             Some(other) if other.version != expected => Ok(Replaced::Conflict(other.clone())),
//!             Some(row) => Ok(Replaced::Done(row.replace(record))),
//!         }
//!     }
//!
//!     async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
//!         match self.rows().get_mut(key) {
//!             None => Ok(Touched::Gone),
//!             Some(other) if other.version != seen => Ok(Touched::Changed),
//!             Some(row) => {
//!                 row.record.expires_at = expires_at;
//!                 Ok(Touched::Done)
//!             }
//!         }
//!     }
//!
//!     async fn remove(&self, key: &StoreKey) -> Result<bool> {
//!         Ok(self.rows().remove(key).is_some())
//!     }
//!
//!     async fn await_replication(&self, _: &StoreKey) -> Result<()> {
//!         Ok(()) // there is one map, and it outlasts nothing
//!     }
//! }
//!
//! impl MapStore {
//!     fn rows(&self) -> MutexGuard<'_, HashMap<StoreKey, Stored>> {
//!         self.0.lock().unwrap_or_else(PoisonError::into_inner)
//!     }
//! }
//!
//! cloakroom::store_conformance!(async { MapStore::default() }); // one named test for each rule
//! cloakroom::store_races!(async { MapStore::default() });
//! cloakroom::store_endurance!(async { MapStore::default() });
//!
//! # fn main() {
//! # use cloakroom::conformance::{block_on, endurance, run, run_races};
//! # use std::sync::Arc;
//! # block_on(run(async || MapStore::default()));
//! # block_on(run_races(async || MapStore::default()));
//! # let store = Arc::new(MapStore::default());
//! # block_on(endurance::no_version_comes_again(store, endurance::WRITES));
//! # }
//! ```
//!
//! A store that implements [`Index`](crate::store::Index), [`Scan`](crate::store::Scan) or
//! [`Sweep`](crate::store::Sweep) adds [`index_conformance!`](crate::index_conformance),
//! [`scan_conformance!`](crate::scan_conformance) or [`sweep_conformance!`](crate::sweep_conformance). A rule that
//! is broken panics with what was expected. Each test makes its own store by the given expression and uses keys and
//! owners of its own, so that an engine can be shared and tests run side by side.
//!
//! [`run`] does all rules in one call, [`run_races`] all races, [`endurance::no_version_comes_again`] as many writes as
//! it is told: for tests that are not made by the macros.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::random::{Random, SystemRandom};
use crate::store::{Created, Record, Store, StoreKey, Version};
use crate::time::Timestamp;

/// Makes, of one list of names, the macro that turns each rule into a test, the list as values, and the function that
/// runs them all.
macro_rules! suite {
    ($d:tt $module:ident, $bound:ident, $macro:ident, $list:ident, $run:ident; $($rule:ident)*) => {
        /// Makes one `#[test]` of each of these rules. Takes an expression for a future that gives a new store.
        #[macro_export]
        macro_rules! $macro {
            ($d store:expr) => {
                $(
                    #[test]
                    fn $rule() {
                        $crate::conformance::check($d store, $crate::conformance::$module::$rule);
                    }
                )*
            };
        }

        /// These rules, to be run one by one.
        #[must_use]
        pub fn $list<S: $bound>() -> Vec<$crate::conformance::Rule<S>> {
            vec![$($crate::conformance::Rule {
                name: stringify!($rule),
                check: |store| Box::pin($rule(store)),
            }),*]
        }

        /// Runs all of these rules, each on a new store.
        ///
        /// # Panics
        /// If the store breaks one.
        pub async fn $run<S: $bound>(new: impl AsyncFn() -> S) {
            for rule in $list::<S>() {
                (rule.check)(::std::sync::Arc::new(new().await)).await;
            }
        }
    };
}

pub mod endurance;
pub mod index;
pub mod races;
pub mod rules;
pub mod scan;
pub mod sweep;

pub use index::run_index;
pub use races::run_races;
pub use rules::run;
pub use scan::run_scan;
pub use sweep::run_sweep;

/// One rule, and what checks it.
pub struct Rule<S> {
    /// What it says, as the name of a test.
    pub name: &'static str,
    /// Panics if the store breaks the rule.
    pub check: fn(Arc<S>) -> Checking,
}

/// A rule being checked.
pub type Checking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs one rule on a new store, on a runtime of its own with several threads.
///
/// # Panics
/// If the store breaks the rule.
pub fn check<S: Store, R: Future<Output = ()>>(
    new: impl Future<Output = S>,
    rule: impl FnOnce(Arc<S>) -> R,
) {
    block_on(async { rule(Arc::new(new.await)).await });
}

/// Runs a future on a runtime of its own with several threads, for tests that have none.
///
/// # Panics
/// If there can be no runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(4).enable_all().build().expect("threads can be started").block_on(future)
}

/// A key that nobody else has.
fn any_key() -> StoreKey {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).expect("randomness");
    StoreKey::from_bytes(bytes)
}

/// An owner that nobody else has.
fn any_owner() -> Arc<str> {
    any_key().to_string().into()
}

/// A record of nobody's that lives long enough for any test.
fn record(data: impl Into<bytes::Bytes>) -> Record {
    Record::new(data, far_away(), None)
}

fn record_of(owner: &Arc<str>) -> Record {
    Record::new("session", far_away(), Some(owner.clone()))
}

/// In the year 2100, with a fraction.
fn far_away() -> Timestamp {
    Timestamp::from_micros(4_102_444_800_123_456)
}

/// In 2001.
fn long_ago() -> Timestamp {
    Timestamp::from_secs(1_000_000_000)
}

/// Puts a record there, as a rule's beginning.
async fn create(store: &impl Store, key: &StoreKey, record: &Record) -> Version {
    match store.create(key, record).await.expect("create answers") {
        Created::Done(version) => version,
        Created::Taken => panic!("create said Taken for a key that was never used"),
    }
}
