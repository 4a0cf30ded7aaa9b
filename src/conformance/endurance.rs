//! What holds after more writes than a test makes otherwise: a version that was used once never comes again.
//!
//! A request that still has the old one would replace a record that it never saw. Versions of 16 bits come again after 65,536 writes of one record, and the only way to notice is to make
//! them: one after the other, since each has to name the version that the one before left.
//!
//! In memory that takes a tenth of a second; over a network 65,536 round trips, some ten seconds where one takes 150 µs.
//! A suite that has not got them says how many writes it makes instead of [`WRITES`], and what that leaves open:
//! ```
//! # use cloakroom::store::MemoryStore;
//! // Versions of 8 bits are noticed, those of 16 are not: the column is a bigint, as its schema says.
//! cloakroom::store_endurance!(async { MemoryStore::new() }, writes = 300);
//! # fn main() {}
//! ```

use std::collections::HashSet;
use std::sync::Arc;

use super::{any_key, create, record};
use crate::store::{Replaced, Store};

/// One more than there are versions of 16 bits, so that one of them has to come twice. With versions of 32 bits it
/// would take years.
pub const WRITES: usize = 1 << 16;

/// Makes a `#[test]` of what holds after many writes. Takes an expression for a future that gives a new store, and after
/// it, if they are not to be [`WRITES`](crate::conformance::endurance::WRITES), how many: `writes = 300`.
#[macro_export]
macro_rules! store_endurance {
    ($store:expr) => {
        $crate::store_endurance!($store, writes = $crate::conformance::endurance::WRITES);
    };
    ($store:expr, writes = $writes:expr) => {
        #[test]
        fn no_version_comes_again() {
            $crate::conformance::check($store, |store| {
                $crate::conformance::endurance::no_version_comes_again(store, $writes)
            });
        }
    };
}

/// Creates a record and replaces it so many times; each version is one that it never had.
///
/// # Panics
/// If the store breaks the rule.
pub async fn no_version_comes_again<S: Store>(store: Arc<S>, writes: usize) {
    let (key, same) = (any_key(), record("same"));
    let mut version = create(&*store, &key, &same).await;
    let mut seen = HashSet::from([version]);
    for write in 1..=writes {
        version = match store.replace(&key, version, &same).await.expect("replace answers") {
            Replaced::Done(version) => version,
            other => panic!("replace of the version that is there said {other:?}"),
        };
        assert!(seen.insert(version), "write {write} has a version that was there: {version:?}");
    }
}
