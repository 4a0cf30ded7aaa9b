//! The ticket: the text in the cookie of a server-side session.
//!
//! 48 random bytes in base64url, 64 characters: a *locator* (16) that names the record for its whole life, and a
//! *secret* (32) that proves the right to it. The store sees the locator and a hash of the secret, so that a stolen
//! copy of the store opens nothing. Layout: FORMATS.md, "Ticket". Rules: S1, S3, S8.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Error;
use crate::random::Random;

mod text;

const LOCATOR_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TICKET_BYTES: usize = LOCATOR_BYTES + SECRET_BYTES;
/// Of eight bytes, the first one highest.
const TICKET_WORDS: usize = TICKET_BYTES / 8;
/// Keeps these hashes apart from every other use of SHA-256. Seven letters, because a ticket with them is the most
/// that one block of the hash takes.
const LABEL: &[u8] = b"ticket1";

/// The right to one session. In words, because those are wiped in an eighth of the time.
#[derive(Clone)]
pub(crate) struct Ticket {
    words: Zeroizing<[u64; TICKET_WORDS]>,
}

impl Ticket {
    /// What a ticket has as text.
    pub(crate) const TEXT_BYTES: usize = text::BYTES;

    /// A ticket to a record that does not exist yet.
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        random.fill(&mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Another ticket to the same record.
    pub(crate) fn renewed(&self, random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = self.to_bytes();
        random.fill(&mut bytes[LOCATOR_BYTES..])?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Reads a cookie's value. Anything but the one spelling of a ticket is none, before any store is asked (S8).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let words = text::decode(text.try_into().ok()?)?;
        Some(Self { words: Zeroizing::new(words) })
    }

    /// The cookie's value. Whoever has it has the session.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        // It is ASCII, which is text.
        let text = String::from_utf8(text::encode(&self.words).to_vec());
        Zeroizing::new(text.unwrap_or_default())
    }

    /// What names the record; no secret.
    pub(crate) fn locator(&self) -> [u8; LOCATOR_BYTES] {
        let mut locator = [0; LOCATOR_BYTES];
        self.write(&mut locator);
        locator
    }

    /// What the record keeps of it. The locator is hashed too, so that a hash copied to another record opens nothing.
    pub(crate) fn hash(&self) -> TicketHash {
        let mut message = [0; LABEL.len() + TICKET_BYTES];
        message[..LABEL.len()].copy_from_slice(LABEL);
        self.write(&mut message[LABEL.len()..]);
        TicketHash(Sha256::digest(message).into())
    }

    fn from_bytes(bytes: &[u8; TICKET_BYTES]) -> Self {
        let mut words = Zeroizing::new([0; TICKET_WORDS]);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Self { words }
    }

    fn to_bytes(&self) -> Zeroizing<[u8; TICKET_BYTES]> {
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        self.write(&mut *bytes);
        bytes
    }

    /// As many bytes as there is room for.
    fn write(&self, bytes: &mut [u8]) {
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&*self.words) {
            *bytes = word.to_be_bytes();
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(..)")
    }
}

/// SHA-256 of a ticket: enough to recognise it, not enough to make it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TicketHash([u8; Self::BYTES]);

impl TicketHash {
    pub(crate) const BYTES: usize = 32;

    pub(crate) const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Whether both are of the same ticket, in constant time (S39).
    pub(crate) fn is(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_chunks().0, other.0.as_chunks().0);
        let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
        let differing = one.iter().zip(other).map(|(one, other)| word(one) ^ word(other));
        differing.fold(0, |all, bits| all | bits).ct_eq(&0).into()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;
    use crate::random::SystemRandom;
    use crate::testing::FixedRandom;

    #[test]
    fn s1_a_ticket_is_random_bytes_and_nothing_else() {
        let random = FixedRandom::new((0..48).collect::<Vec<u8>>());
        let ticket = Ticket::generate(&random).unwrap();
        assert_eq!(*ticket.to_text(), BASE64_URL_SAFE_NO_PAD.encode((0..48).collect::<Vec<u8>>()));
        assert!(Ticket::generate(&random).is_err(), "no randomness, no ticket");
    }

    #[test]
    fn s19_renewing_keeps_the_place_and_changes_the_secret() {
        let ticket = Ticket::generate(&SystemRandom).unwrap();
        let renewed = ticket.renewed(&SystemRandom).unwrap();
        assert_eq!(ticket.locator(), renewed.locator());
        assert!(!ticket.hash().is(&renewed.hash()));
    }

    #[test]
    fn s8_s42_only_the_one_spelling_is_a_ticket() {
        let text = Ticket::generate(&SystemRandom).unwrap().to_text();
        let again = Ticket::parse(text.as_bytes()).unwrap();
        assert_eq!(again.to_text(), text);
        let plus = text.replacen(text.chars().next().unwrap(), "+", 1);
        let short = &text[..63];
        let long = format!("{}A", *text);
        let padded = format!("{}==", &text[..62]);
        for bad in
            ["", "../x", "\0", "*", "{tag}", short, &long, &padded, &plus, &"A".repeat(1 << 20)]
        {
            assert!(Ticket::parse(bad.as_bytes()).is_none(), "{bad:.80}");
        }
        assert!(Ticket::parse(&[0xff; 64]).is_none());
    }

    #[test]
    fn s3_a_hash_copied_to_another_record_opens_nothing() {
        let mut other = Ticket::generate(&SystemRandom).unwrap();
        let ticket = other.renewed(&SystemRandom).unwrap();
        other.words[2..].copy_from_slice(&ticket.words[2..]);
        other.words[0] ^= 1;
        assert!(!ticket.hash().is(&other.hash()));
    }

    #[test]
    fn s87_a_ticket_is_not_printed() {
        assert_eq!(format!("{:?}", Ticket::generate(&SystemRandom).unwrap()), "Ticket(..)");
    }
}
