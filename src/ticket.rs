//! The ticket: the text in the cookie of a server-side session.
//!
//! 48 random bytes in base64url, 64 characters: a *locator* (16) that names the record for its whole life, and a
//! *secret* (32) that proves the right to it. The store sees the locator and a hash of the secret, so that a stolen
//! copy of the store opens nothing. Layout: FORMATS.md, "Ticket". Rules: S1, S3, S8.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Error;
use crate::random::Random;

const LOCATOR_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TICKET_BYTES: usize = LOCATOR_BYTES + SECRET_BYTES;
/// Keeps these hashes apart from every other use of SHA-256. Seven letters, because a ticket with them is the most
/// that one block of the hash takes.
const LABEL: &[u8] = b"ticket1";

/// The right to one session.
#[derive(Clone)]
pub(crate) struct Ticket {
    bytes: Zeroizing<[u8; TICKET_BYTES]>,
}

impl Ticket {
    /// What a ticket has as text.
    pub(crate) const TEXT_BYTES: usize = 64;

    /// A ticket to a record that does not exist yet.
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        random.fill(&mut *bytes)?;
        Ok(Self { bytes })
    }

    /// Another ticket to the same record.
    pub(crate) fn renewed(&self, random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = self.bytes.clone();
        random.fill(&mut bytes[LOCATOR_BYTES..])?;
        Ok(Self { bytes })
    }

    /// Reads a cookie's value. Anything but the one spelling of a ticket is none, before any store is asked (S8).
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != Self::TEXT_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; TICKET_BYTES]);
        // 64 characters are exactly 48 bytes: there are no spare bits, so each ticket has one spelling (S42).
        let read = BASE64_URL_SAFE_NO_PAD.decode_slice_unchecked(text, &mut *bytes).ok()?;
        (read == TICKET_BYTES).then_some(Self { bytes })
    }

    /// The cookie's value. Whoever has it has the session.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*self.bytes))
    }

    /// What names the record; no secret.
    pub(crate) fn locator(&self) -> [u8; LOCATOR_BYTES] {
        let mut locator = [0; LOCATOR_BYTES];
        locator.copy_from_slice(&self.bytes[..LOCATOR_BYTES]);
        locator
    }

    /// What the record keeps of it. The locator is hashed too, so that a hash copied to another record opens nothing.
    pub(crate) fn hash(&self) -> TicketHash {
        TicketHash(Sha256::new().chain_update(LABEL).chain_update(*self.bytes).finalize().into())
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
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
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
        other.bytes[LOCATOR_BYTES..].copy_from_slice(&ticket.bytes[LOCATOR_BYTES..]);
        other.bytes[0] ^= 1;
        assert!(!ticket.hash().is(&other.hash()));
    }

    #[test]
    fn s87_a_ticket_is_not_printed() {
        assert_eq!(format!("{:?}", Ticket::generate(&SystemRandom).unwrap()), "Ticket(..)");
    }
}
