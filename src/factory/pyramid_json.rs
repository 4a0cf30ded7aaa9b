//! JSON as Pyramid writes it: `", "` and `": "` between things, ASCII only, numbers as Python prints them.
//!
//! Values come as JSON text in whatever spelling and leave in that of Python's `json.dumps`, so that both sides
//! write the same bytes for the same session.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::Chars;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::session::{Entries, EntriesReader, MAX_DEPTH, depth, rest_of_text};
use crate::{Error, Timestamp};

mod number;

use number::{float, number};

/// What a signed cookie says: when it was last used, when the session began, and the data.
#[derive(Debug, PartialEq)]
pub(super) struct Triple {
    pub(super) renewed: Timestamp,
    pub(super) created: Timestamp,
    pub(super) entries: Entries,
}

/// Reads `[renewed, created, {…}]`; anything else is `None` (R60). Where `lenient`, times may be numbers in text.
pub(super) fn read(json: &[u8], lenient: bool) -> Option<Triple> {
    let json = std::str::from_utf8(json).ok()?;
    if depth(json.as_bytes()) > MAX_DEPTH + 2 {
        return None; // two for the triple and the dictionary around each value
    }
    let (renewed, created, Pairs(entries)) =
        serde_json::from_str::<(&RawValue, &RawValue, Pairs)>(json).ok()?;
    Some(Triple { renewed: time(renewed, lenient)?, created: time(created, lenient)?, entries })
}

/// Writes the triple. `created` is always printed as a float, `renewed` as an integer if it has no fraction and
/// `renewed_is_int` (R66).
///
/// # Errors
/// [`Error::Serialize`] for a number that Python could not read.
pub(super) fn write(triple: &Triple, renewed_is_int: bool) -> Result<String, Error> {
    let mut out = String::with_capacity(64 + triple.entries.run().len());
    out.push('[');
    if renewed_is_int {
        let _ = write!(out, "{}", triple.renewed.as_secs());
    } else {
        float(&mut out, triple.renewed.as_secs_f64());
    }
    out.push_str(", ");
    float(&mut out, triple.created.as_secs_f64());
    out.push_str(", {");
    for (index, (key, json)) in triple.entries.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        text(&mut out, key);
        out.push_str(": ");
        value(&mut out, json.as_json()).map_err(|reason| Error::Serialize {
            key: key.to_owned(),
            type_name: "number",
            reason: reason.to_owned(),
        })?;
    }
    out.push_str("}]");
    Ok(out)
}

fn time(raw: &RawValue, lenient: bool) -> Option<Timestamp> {
    let json = raw.get();
    let number = match json.as_bytes().first()? {
        b'-' | b'0'..=b'9' => json.parse().ok()?,
        b'"' if lenient => serde_json::from_str::<String>(json).ok()?.trim().parse().ok()?,
        _ => return None,
    };
    Timestamp::from_secs_f64(number)
}

/// A JSON object as entries. Of equal keys the last wins.
struct Pairs(Entries);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut entries = EntriesReader::with_capacity(1024);
                while let Some((Name(key), raw)) = map.next_entry::<Name<'_>, &RawValue>()? {
                    entries.put(&key, raw.get().as_bytes());
                }
                Ok(Pairs(entries.finish()))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A key. One without escapes is not copied.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Rewrites one JSON value, or says why that is not possible.
fn value(out: &mut String, json: &str) -> Result<(), &'static str> {
    let mut rest = json;
    while let Some(first) = rest.bytes().next() {
        let token = match first {
            b'"' => text_length(rest),
            b'-' | b'0'..=b'9' => {
                rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len())
            }
            _ => 1,
        };
        let (token, after) = rest.split_at(token);
        match first {
            b'"' => retext(out, token),
            b'-' | b'0'..=b'9' => number(out, token)?,
            b',' => out.push_str(", "),
            b':' => out.push_str(": "),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            _ => out.push_str(token),
        }
        rest = after;
    }
    Ok(())
}

/// How many bytes the JSON text at the start of `rest` has, quotes included.
fn text_length(rest: &str) -> usize {
    1 + rest_of_text(&rest.as_bytes()[1..])
}

/// Rewrites JSON text, which is the same in Python where it is plain. Escape by escape, because Python knows half of
/// a surrogate pair and Rust does not.
fn retext(out: &mut String, token: &str) {
    let mut rest = token;
    loop {
        let special = rest.bytes().position(|byte| !is_plain(byte) && byte != b'"');
        let (plain, special) = rest.split_at(special.unwrap_or(rest.len()));
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            None => return,
            Some('\\') => unescape(out, &mut chars),
            Some(char) => escape(out, char),
        }
        rest = chars.as_str();
    }
}

/// Rewrites what stands behind a backslash.
fn unescape(out: &mut String, rest: &mut Chars<'_>) {
    match rest.next() {
        Some('u') => {
            let (digits, after) = rest.as_str().split_at_checked(4).unwrap_or_default();
            *rest = after.chars();
            unit(out, u16::from_str_radix(digits, 16).unwrap_or(0xfffd));
        }
        Some('/') => out.push('/'),
        Some(letter) => out.extend(['\\', letter]),
        None => {}
    }
}

fn text(out: &mut String, decoded: &str) {
    out.push('"');
    let mut rest = decoded;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        chars.next().into_iter().for_each(|char| escape(out, char));
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Whether a byte of a text stands for itself.
const fn is_plain(byte: u8) -> bool {
    // Without a branch, so that many bytes are looked at at once.
    matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
}

fn escape(out: &mut String, char: char) {
    for unit_of_it in char.encode_utf16(&mut [0; 2]) {
        unit(out, *unit_of_it);
    }
}

/// One unit of UTF-16, which is what Python escapes.
fn unit(out: &mut String, unit: u16) {
    match u8::try_from(unit) {
        Ok(b'"') => out.push_str("\\\""),
        Ok(b'\\') => out.push_str("\\\\"),
        Ok(b'\n') => out.push_str("\\n"),
        Ok(b'\r') => out.push_str("\\r"),
        Ok(b'\t') => out.push_str("\\t"),
        Ok(0x8) => out.push_str("\\b"),
        Ok(0xc) => out.push_str("\\f"),
        Ok(byte @ b' '..=b'~') => out.push(byte.into()),
        _ => {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r60_what_is_no_session_is_not_read() {
        let nested =
            |levels| format!("[1, 1.5, {{\"k\": {}{}}}]", "[".repeat(levels), "]".repeat(levels));
        for (json, lenient, accepted) in [
            (nested(MAX_DEPTH), false, true),
            (nested(MAX_DEPTH + 1), false, false),
            (nested(100_000), true, false),
            ("[1, 1, {}]".into(), false, true),
            ("[1e300, 1, {}]".into(), true, false),
            ("[-1, -1.5, {}]".into(), false, true),
            ("[true, 1, {}]".into(), true, false),
            ("[\"1\", 1, {}]".into(), false, false),
            ("[\"1\", 1, {}]".into(), true, true),
            ("[\"nan\", 1, {}]".into(), true, false),
            ("[1, 1, {}".into(), true, false),
            ("[1, 1, {\"a\": }]".into(), true, false),
            ("[1, 1, {\"a\": NaN}]".into(), true, false),
            (String::new(), true, false),
        ] {
            assert_eq!(read(json.as_bytes(), lenient).is_some(), accepted, "{json:.60}");
        }
    }

    #[test]
    fn values_are_rewritten_in_pythons_spelling() {
        for (json, python) in [
            (r#"[1,2 , {"a":[ ],"b":null}]"#, r#"[1, 2, {"a": [], "b": null}]"#),
            (r#""a,b:c \" \u00E9 \/ é 😀""#, r#""a,b:c \" \u00e9 / \u00e9 \ud83d\ude00""#),
            ("\"\\u007f\\u0000\\b\\f\"", "\"\\u007f\\u0000\\b\\f\""),
            (r#""half \uD800 \u0041\u0022\u005c\u000A é""#, r#""half \ud800 A\"\\\n \u00e9""#),
            (
                "[1E2,123456789012345678901234567890,-0,0e99,-0.0E-7]",
                "[100.0, 123456789012345678901234567890, -0, 0.0, -0.0]",
            ),
        ] {
            let mut out = String::new();
            value(&mut out, json).unwrap();
            assert_eq!(out, python);
        }
    }
}
