//! A record that was written very often, as often as a smaller column could not count; and a table of a later version.

use cloakroom::Timestamp;
use cloakroom::store::{Created, Index, Record, Replaced, Store, StoreKey, Stored, Version};

/// `set` gives the only record that there is the version that so many writes would have left.
pub async fn assert_they_go_on<S: Store>(store: S, mut set: impl AsyncFnMut(i64)) {
    let (key, record) = (StoreKey::from_bytes([1; 16]), Record::new("data", Timestamp::MAX, None));
    assert!(matches!(store.create(&key, &record).await.unwrap(), Created::Done(_)));
    for last in [0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, i64::MAX] {
        set(last).await;
        let last = Version::from_number(last.cast_unsigned());
        let replaced = store.replace(&key, last, &record).await.unwrap();
        let there = store.load(&key).await.unwrap().unwrap().version;
        assert_eq!(replaced, Replaced::Done(there));
        assert_ne!(there, last);
        let ahead = there.number().wrapping_sub(last.number());
        assert!(ahead <= 1 << 32, "{ahead}");
    }
}

/// A table that a later release has changed takes what this one writes, and gives it back.
pub async fn assert_it_is_served<S: Index>(store: S) {
    let key = StoreKey::from_bytes([1; 16]);
    let record = Record::new("data", Timestamp::from_secs(4_102_444_800), Some("ada".into()));
    let created = store.create(&key, &record).await.unwrap();
    assert_eq!(created, Created::Done(Version::FIRST));
    let replaced = store.replace(&key, Version::FIRST, &record).await.unwrap();
    let Replaced::Done(version) = replaced else { panic!("{replaced:?}") };
    let there = Stored { record, version };
    assert_eq!(store.load(&key).await.unwrap(), Some(there.clone()));
    let listed = store.list("ada").await.unwrap();
    assert_eq!(listed.iter().map(|it| &it.stored).collect::<Vec<_>>(), [&there]);
    assert!(store.remove(&key).await.unwrap());
}
