//! The values of a session as one flat run of bytes: find, split, splice.
//!
//! Each entry is the key's length and the value's length (32 bits each, big endian), the key in UTF-8, and the
//! value as JSON text. Nothing is parsed that is not asked for; a copy shares the bytes; a write splices a new
//! run. The layout is in FORMATS.md.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::key::AsKey;
use super::value::Value;

const LENGTHS: usize = 8;

/// A detached copy of what a session holds, in the order in which the keys were first set.
///
/// Cheap to clone. Two are equal when they hold the same keys with [equal values](Value), in whatever order.
///
/// ```
/// use cloakroom::Session;
///
/// let session = Session::detached();
/// session.insert("b", 2)?;
/// session.insert("a", [1, 2])?;
/// let copy = session.entries();
/// session.clear()?;
/// let pairs: Vec<String> = copy.iter().map(|(key, value)| format!("{key}={}", value.as_json())).collect();
/// assert_eq!(pairs, ["b=2", "a=[1,2]"]);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Entries {
    run: Bytes,
    len: usize,
}

/// Where one entry lies in the run.
struct Span {
    start: usize,
    value: usize,
    end: usize,
}

impl Entries {
    /// No entries.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are. Costs nothing.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `key` is there.
    #[must_use]
    pub fn contains_key(&self, key: impl AsKey) -> bool {
        self.find(key.as_ref()).is_some()
    }

    /// The value of `key`, still as JSON text.
    #[must_use]
    pub fn get(&self, key: impl AsKey) -> Option<Value> {
        self.find(key.as_ref()).map(|span| self.value(&span))
    }

    /// All keys and values in insertion order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.spans().map(|span| (self.key(&span), self.value(&span)))
    }

    /// The keys in insertion order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.spans().map(|span| self.key(&span))
    }

    /// Sets `key`, keeping its place if it has one, and returns what it replaced.
    ///
    /// For factories that fill a session; a handler calls [`Session::insert`](crate::Session::insert).
    pub fn set(&mut self, key: &str, value: &Value) -> Option<Value> {
        let span = self.find(key);
        let (before, after) =
            span.as_ref().map_or((self.run.len(), self.run.len()), |s| (s.start, s.end));
        let json = value.as_bytes();
        let kept = self.run.len() - (after - before);
        let mut run = BytesMut::with_capacity(kept + LENGTHS + key.len() + json.len());
        run.extend_from_slice(&self.run[..before]);
        put_entry(&mut run, key, json);
        run.extend_from_slice(&self.run[after..]);
        let previous = span.map(|span| self.value(&span));
        self.len += usize::from(previous.is_none());
        self.run = run.freeze();
        previous
    }

    /// Removes `key` and returns what it held.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let span = self.find(key)?;
        let removed = self.value(&span);
        let mut run = BytesMut::with_capacity(self.run.len() - (span.end - span.start));
        run.extend_from_slice(&self.run[..span.start]);
        run.extend_from_slice(&self.run[span.end..]);
        self.run = run.freeze();
        self.len -= 1;
        Some(removed)
    }

    /// Removes all keys but those that `keeps` names.
    pub(crate) fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        if self.keys().all(&keeps) {
            return;
        }
        let (mut run, mut len) = (BytesMut::with_capacity(self.run.len()), 0);
        for span in self.spans().filter(|span| keeps(self.key(span))) {
            run.extend_from_slice(&self.run[span.start..span.end]);
            len += 1;
        }
        *self = Self { run: run.freeze(), len };
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The entries in a run that was kept somewhere, or `None` if it is not one that [`run`](Self::run) gave.
    pub(crate) fn from_run(run: Bytes) -> Option<Self> {
        // Nearly always, and then all parts of it are text: one look instead of two for each entry.
        let is_ascii = run.is_ascii();
        let is_text = |bytes: &[u8]| is_ascii || std::str::from_utf8(bytes).is_ok();
        let mut entries = Self { run, len: 0 };
        let (mut len, mut end) = (0, 0);
        for span in entries.spans() {
            let key = entries.run.get(span.start + LENGTHS..span.value)?;
            let json = entries.run.get(span.value..span.end)?;
            if !is_text(key) || !is_text(json) {
                return None;
            }
            len += 1;
            end = span.end;
        }
        entries.len = len;
        (end == entries.run.len()).then_some(entries)
    }

    /// The run, as it stands in FORMATS.md.
    pub(crate) const fn run(&self) -> &Bytes {
        &self.run
    }

    /// Whether both are the same to the byte; cheaper and stricter than `==`.
    pub(crate) fn same_bytes(&self, other: &Self) -> bool {
        self.run == other.run
    }

    /// The key that was added last.
    pub(crate) fn last_key(&self) -> Option<&str> {
        self.spans().last().map(|span| self.key(&span))
    }

    /// The keys of the largest values with their bytes as JSON, largest first.
    pub(crate) fn largest(&self, count: usize) -> Vec<(String, usize)> {
        let mut largest: Vec<_> =
            self.iter().map(|(key, value)| (key.to_owned(), value.as_bytes().len())).collect();
        largest.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        largest.truncate(count);
        largest
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        spans(&self.run)
    }

    fn find(&self, key: &str) -> Option<Span> {
        find(&self.run, key)
    }

    fn key(&self, span: &Span) -> &str {
        let bytes = &self.run[span.start + LENGTHS..span.value];
        // Only `set` writes the run, and it takes the key as text.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn value(&self, span: &Span) -> Value {
        Value::shared(self.run.slice(span.value..span.end))
    }
}

/// Entries that are being read from elsewhere, one after the other, in one run from the start.
pub(crate) struct EntriesReader {
    run: BytesMut,
    len: usize,
}

impl EntriesReader {
    /// For a run of about this many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { run: BytesMut::with_capacity(bytes), len: 0 }
    }

    /// The next one; of equal keys the last wins, in the place of the first.
    pub(crate) fn put(&mut self, key: &str, json: &[u8]) {
        match find(&self.run, key) {
            None => {
                put_entry(&mut self.run, key, json);
                self.len += 1;
            }
            Some(Span { start, end, .. }) => {
                let after = self.run.split_off(start).split_off(end - start);
                put_entry(&mut self.run, key, json);
                self.run.extend_from_slice(&after);
            }
        }
    }

    pub(crate) fn finish(self) -> Entries {
        Entries { run: self.run.freeze(), len: self.len }
    }
}

fn spans(run: &[u8]) -> impl Iterator<Item = Span> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (key, value) = run.get(at..at + LENGTHS)?.split_at(4);
        let value_at = at + LENGTHS + length(key);
        let span = Span { start: at, value: value_at, end: value_at + length(value) };
        at = span.end;
        Some(span)
    })
}

fn find(run: &[u8], key: &str) -> Option<Span> {
    spans(run).find(|span| &run[span.start + LENGTHS..span.value] == key.as_bytes())
}

/// Appends one entry. A key or value of 4 GiB cannot get here: [`Value`] stops far below.
fn put_entry(run: &mut BytesMut, key: &str, json: &[u8]) {
    run.extend_from_slice(&(key.len() as u32).to_be_bytes());
    run.extend_from_slice(&(json.len() as u32).to_be_bytes());
    run.extend_from_slice(key.as_bytes());
    run.extend_from_slice(json);
}

fn length(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.run == other.run
            || self.len == other.len
                && self.iter().all(|(key, value)| other.get(key).as_ref() == Some(&value))
    }
}

impl fmt::Debug for Entries {
    /// Keys only: values may be private (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

impl IntoIterator for Entries {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        let pairs: Vec<_> = self.iter().map(|(key, value)| (key.to_owned(), value)).collect();
        pairs.into_iter()
    }
}

impl<'a> FromIterator<(&'a str, Value)> for Entries {
    /// A later pair replaces an earlier one of the same key.
    fn from_iter<I: IntoIterator<Item = (&'a str, Value)>>(pairs: I) -> Self {
        let mut entries = Self::new();
        for (key, value) in pairs {
            entries.set(key, &value);
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(json).expect("valid")
    }

    #[test]
    fn the_run_has_the_documented_bytes() {
        let mut entries = Entries::new();
        entries.set("a", &value("1"));
        assert_eq!(&entries.run[..], b"\0\0\0\x01\0\0\0\x01a1");
    }

    #[test]
    fn r13_order_is_that_of_first_insertion() {
        let mut entries = Entries::new();
        for (key, json) in [("a", "1"), ("b", "22"), ("c", "3"), ("b", "\"longer\"")] {
            entries.set(key, &value(json));
        }
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(entries.remove("a"), Some(value("1")));
        entries.set("a", &value("4"));
        assert_eq!(entries.keys().collect::<Vec<_>>(), ["b", "c", "a"]);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries.remove("zz"), None);
    }

    #[test]
    fn equality_is_by_content() {
        let one = Entries::from_iter([("a", value("[1, 2]")), ("b", value("2"))]);
        let two = Entries::from_iter([("b", value("2")), ("a", value("[1,2]"))]);
        assert_eq!(one, two);
        assert_ne!(one, Entries::from_iter([("a", value("[1,2]")), ("b", value("3"))]));
        assert_ne!(one, Entries::from_iter([("a", value("[1,2]")), ("c", value("2"))]));
    }
}
