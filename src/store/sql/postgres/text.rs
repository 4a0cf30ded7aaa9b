//! A statement as one text with its values in it, for poolers that give each transaction another session: nothing is
//! prepared, and one round trip is a whole transaction.
//!
//! No text of anybody's gets into it: whatever is not a number is written as hexadecimal digits (S78).

use std::fmt::Write;

use super::super::dialect::Value;

/// What comes `before`, and the statement with a value for each `$n`.
pub(super) fn of(before: &str, sql: &str, values: &[Value<'_>]) -> String {
    let mut text = before.to_owned();
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        let value =
            number.parse().ok().and_then(|number: usize| values.get(number.checked_sub(1)?));
        value.into_iter().for_each(|value| push(&mut text, *value));
        text.push_str(rest);
    }
    text
}

fn push(text: &mut String, value: Value<'_>) {
    match value {
        Value::Number(number) => {
            // Writing to a text cannot fail. As text, because a sign would be taken for an operation.
            let _ = write!(text, "'{number}'::bigint");
        }
        Value::Bytes(None) => text.push_str("NULL::bytea"),
        Value::Text(None) => text.push_str("NULL::text"),
        Value::Bytes(Some(bytes)) => push_hex(text, "decode('", bytes, "', 'hex')"),
        Value::Text(Some(owner)) => {
            push_hex(text, "convert_from(decode('", owner.as_bytes(), "', 'hex'), 'UTF8')");
        }
    }
}

fn push_hex(text: &mut String, before: &str, bytes: &[u8], after: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push_str(before);
    text.reserve(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text.push_str(after);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s78_values_become_numbers_and_hexadecimal_digits_in_their_places() {
        let values = [
            Value::Text(Some("a'; DROP TABLE b; --")),
            Value::Bytes(Some(&[0, 255])),
            Value::Number(i64::MIN),
            Value::Bytes(None),
            Value::Text(None),
        ];
        let text =
            of("SET x; ", "UPDATE t SET a = $3, b = $1 WHERE c = $2 AND d = $4 OR $5", &values);
        assert_eq!(
            text,
            "SET x; UPDATE t SET a = '-9223372036854775808'::bigint, \
             b = convert_from(decode('61273b2044524f50205441424c4520623b202d2d', 'hex'), 'UTF8') \
             WHERE c = decode('00ff', 'hex') AND d = NULL::bytea OR NULL::text"
        );
    }
}
