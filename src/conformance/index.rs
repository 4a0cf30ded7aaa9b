//! What an [`Index`] promises: an owner's records are found, his own only, and as they are now.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{any_key, any_owner, create, far_away, record, record_of};
use crate::store::{Index, Replaced, StoreKey, Touched};

suite! { $ index, Index, index_conformance, index_rules, run_index;
    an_owner_s_records_are_listed
    records_of_others_and_of_nobody_are_not
    a_listed_record_is_the_one_that_is_there
    a_removed_record_is_not_listed
    a_record_follows_its_owner
    a_touched_record_stays_listed
    remove_of_takes_only_the_owner_s
    remove_all_but_keeps_exactly_one
    remove_all_but_nothing_takes_all
    removing_all_beats_a_slower_write
    any_text_is_an_owner
}

async fn keys_of(store: &impl Index, owner: &str) -> BTreeSet<StoreKey> {
    store.list(owner).await.expect("list answers").into_iter().map(|listed| listed.key).collect()
}

async fn three_of(store: &impl Index, owner: &Arc<str>) -> Vec<StoreKey> {
    let keys = vec![any_key(), any_key(), any_key()];
    for key in &keys {
        create(store, key, &record_of(owner)).await;
    }
    keys
}

/// All of them, and counted.
pub async fn an_owner_s_records_are_listed<S: Index>(store: Arc<S>) {
    let owner = any_owner();
    assert_eq!(store.count(&owner).await.expect("count answers"), 0);
    let keys = three_of(&*store, &owner).await;
    assert_eq!(keys_of(&*store, &owner).await, keys.into_iter().collect());
    assert_eq!(store.count(&owner).await.expect("count answers"), 3);
}

/// An owner sees nobody else's.
pub async fn records_of_others_and_of_nobody_are_not<S: Index>(store: Arc<S>) {
    let (one, two) = (any_owner(), any_owner());
    three_of(&*store, &two).await;
    create(&*store, &any_key(), &record("nobody's")).await;
    assert_eq!(keys_of(&*store, &one).await, BTreeSet::new());
    assert_eq!(keys_of(&*store, "").await.len(), store.count("").await.expect("count answers"));
}

/// With its data and its version.
pub async fn a_listed_record_is_the_one_that_is_there<S: Index>(store: Arc<S>) {
    let (owner, key) = (any_owner(), any_key());
    create(&*store, &key, &record_of(&owner)).await;
    let listed = store.list(&owner).await.expect("list answers");
    let there = store.load(&key).await.expect("load answers");
    assert_eq!(listed.into_iter().map(|it| it.stored).collect::<Vec<_>>(), Vec::from_iter(there));
}

/// However it was removed.
pub async fn a_removed_record_is_not_listed<S: Index>(store: Arc<S>) {
    let owner = any_owner();
    let keys = three_of(&*store, &owner).await;
    assert!(store.remove(&keys[0]).await.expect("remove answers"));
    assert_eq!(keys_of(&*store, &owner).await, keys[1..].iter().copied().collect());
    assert_eq!(store.count(&owner).await.expect("count answers"), 2);
}

/// From nobody to one, to another, to nobody.
pub async fn a_record_follows_its_owner<S: Index>(store: Arc<S>) {
    let (one, two, key) = (any_owner(), any_owner(), any_key());
    let mut version = create(&*store, &key, &record("nobody's")).await;
    for (next, ones, twos) in
        [(record_of(&one), 1, 0), (record_of(&two), 0, 1), (record("nobody's"), 0, 0)]
    {
        match store.replace(&key, version, &next).await.expect("replace answers") {
            Replaced::Done(now) => version = now,
            other => panic!("replace of the version that is there said {other:?}"),
        }
        let found = (keys_of(&*store, &one).await.len(), keys_of(&*store, &two).await.len());
        assert_eq!(found, (ones, twos));
    }
}

/// `touch` leaves the owner as it is.
pub async fn a_touched_record_stays_listed<S: Index>(store: Arc<S>) {
    let (owner, key) = (any_owner(), any_key());
    let version = create(&*store, &key, &record_of(&owner)).await;
    assert_eq!(store.touch(&key, version, far_away()).await.expect("touch answers"), Touched::Done);
    assert_eq!(keys_of(&*store, &owner).await, BTreeSet::from([key]));
}

/// Nobody signs out somebody else.
pub async fn remove_of_takes_only_the_owner_s<S: Index>(store: Arc<S>) {
    let (owner, other) = (any_owner(), any_owner());
    let keys = three_of(&*store, &owner).await;
    assert!(!store.remove_of(&other, &keys[0]).await.expect("remove_of answers"));
    assert!(!store.remove_of(&owner, &any_key()).await.expect("remove_of answers"));
    assert_eq!(keys_of(&*store, &owner).await.len(), 3);
    assert!(store.remove_of(&owner, &keys[0]).await.expect("remove_of answers"));
    assert_eq!(keys_of(&*store, &owner).await, keys[1..].iter().copied().collect());
    assert_eq!(store.load(&keys[0]).await.expect("load answers"), None);
}

/// The owner's others go, and are counted; nobody else's do.
pub async fn remove_all_but_keeps_exactly_one<S: Index>(store: Arc<S>) {
    let (owner, other) = (any_owner(), any_owner());
    let keys = three_of(&*store, &owner).await;
    three_of(&*store, &other).await;
    let removed = store.remove_all_but(&owner, Some(&keys[1])).await;
    assert_eq!(removed.expect("remove_all_but answers"), 2);
    assert_eq!(keys_of(&*store, &owner).await, BTreeSet::from([keys[1]]));
    assert_eq!(store.load(&keys[0]).await.expect("load answers"), None);
    assert_eq!(keys_of(&*store, &other).await.len(), 3);
}

/// None is left, and a second time there are none.
pub async fn remove_all_but_nothing_takes_all<S: Index>(store: Arc<S>) {
    let owner = any_owner();
    three_of(&*store, &owner).await;
    for expected in [3, 0] {
        let removed = store.remove_all_but(&owner, None).await;
        assert_eq!(removed.expect("remove_all_but answers"), expected);
    }
    assert_eq!(keys_of(&*store, &owner).await, BTreeSet::new());
}

/// What was revoked, a slower request does not bring back.
pub async fn removing_all_beats_a_slower_write<S: Index>(store: Arc<S>) {
    let (owner, key) = (any_owner(), any_key());
    let version = create(&*store, &key, &record_of(&owner)).await;
    assert_eq!(store.remove_all_but(&owner, None).await.expect("it answers"), 1);
    let late = store.replace(&key, version, &record_of(&owner)).await;
    assert_eq!(late.expect("replace answers"), Replaced::Gone);
    assert_eq!(store.load(&key).await.expect("load answers"), None);
    assert_eq!(keys_of(&*store, &owner).await, BTreeSet::new());
}

/// Nothing in a name has a meaning.
pub async fn any_text_is_an_owner<S: Index>(store: Arc<S>) {
    let unique = any_owner();
    let names = ["%", "_", "*", "'; --", "Ωμέγα", "a:b", "\\", "{x}", " "];
    let owners: Vec<Arc<str>> = names.iter().map(|name| format!("{unique}{name}").into()).collect();
    for owner in &owners {
        create(&*store, &any_key(), &record_of(owner)).await;
    }
    for owner in &owners {
        assert_eq!(keys_of(&*store, owner).await.len(), 1, "{owner:?}");
        let removed = store.remove_all_but(owner, None).await;
        assert_eq!(removed.expect("remove_all_but answers"), 1, "{owner:?}");
    }
}
