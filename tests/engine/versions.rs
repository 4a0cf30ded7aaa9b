//! A record that was written very often: as often as a smaller column could not count.

use cloakroom::Timestamp;
use cloakroom::store::{Created, Record, Replaced, Store, StoreKey, Version};

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
