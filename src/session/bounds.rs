//! How much one session may hold.

use super::entries::Entries;
use super::queue;
use crate::Error;
use crate::flash::PREFIX;

/// How much one session may hold, so that no visitor fills the store and no queue grows for ever.
///
/// A write that goes beyond fails with [`Error::OutOfBounds`] and changes nothing; the session stays usable, and what
/// makes it smaller is always possible. Writes that fit alone and not together, of requests that race, fail where the
/// later one is kept.
///
/// What is taken over by a [`MovingFactory`](crate::factory::MovingFactory) is taken whole, and may not grow beyond.
///
/// Flash messages that were taken count until the end of their request, because they may come back (S67): they have their
/// place, and nothing is thrown away for them. So a request that takes the messages of a full queue cannot add one to it.
///
/// ```
/// use cloakroom::session::Bounds;
/// use cloakroom::{StoredFactory, store::MemoryStore};
///
/// let factory = StoredFactory::builder("shop", MemoryStore::default())
///     .bounds(Bounds { bytes: 16 << 10, ..Bounds::DEFAULT })
///     .build()?;
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of all keys and values together, values as JSON; 8 more for each key.
    pub bytes: usize,
    /// Keys, each flash queue being one.
    pub keys: usize,
    /// Bytes of a single key.
    pub key_bytes: usize,
    /// Messages of a single flash queue, those that wait and those that were taken and may come back.
    pub messages: usize,
}

/// Which of the [`Bounds`] was met, or which other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// [`Bounds::bytes`].
    Bytes,
    /// [`Bounds::keys`].
    Keys,
    /// [`Bounds::key_bytes`].
    KeyBytes,
    /// [`Bounds::messages`].
    Messages,
    /// [`MAX_OWNER_BYTES`](super::MAX_OWNER_BYTES), whatever the factory's bounds are.
    OwnerBytes,
}

impl Bounds {
    /// 1 MiB, 1024 keys of at most 256 bytes, 256 messages a queue.
    pub const DEFAULT: Self = Self { bytes: 1 << 20, keys: 1024, key_bytes: 256, messages: 256 };

    /// Whether `next` may take the place of `before`, of which `key` was written, if a single one is known to be.
    pub(crate) fn check(
        &self,
        before: &Entries,
        next: &Entries,
        key: Option<&str>,
    ) -> Result<(), Error> {
        let grows = |bound, now: usize, before: usize, limit: usize| {
            if now > limit && now > before {
                return Err(out_of_bounds(bound, now, limit, next));
            }
            Ok(())
        };
        grows(Bound::Bytes, next.run().len(), before.run().len(), self.bytes)?;
        grows(Bound::Keys, next.len(), before.len(), self.keys)?;
        let queue_grows = |queue: &str| {
            let count = |entries: &Entries| queue::messages(entries, queue).len();
            grows(Bound::Messages, count(next), count(before), self.messages)
        };
        let Some(key) = key else {
            return next.keys().filter(|key| key.starts_with(PREFIX)).try_for_each(queue_grows);
        };
        if next.len() > before.len() {
            grows(Bound::KeyBytes, key.len(), 0, self.key_bytes)?;
        }
        if key.starts_with(PREFIX) { queue_grows(key) } else { Ok(()) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The error, with the three largest keys.
fn out_of_bounds(bound: Bound, found: usize, limit: usize, entries: &Entries) -> Error {
    Error::OutOfBounds { bound, found, limit, largest: entries.largest(3) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn entries(pairs: &[(&str, &str)]) -> Entries {
        pairs.iter().map(|(key, json)| (*key, Value::from_json(json).unwrap())).collect()
    }

    #[test]
    fn s84_each_bound_is_met_exactly_and_names_the_largest_keys() {
        let bounds = Bounds { bytes: 30, keys: 2, key_bytes: 3, messages: 2 };
        let none = Entries::new();
        let met = |next: &Entries, key: &str| match bounds.check(&none, next, Some(key)) {
            Err(Error::OutOfBounds { bound, largest, .. }) => Some((bound, largest[0].0.clone())),
            other => other.map(|()| None).unwrap(),
        };
        assert_eq!(met(&entries(&[("a", "123456789012345678901")]), "a"), None, "30 bytes");
        let met_with = |pairs: &[(&str, &str)], key: &str| met(&entries(pairs), key);
        assert_eq!(
            met_with(&[("a", "1234567890123456789012")], "a"),
            Some((Bound::Bytes, "a".into()))
        );
        assert_eq!(met_with(&[("a", "1"), ("b", "1")], "b"), None);
        let three = [("a", "1"), ("b", "12"), ("", "1")];
        let roomy = Bounds { bytes: 100, ..bounds };
        let error = roomy.check(&none, &entries(&three), Some("")).unwrap_err();
        assert!(matches!(error, Error::OutOfBounds { bound: Bound::Keys, found: 3, .. }));
        assert_eq!(met_with(&[("abcd", "1")], "abcd"), Some((Bound::KeyBytes, "abcd".into())));
        assert_eq!(met_with(&[("_f_", "[1,2]")], "_f_"), None);
        assert_eq!(met_with(&[("_f_", "[1,2,3]")], "_f_"), Some((Bound::Messages, "_f_".into())));
    }

    #[test]
    fn s84_what_is_too_large_already_may_become_smaller() {
        let bounds = Bounds { bytes: 10, keys: 1, key_bytes: 1, messages: 1 };
        let before = entries(&[("abc", "1"), ("de", "1"), ("f", "1")]);
        let next = entries(&[("abc", "1"), ("f", "1")]);
        bounds.check(&before, &next, Some("de")).unwrap();
    }
}
