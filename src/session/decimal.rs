//! A number of JSON with all its digits, which a float would round.

/// 0.`digits` × 10 to the power of `exponent`, without zeros at either end; zero has no digits. Equal if the numbers
/// are, but that there are two zeros.
#[derive(Debug, PartialEq)]
pub(crate) struct Decimal {
    pub(crate) is_negative: bool,
    pub(crate) digits: String,
    pub(crate) exponent: i64,
}

impl Decimal {
    /// The number in a JSON text; `None` if it is none, or its exponent is beyond all measure.
    pub(crate) fn read(token: &str) -> Option<Self> {
        let unsigned = token.strip_prefix('-').unwrap_or(token);
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty()
            || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        let all = [whole, fraction].concat();
        let significant = all.trim_start_matches('0');
        let zeros = all.len() - significant.len();
        let digits = significant.trim_end_matches('0');
        let exponent = match digits {
            "" => 0, // zero is zero, whatever its exponent
            _ => power.parse::<i64>().ok()?.checked_add(whole.len() as i64 - zeros as i64)?,
        };
        Some(Self {
            is_negative: unsigned.len() < token.len(),
            digits: digits.to_owned(),
            exponent,
        })
    }
    /// Whether this is one of the two numbers, of one digit less, that are equally near to `exact`, a fraction of two.
    pub(crate) fn is_half_a_digit_from(&self, exact: &Self) -> bool {
        let digits = (self.digits.as_bytes(), exact.digits.as_bytes());
        let ([same @ .., last], [start @ .., near, b'5']) = digits else { return false };
        // Before the last 5 of such a fraction is a 2 or a 7: nothing is carried.
        same == start
            && (last == near || *last == near + 1)
            && (self.is_negative, self.exponent) == (exact.is_negative, exact.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_digits_and_where_the_point_is() {
        for (token, digits, exponent) in [
            ("0", "", 0),
            ("0.000e7", "", 0),
            ("1", "1", 1),
            ("100", "1", 3),
            ("1.50", "15", 1),
            ("0.0015", "15", -2),
            ("12.5e3", "125", 5),
            ("12.5E-3", "125", -1),
            ("1e+2", "1", 3),
        ] {
            for (sign, is_negative) in [("", false), ("-", true)] {
                let expected = Decimal { is_negative, digits: digits.into(), exponent };
                assert_eq!(Decimal::read(&format!("{sign}{token}")), Some(expected), "{token}");
            }
        }
        for no_number in ["", "-", ".5", "1e", "1e99999999999999999999", "x", "1.x", "+1"] {
            assert_eq!(Decimal::read(no_number), None, "{no_number}");
        }
    }
}
