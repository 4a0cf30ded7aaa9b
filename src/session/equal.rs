//! JSON as it compares: by what it says, not by how it is spaced, escaped or ordered.
//!
//! Numbers compare by their digits and never through a float, in which different numbers can be the same.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::Visitor;

use super::decimal::Decimal;
use super::value::{MAX_DEPTH, depth, rest_of_text};

/// Whether both are JSON and say the same.
pub(super) fn is_equal(one: &[u8], other: &[u8]) -> bool {
    Json::read(one).is_some_and(|one| Json::read(other) == Some(one))
}

/// One JSON value, in pieces of the text it was read from.
#[derive(Debug, PartialEq)]
enum Json<'a> {
    /// `null`, `true` or `false`.
    Word(&'a [u8]),
    /// JSON has one spelling for each, but for `-0`.
    Integer(&'a [u8]),
    Float(Decimal),
    Text(Text<'a>),
    Array(Vec<Json<'a>>),
    /// Of equal names the last one counts, as for every reader.
    Object(BTreeMap<Text<'a>, Json<'a>>),
}

/// Text without its escapes. As bytes, because JSON may have half of a surrogate pair.
type Text<'a> = Cow<'a, [u8]>;

impl<'a> Json<'a> {
    fn read(json: &'a [u8]) -> Option<Self> {
        // Values are nested less deeply, lists of them a little more. Deeper is what somebody else wrote.
        if depth(json) > 2 * MAX_DEPTH {
            return None;
        }
        let mut reader = Reader { rest: json };
        let read = reader.value()?;
        reader.skip_space();
        reader.rest.is_empty().then_some(read)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Json<'a>> {
        self.skip_space();
        Some(match self.rest.first()? {
            b'"' => Json::Text(self.text()?),
            b'[' => Json::Array(self.list(b']', Self::value)?),
            b'{' => Json::Object(self.list(b'}', Self::member)?),
            b'-' | b'0'..=b'9' => number(self.token())?,
            _ => Json::Word(self.word()?),
        })
    }

    fn member(&mut self) -> Option<(Text<'a>, Json<'a>)> {
        self.skip_space();
        let name = self.text()?;
        self.expect(b':')?;
        Some((name, self.value()?))
    }

    /// What stands between brackets, with commas between.
    fn list<T, L: Default + Extend<T>>(
        &mut self,
        end: u8,
        item: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<L> {
        self.rest = &self.rest[1..];
        let mut list = L::default();
        if self.expect(end).is_some() {
            return Some(list);
        }
        loop {
            list.extend([item(self)?]);
            if self.expect(b',').is_none() {
                return self.expect(end).map(|()| list);
            }
        }
    }

    fn text(&mut self) -> Option<Text<'a>> {
        let rest = self.rest.strip_prefix(b"\"")?;
        let (token, after) = self.rest.split_at(1 + rest_of_text(rest));
        self.rest = after;
        if token.contains(&b'\\') {
            return serde_json::Deserializer::from_slice(token).deserialize_bytes(Unescaped).ok();
        }
        let is_closed = token.len() > 1 && token.ends_with(b"\"");
        is_closed.then_some(Cow::Borrowed(token))
    }

    fn word(&mut self) -> Option<&'a [u8]> {
        let token = self.token();
        matches!(token, b"null" | b"true" | b"false").then_some(token)
    }

    /// Up to where a number or a word ends.
    fn token(&mut self) -> &'a [u8] {
        let is_end = |byte: &u8| matches!(byte, b',' | b']' | b'}' | b':') || is_space(*byte);
        let end = self.rest.iter().position(is_end).unwrap_or(self.rest.len());
        let (token, after) = self.rest.split_at(end);
        self.rest = after;
        token
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_space(&mut self) {
        let spaces = self.rest.iter().take_while(|byte| is_space(**byte)).count();
        self.rest = &self.rest[spaces..];
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

fn number(token: &[u8]) -> Option<Json<'_>> {
    let is_float = token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    Some(match is_float {
        true => Json::Float(Decimal::read(std::str::from_utf8(token).ok()?)?),
        false => Json::Integer(token),
    })
}

/// Takes the quotes off, too, so that it compares with text that needed no unescaping.
struct Unescaped;

impl Visitor<'_> for Unescaped {
    type Value = Text<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_bytes<E>(self, text: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned([b"\"", text, b"\""].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_the_same_is_equal_however_it_is_written() {
        for (one, other) in [
            ("[1,2]", " [ 1 ,\t2\r\n]"),
            (r#"{"a":1,"b":{"c":[],"d":{}}}"#, r#"{"b": {"d": {}, "c": []}, "a": 1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""A\u00e9\/\ud83d\ude00\n""#, "\"\\u0041é/😀\\u000a\""),
            (r#""\ud800""#, r#""\uD800""#),
            ("1.0", "1.00"),
            ("1.5e3", "1500.0"),
            ("1E+2", "10e1"),
            ("-0.0", "-0e5"),
            ("0.00012300", "1.23e-4"),
        ] {
            assert!(is_equal(one.as_bytes(), other.as_bytes()), "{one} = {other}");
        }
    }

    #[test]
    fn what_says_something_else_is_not() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("18446744073709551616", "18446744073709551617"),
            ("1", "1.0"),
            ("0", "-0"),
            ("0.0", "-0.0"),
            ("0.1", "0.10000000000000001"),
            ("1e400", "1e401"),
            ("1.5", "15.0"),
            ("[1,2]", "[2,1]"),
            ("[[]]", "[]"),
            ("{}", "[]"),
            ("null", "false"),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#""a""#, r#""a ""#),
            (r#""1""#, "1"),
            (r#""\ud800""#, r#""\ud801""#),
        ] {
            assert!(!is_equal(one.as_bytes(), other.as_bytes()), "{one} ≠ {other}");
            assert!(is_equal(one.as_bytes(), one.as_bytes()), "{one}");
        }
    }

    #[test]
    fn what_is_no_json_equals_nothing_and_harms_nobody() {
        let deep = "[".repeat(1_000_000);
        for broken in
            ["", "[", "[1", "[1,", "[1 2]", "{\"a\"", "{1:2}", "\"", "\"\\", "1 2", "1e", &deep]
        {
            assert!(!is_equal(broken.as_bytes(), broken.as_bytes()), "{broken:.20}");
        }
    }
}
