//! Numbers as Python prints them.

use std::fmt::Write;

use smallvec::SmallVec;

use crate::session::Decimal;

/// Integers of any size stay as they are, and so does a number with digits that no float holds. All others are floats,
/// and printed as Python prints them.
pub(super) fn number(out: &mut String, token: &str) -> Result<(), &'static str> {
    if !token.contains(['.', 'e', 'E']) {
        out.push_str(token);
        return Ok(());
    }
    let parsed: f64 = token.parse().unwrap_or(f64::NAN);
    if !parsed.is_finite() {
        return Err("a float cannot be as large, and Python would read infinity");
    }
    let start = out.len();
    float(out, parsed);
    if &out[start..] != token && !is_spelling(token, &out[start..], parsed) {
        out.truncate(start);
        out.push_str(token);
    }
    Ok(())
}

/// Whether a number says what Python's spelling of `float` says. Of two shortest spellings that are equally near to the
/// float, Python chooses one and others the other.
fn is_spelling(token: &str, python: &str, float: f64) -> bool {
    let (Some(token), Some(python)) = (Decimal::read(token), Decimal::read(python)) else {
        return false;
    };
    // 767 digits are the most that a float can have.
    let is_tie =
        |exact: &Decimal| [&token, &python].iter().all(|it| it.is_half_a_digit_from(exact));
    token == python || Decimal::read(&format!("{float:.766e}")).is_some_and(|exact| is_tie(&exact))
}

/// Python's `repr` of a float: the fewest digits, an exponent from 1e16 up and below 1e-4.
pub(super) fn float(out: &mut String, number: f64) {
    // serde_json's digits are Python's, those of Rust's own `{}` not always.
    let mut spelling = SmallVec::<[u8; 32]>::new();
    let _ = serde_json::to_writer(&mut spelling, &number);
    let Some(decimal) = std::str::from_utf8(&spelling).ok().and_then(Decimal::read) else { return };
    out.push_str(if decimal.is_negative { "-" } else { "" });
    let digits = if decimal.digits.is_empty() { "0" } else { &decimal.digits };
    // What stands before the point where one digit does.
    let exponent = decimal.exponent - i64::from(!decimal.digits.is_empty());
    match exponent {
        -4..0 => {
            let _ = write!(out, "0.{}{digits}", "0".repeat(-exponent as usize - 1));
        }
        0..16 => {
            let whole = exponent as usize + 1;
            let (before, after) = digits.split_at_checked(whole).unwrap_or((digits, ""));
            let after = if after.is_empty() { "0" } else { after };
            let _ = write!(out, "{before:0<whole$}.{after}");
        }
        _ => {
            let (before, after) = digits.split_at(1);
            let point = if after.is_empty() { "" } else { "." };
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{before}{point}{after}e{sign}{:02}", exponent.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_python_prints_them() {
        for (number, python) in [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e22, "1e+22"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (1e-7, "1e-07"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (1.5e-10, "1.5e-10"),
            (1e300, "1e+300"),
            (1_700_000_000.5, "1700000000.5"),
            (0.0, "0.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (5e-324, "5e-324"),
            // Two shortest spellings are equally near: Python takes the even digit.
            (5.684_341_886_080_802e-14, "5.684341886080802e-14"),
        ] {
            let mut out = String::new();
            float(&mut out, number);
            assert_eq!(out, python);
        }
    }

    #[test]
    fn r20_a_number_that_no_float_holds_keeps_its_digits() {
        for json in [
            "0.12345678901234567890",
            "1234567890.12345678901234567890e-5",
            "0.10000000000000001",
            "9007199254740993.0",
            "1e-400",
        ] {
            let mut out = String::new();
            number(&mut out, json).unwrap();
            assert_eq!(out, json);
        }
        for beyond in ["1e999", "-1.8e308", "1e99999999999999999999"] {
            assert!(number(&mut String::new(), beyond).is_err(), "{beyond}");
        }
    }
}
