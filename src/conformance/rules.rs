//! What one caller may rely on: a record is what was written last, a version is of one write, gone is gone.

use std::sync::Arc;
use std::task::{Context, Waker};

use super::{any_key, create, far_away, long_ago, record, record_of};
use crate::store::{Created, Record, Replaced, Store, StoreKey, Touched, Version};
use crate::time::Timestamp;

suite! { $ rules, Store, store_conformance, store_rules, run;
    what_was_never_created_is_not_there
    what_was_created_is_there
    data_comes_back_byte_for_byte
    create_does_not_overwrite
    records_do_not_mix
    keys_that_differ_in_one_bit_are_two_records
    replace_puts_the_new_record_there
    every_write_has_another_version
    a_version_that_was_never_given_fits_nothing
    replace_of_an_old_version_is_a_conflict_with_what_is_there
    replace_does_not_create
    replace_after_remove_is_gone
    replace_may_change_the_owner
    touch_moves_the_expiry_and_nothing_else
    touch_leaves_the_version
    touch_of_an_old_version_changes_nothing
    touch_does_not_create
    remove_says_whether_it_was_there
    a_removed_record_is_gone
    an_expired_record_is_dropped_or_kept_but_never_alive
    any_expiry_is_taken
    a_call_that_is_given_up_has_happened_or_not
}

async fn load(store: &impl Store, key: &StoreKey) -> Option<(Record, Version)> {
    let stored = store.load(key).await.expect("load answers");
    stored.map(|stored| (stored.record, stored.version))
}

/// Replaces, where that has to work.
async fn replace(
    store: &impl Store,
    key: &StoreKey,
    expected: Version,
    record: &Record,
) -> Version {
    match store.replace(key, expected, record).await.expect("replace answers") {
        Replaced::Done(version) => version,
        other => panic!("replace of the version that is there said {other:?}"),
    }
}

/// `load` of an unknown key is `None`.
pub async fn what_was_never_created_is_not_there<S: Store>(store: Arc<S>) {
    assert_eq!(load(&*store, &any_key()).await, None);
}

/// `load` gives what `create` wrote, in the version that it said.
pub async fn what_was_created_is_there<S: Store>(store: Arc<S>) {
    for record in [record("data"), record_of(&"Ada Lovelace, Ωμέγα, 'quoted' %_*".into())] {
        let key = any_key();
        let version = create(&*store, &key, &record).await;
        assert_eq!(load(&*store, &key).await, Some((record, version)));
    }
}

/// Whatever the bytes are, and however many: none, each of 256, a mebibyte.
pub async fn data_comes_back_byte_for_byte<S: Store>(store: Arc<S>) {
    let all: Vec<u8> = (0..=255).collect();
    for data in [Vec::new(), all.clone(), all.repeat(1 << 12)] {
        let (key, record) = (any_key(), record(data));
        create(&*store, &key, &record).await;
        let (there, _) = load(&*store, &key).await.expect("it was created");
        assert!(there == record, "{} bytes came back changed", record.data.len());
    }
}

/// `create` of a key that is there says `Taken` and leaves the record.
pub async fn create_does_not_overwrite<S: Store>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &record("first")).await;
    let again = store.create(&key, &record("second")).await.expect("create answers");
    assert_eq!(again, Created::Taken);
    assert_eq!(load(&*store, &key).await, Some((record("first"), version)));
}

/// Two keys are two records.
pub async fn records_do_not_mix<S: Store>(store: Arc<S>) {
    let (one, two) = (any_key(), any_key());
    create(&*store, &one, &record("one")).await;
    create(&*store, &two, &record("two")).await;
    assert!(store.remove(&one).await.expect("remove answers"));
    assert_eq!(load(&*store, &two).await.expect("the other stays").0, record("two"));
}

/// A key is all of its 16 bytes, wherever it is kept: none is cut, folded or taken for text.
pub async fn keys_that_differ_in_one_bit_are_two_records<S: Store>(store: Arc<S>) {
    let one = any_key();
    let others = (0..16).flat_map(|at| [0x01, 0x20, 0x80].map(|bit| with_bit(one, at, bit)));
    let keys: Vec<StoreKey> = std::iter::once(one).chain(others).collect();
    for (number, key) in keys.iter().enumerate() {
        create(&*store, key, &record(format!("{number}"))).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let (there, _) = load(&*store, key).await.expect("it was created");
        assert_eq!(there, record(format!("{number}")), "{key} has another's record");
        assert!(store.remove(key).await.expect("remove answers"), "{key} went with another");
    }
}

fn with_bit(key: StoreKey, at: usize, bit: u8) -> StoreKey {
    let mut bytes = *key.as_bytes();
    bytes[at] ^= bit;
    StoreKey::from_bytes(bytes)
}

/// After `replace`, `load` gives the new record in the version that it said.
pub async fn replace_puts_the_new_record_there<S: Store>(store: Arc<S>) {
    let key = any_key();
    let first = create(&*store, &key, &record("first")).await;
    let next = Record::new("second", Timestamp::from_secs(4_000_000_000), None);
    let second = replace(&*store, &key, first, &next).await;
    assert_eq!(load(&*store, &key).await, Some((next, second)));
}

/// Also a write of the same data.
pub async fn every_write_has_another_version<S: Store>(store: Arc<S>) {
    let key = any_key();
    let mut versions = vec![create(&*store, &key, &record("same")).await];
    for _ in 0..5 {
        versions.push(replace(&*store, &key, versions[versions.len() - 1], &record("same")).await);
    }
    for (at, version) in versions.iter().enumerate() {
        assert!(!versions[..at].contains(version), "{version:?} was used twice");
    }
}

/// A version is all of its 64 bits: neither for `replace` nor for `touch` are fewer compared.
pub async fn a_version_that_was_never_given_fits_nothing<S: Store>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &record("first")).await;
    for bit in 0..64 {
        let other = Version::from_number(version.number() ^ (1 << bit));
        let replaced = store.replace(&key, other, &record("late")).await.expect("replace answers");
        assert!(matches!(replaced, Replaced::Conflict(_)), "{other:?} was taken for {version:?}");
        let touched = store.touch(&key, other, long_ago()).await.expect("touch answers");
        assert_eq!(touched, Touched::Changed, "{other:?} was taken for {version:?}");
    }
    assert_eq!(load(&*store, &key).await, Some((record("first"), version)));
}

/// It says exactly what is there, and leaves it.
pub async fn replace_of_an_old_version_is_a_conflict_with_what_is_there<S: Store>(store: Arc<S>) {
    let key = any_key();
    let first = create(&*store, &key, &record("first")).await;
    let second = replace(&*store, &key, first, &record("second")).await;
    match store.replace(&key, first, &record("late")).await.expect("replace answers") {
        Replaced::Conflict(there) => {
            assert_eq!((there.record, there.version), (record("second"), second));
        }
        other => panic!("replace of an old version said {other:?}"),
    }
    assert_eq!(load(&*store, &key).await, Some((record("second"), second)));
}

/// `replace` of an unknown key says `Gone` and writes nothing.
pub async fn replace_does_not_create<S: Store>(store: Arc<S>) {
    let key = any_key();
    let answer = store.replace(&key, Version::FIRST, &record("data")).await;
    assert_eq!(answer.expect("replace answers"), Replaced::Gone);
    assert_eq!(load(&*store, &key).await, None, "replace created a record");
}

/// What a logout removed, a slower request does not bring back.
pub async fn replace_after_remove_is_gone<S: Store>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &record("data")).await;
    assert!(store.remove(&key).await.expect("remove answers"));
    let answer = store.replace(&key, version, &record("late")).await;
    assert_eq!(answer.expect("replace answers"), Replaced::Gone);
    assert_eq!(load(&*store, &key).await, None, "replace revived a removed record");
}

/// From nobody to somebody, to somebody else, to nobody.
pub async fn replace_may_change_the_owner<S: Store>(store: Arc<S>) {
    let key = any_key();
    let mut version = create(&*store, &key, &record("data")).await;
    for owner in [Some("ada"), Some("bob"), None] {
        let next = Record::new("data", far_away(), owner.map(Arc::from));
        version = replace(&*store, &key, version, &next).await;
        assert_eq!(load(&*store, &key).await.expect("it is there").0.owner, next.owner);
    }
}

/// Data, owner and version stay as they are, and the expiry is kept to the microsecond.
pub async fn touch_moves_the_expiry_and_nothing_else<S: Store>(store: Arc<S>) {
    let (key, later) = (any_key(), Timestamp::from_micros(4_000_000_000_000_001));
    let version = create(&*store, &key, &record_of(&"ada".into())).await;
    assert_eq!(store.touch(&key, version, later).await.expect("touch answers"), Touched::Done);
    let moved = Record { expires_at: later, ..record_of(&"ada".into()) };
    assert_eq!(load(&*store, &key).await, Some((moved, version)));
}

/// So a touch never makes another request's write conflict.
pub async fn touch_leaves_the_version<S: Store>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &record("data")).await;
    assert_eq!(store.touch(&key, version, far_away()).await.expect("touch answers"), Touched::Done);
    replace(&*store, &key, version, &record("next")).await;
}

/// Whoever wrote meanwhile has said when the record ends: the one who is late does not know.
pub async fn touch_of_an_old_version_changes_nothing<S: Store>(store: Arc<S>) {
    let key = any_key();
    let first = create(&*store, &key, &record("first")).await;
    let next = Record::new("second", Timestamp::from_secs(4_000_000_000), Some("ada".into()));
    let second = replace(&*store, &key, first, &next).await;
    for late in [Timestamp::from_secs(4_000_000_001), long_ago()] {
        let touched = store.touch(&key, first, late).await.expect("touch answers");
        assert_eq!(touched, Touched::Changed);
        assert_eq!(load(&*store, &key).await, Some((next.clone(), second)));
    }
}

/// `touch` of an unknown key says `Gone` and writes nothing.
pub async fn touch_does_not_create<S: Store>(store: Arc<S>) {
    let key = any_key();
    let touched = store.touch(&key, Version::FIRST, far_away()).await;
    assert_eq!(touched.expect("touch answers"), Touched::Gone);
    assert_eq!(load(&*store, &key).await, None, "touch created a record");
}

/// True once.
pub async fn remove_says_whether_it_was_there<S: Store>(store: Arc<S>) {
    let key = any_key();
    create(&*store, &key, &record("data")).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        answers.push(store.remove(&key).await.expect("remove answers"));
    }
    assert_eq!(answers, [true, false]);
}

/// For `load` and `touch` too.
pub async fn a_removed_record_is_gone<S: Store>(store: Arc<S>) {
    let key = any_key();
    let version = create(&*store, &key, &record("data")).await;
    assert!(store.remove(&key).await.expect("remove answers"));
    assert_eq!(store.touch(&key, version, far_away()).await.expect("touch answers"), Touched::Gone);
    assert_eq!(load(&*store, &key).await, None, "touch revived a removed record");
}

/// A store need not look at a clock. If it gives the record, then with the expiry that it was given.
pub async fn an_expired_record_is_dropped_or_kept_but_never_alive<S: Store>(store: Arc<S>) {
    let (key, expired) = (any_key(), Record::new("data", long_ago(), None));
    create(&*store, &key, &expired).await;
    if let Some((there, _)) = load(&*store, &key).await {
        assert_eq!(there, expired);
    }
}

/// The end of time, its beginning, before it: kept, cut to what the engine can hold, or refused; no panic.
pub async fn any_expiry_is_taken<S: Store>(store: Arc<S>) {
    for seconds in [i64::MAX, Timestamp::MAX.as_secs(), 0, -1, i64::MIN] {
        let (key, end) = (any_key(), Timestamp::from_secs(seconds));
        let _ = create(&*store, &key, &Record::new("data", end, None)).await;
        let there = load(&*store, &key).await;
        assert!(there.is_some() || seconds <= 0, "a record that ends at {seconds} is not there");
        if let Some((there, _)) = there {
            let both_far = there.expires_at >= Timestamp::MAX && end >= Timestamp::MAX;
            let both_past = there.expires_at <= long_ago() && end <= long_ago();
            assert!(both_far || both_past, "{seconds} became {:?}", there.expires_at);
        }
    }
}

/// A future that is dropped after it was asked once leaves the record as it was before or as it was to be.
pub async fn a_call_that_is_given_up_has_happened_or_not<S: Store>(store: Arc<S>) {
    for _ in 0..20 {
        let key = any_key();
        let version = create(&*store, &key, &record("before")).await;
        {
            let after = record("after");
            let mut call = std::pin::pin!(store.replace(&key, version, &after));
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        let (there, now) = load(&*store, &key).await.expect("it is there");
        assert!(there == record("before") || there == record("after"), "{there:?}");
        // Whichever it is, the store goes on. The call may still be under way.
        let mut now = now;
        loop {
            match store.replace(&key, now, &record("next")).await.expect("replace answers") {
                Replaced::Done(_) => break,
                Replaced::Conflict(there) => now = there.version,
                Replaced::Gone => panic!("a call that was given up removed the record"),
            }
        }
    }
}
