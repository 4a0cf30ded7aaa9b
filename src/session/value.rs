//! One value of a session: JSON text, turned into a Rust type only when it is asked for.

use std::any::type_name;
use std::fmt;

use bytes::Bytes;
use memchr::memchr2;
use serde::de::{self, DeserializeOwned, IgnoredAny};
use serde::ser;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::encode::{self, Reader};
use super::equal::is_equal;
use crate::Error;

/// How deeply a value may be nested: arrays and objects inside each other. Protects every reader's stack (S84).
pub const MAX_DEPTH: usize = 64;
/// How many bytes of JSON one value may have: 16 MiB, far above what a session is for.
pub const MAX_VALUE_BYTES: usize = 16 << 20;

/// A value as the session keeps it. Cheap to clone.
///
/// Two are equal when their JSON says the same: spaces, escapes in text and the order of an object's members do not
/// matter. Numbers are compared digit by digit, so that no two integers are taken for one. `1` and `1.0` differ, as
/// `0.0` and `-0.0` do: they are read as different types, or as different numbers.
///
/// ```
/// use cloakroom::Session;
///
/// let session = Session::detached();
/// session.insert("n", 1)?;
/// let previous = session.insert("n", 2)?.expect("was set");
/// assert_eq!(previous.get::<u32>()?, 1);
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct Value {
    json: Bytes,
}

impl Value {
    /// Serialises `value`, to be kept under `key`.
    ///
    /// What could not be read back as it was, or only by some types, is refused: see
    /// [`Session::insert`](crate::Session::insert).
    ///
    /// # Errors
    /// [`Error::Serialize`] if it cannot be kept as JSON or has more than [`MAX_VALUE_BYTES`],
    /// [`Error::TooDeep`] if it is nested more than [`MAX_DEPTH`] deep.
    pub fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Self, Error> {
        Self::write(key, value, Reader::Unknown).map(|(value, _)| value)
    }

    /// The same for what is going to be read as a `T`, which is tried.
    pub(crate) fn encode_as<T: Serialize + DeserializeOwned>(
        key: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Serialize {
            key: key.into(),
            type_name: type_name::<T>(),
            reason: reason.into(),
        };
        let (written, doubts) = Self::write(key, value, Reader::Known)?;
        // serde's reason may quote the value (S87).
        let read: T = serde_json::from_slice(&written.json)
            .map_err(|_| refuse("what is written cannot be read back"))?;
        if doubts > 0 && Self::write(key, &read, Reader::Known)?.1 != doubts {
            return Err(refuse("what is read back is another value"));
        }
        Ok(written)
    }

    fn write<T: Serialize + ?Sized>(
        key: &str,
        value: &T,
        reader: Reader,
    ) -> Result<(Self, usize), Error> {
        let refuse =
            |reason| Error::Serialize { key: key.into(), type_name: type_name::<T>(), reason };
        // Most values are short: such a one is written on the stack.
        let mut json = SmallVec::<[u8; 128]>::new();
        let doubts = encode::write(&mut json, value, reader).map_err(refuse)?;
        if json.len() > MAX_VALUE_BYTES {
            return Err(refuse(format!("{} bytes, at most {MAX_VALUE_BYTES}", json.len())));
        }
        match depth(&json) {
            0..=MAX_DEPTH => Ok((Self { json: Bytes::copy_from_slice(&json) }, doubts)),
            depth => Err(Error::TooDeep { key: key.into(), depth }),
        }
    }

    /// Takes JSON text as it is, or `None` if it is not one JSON value within the limits of [`Value::encode`], or has a
    /// number in it that is beyond the largest float.
    #[must_use]
    pub fn from_json(json: &str) -> Option<Self> {
        let fits = json.len() <= MAX_VALUE_BYTES && depth(json.as_bytes()) <= MAX_DEPTH;
        let valid = fits
            && serde_json::from_str::<IgnoredAny>(json).is_ok()
            && !is_beyond_floats(json.as_bytes());
        valid.then(|| Self { json: Bytes::copy_from_slice(json.as_bytes()) })
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it is something else.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.decode("")
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        // Every constructor takes text or what serde_json wrote.
        std::str::from_utf8(&self.json).unwrap_or("null")
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, key: &str) -> Result<T, Error> {
        serde_json::from_slice(&self.json).map_err(|_| Error::WrongType {
            key: key.into(),
            found: self.kind(),
            expected: type_name::<T>(),
        })
    }

    pub(crate) fn shared(json: Bytes) -> Self {
        Self { json }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.json
    }

    /// What kind of JSON this is, for errors that must not show the value itself.
    fn kind(&self) -> &'static str {
        match self.json.trim_ascii_start().first() {
            Some(b'{') => "object",
            Some(b'[') => "array",
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        }
    }
}

impl Serialize for Value {
    /// The JSON as it is, for serde_json and for a session: what was removed can be set again, by itself or in another
    /// value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // What a store gave back may be anything, and must not break what is around it.
        let raw: &RawValue = serde_json::from_slice(&self.json)
            .map_err(|_| ser::Error::custom("a value that is no JSON"))?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    /// From serde_json, any JSON that [`Value::from_json`] takes.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(raw.get()).ok_or_else(|| {
            de::Error::custom("too large, too deep, or a number beyond the largest float")
        })
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json || is_equal(&self.json, &other.json)
    }
}

impl fmt::Debug for Value {
    /// The kind only: the value may be private (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} of {} bytes)", self.kind(), self.json.len())
    }
}

/// How deeply arrays and objects are nested in `json`, without building anything. A scalar has depth 0.
pub(crate) fn depth(json: &[u8]) -> usize {
    let (mut open, mut deepest, mut at) = (0usize, 0usize, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at += rest_of_text(&json[at + 1..]),
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Whether a number in `json` is beyond the largest float: valid JSON that no reader makes a number of. An integer of any
/// length is one to Python.
pub(super) fn is_beyond_floats(json: &[u8]) -> bool {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at += rest_of_text(&json[at + 1..]),
            b'0'..=b'9' | b'-' => {
                let rest = &json[at..];
                let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
                let token = std::str::from_utf8(&rest[..length]).unwrap_or_default();
                if token.contains(['.', 'e', 'E']) && token.parse().is_ok_and(f64::is_infinite) {
                    return true;
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    false
}

/// How long the rest of a JSON text is, from behind its first quote to its last one, included.
pub(crate) fn rest_of_text(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr2(b'"', b'\\', &rest[at.min(rest.len())..]) {
        at += found + 1;
        if rest[at - 1] == b'"' {
            return at;
        }
        at += 1; // what is escaped
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_text() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            (r#"{"a":[{}]}"#, 3),
            (r#""[[[""#, 0),
            (r#"["\"[[",[]]"#, 2),
            (r#"["\\",[["#, 3),
            ("[\"\\", 1),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn s84_a_value_nested_too_deeply_is_refused() {
        let nested = |levels: usize| {
            (0..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]))
        };
        assert!(Value::encode("k", &nested(MAX_DEPTH)).is_ok());
        let error = Value::encode("k", &nested(MAX_DEPTH + 1)).unwrap_err();
        assert!(matches!(error, Error::TooDeep { depth: 65, .. }), "{error}");
        assert_eq!(Value::from_json(&("[".repeat(100_000) + &"]".repeat(100_000))), None);
    }

    #[test]
    fn s87_neither_debug_nor_errors_show_a_value() {
        let value = Value::encode("token", "hunter2").unwrap();
        let error = value.decode::<u32>("token").unwrap_err();
        let printed = format!("{value:?} {error:?} {error}");
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
