//! A ticket's text in constant time: base64url without padding, 64 characters for 48 bytes.
//!
//! No branch and no address depends on the text, and it is done many characters at a time.

/// What a ticket has as text.
pub(super) const BYTES: usize = 64;
const WORDS: usize = BYTES / 4 * 3 / 8;

/// The bytes of this text as words, the first byte highest. 64 characters are exactly 48 bytes: there are no spare bits,
/// so each ticket has one spelling (S42).
pub(super) fn decode(text: &[u8; BYTES]) -> Option<[u64; WORDS]> {
    let plus_one = text.map(digit_plus_one);
    // Such a digit is 64 at most: adding up the noughts needs no branch.
    let strangers = plus_one.iter().fold(0, |strangers, digit| strangers | u8::from(*digit == 0));
    let digits = plus_one.map(|digit| digit.wrapping_sub(1));
    let mut bits = digits.as_chunks().0.iter().map(|eight| joined(u64::from_be_bytes(*eight)));
    let mut next = || bits.next().unwrap_or_default();
    let mut words = [0; WORDS];
    // Four times 48 bits are three words.
    for three in words.as_chunks_mut::<3>().0 {
        let [a, b, c, d] = [next(), next(), next(), next()];
        *three = [a << 16 | b >> 32, b << 32 | c >> 16, c << 48 | d];
    }
    (strangers == 0).then_some(words)
}

/// The text of these words: of eight digits, which are 48 bits, each has a byte.
pub(super) fn encode(words: &[u64; WORDS]) -> [u8; BYTES] {
    let mut digits = [0; BYTES];
    let mut eights = digits.as_chunks_mut().0.iter_mut();
    for [a, b, c] in words.as_chunks().0 {
        let bits = [a >> 16, a << 32 | b >> 32, b << 16 | c >> 48, *c];
        for (bits, eight) in bits.into_iter().zip(eights.by_ref()) {
            *eight = parted(bits & 0xffff_ffff_ffff).to_be_bytes();
        }
    }
    digits.map(character)
}

/// What stands for a digit.
const fn character(digit: u8) -> u8 {
    /// What is to be added where the digits from `first` on begin, to what those before it need.
    const fn from(digit: u8, first: u8, more: u8) -> u8 {
        ((digit >= first) as u8).wrapping_neg() & more
    }
    let letter = digit.wrapping_add(b'A').wrapping_add(from(digit, 26, b'a' - b'Z' - 1));
    let number = from(digit, 52, (b'0').wrapping_sub(b'z' + 1));
    let minus = from(digit, 62, (b'-').wrapping_sub(b'9' + 1));
    let line = from(digit, 63, b'_' - b'-' - 1);
    letter.wrapping_add(number).wrapping_add(minus).wrapping_add(line)
}

/// 48 bits as eight digits of six bits, a byte each.
const fn parted(bits: u64) -> u64 {
    let fours = bits & 0x00ff_ffff | (bits & 0xffff_ff00_0000) << 8;
    let twos = fours & 0x0000_0fff_0000_0fff | (fours & 0x00ff_f000_00ff_f000) << 4;
    twos & 0x003f_003f_003f_003f | (twos & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// What a character stands for, and one more; nought for a character that stands for nothing.
const fn digit_plus_one(character: u8) -> u8 {
    const fn within(character: u8, first: u8, last: u8, value: u8) -> u8 {
        let is_within = (character >= first) as u8 & (character <= last) as u8;
        is_within.wrapping_neg() & character.wrapping_sub(first).wrapping_add(value + 1)
    }
    within(character, b'A', b'Z', 0)
        | within(character, b'a', b'z', 26)
        | within(character, b'0', b'9', 52)
        | within(character, b'-', b'-', 62)
        | within(character, b'_', b'_', 63)
}

/// Eight digits of six bits, a byte each, as 48 bits.
const fn joined(digits: u64) -> u64 {
    let twos = digits & 0x003f_003f_003f_003f | (digits & 0x3f00_3f00_3f00_3f00) >> 2;
    let fours = twos & 0x0000_0fff_0000_0fff | (twos & 0x0fff_0000_0fff_0000) >> 4;
    fours & 0x00ff_ffff | (fours & 0x00ff_ffff_0000_0000) >> 8
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use proptest::prelude::{any, proptest};

    use super::{BYTES, decode, encode};

    fn by_the_library(text: &[u8; BYTES]) -> Option<Vec<u8>> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()
    }

    fn by_words(text: &[u8; BYTES]) -> Option<Vec<u8>> {
        decode(text).map(|words| words.into_iter().flat_map(u64::to_be_bytes).collect())
    }

    #[test]
    fn s8_each_character_in_each_place_is_read_as_base64url_has_it() {
        for at in 0..BYTES {
            for character in 0..=u8::MAX {
                let mut text = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                text[at] = character;
                assert_eq!(by_words(&text), by_the_library(&text), "{character} at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn s8_s42_what_is_written_is_read_again(bytes in any::<[[u8; 16]; 3]>()) {
            let bytes = bytes.concat();
            let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            let text: [u8; BYTES] = text.as_bytes().try_into().expect("64 characters");
            assert_eq!(encode(&decode(&text).expect("a ticket")), text);
            assert_eq!(by_words(&text), Some(bytes));
        }
    }
}
