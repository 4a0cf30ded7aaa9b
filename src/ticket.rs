//! The ticket: the text in the cookie of a server-side session.
//!
//! 48 random bytes in base64url, 64 characters: a *locator* (16) that names the record for its whole life, and a
//! *secret* (32) that proves the right to it. The store sees the locator and a hash of the secret, so that a stolen
//! copy of the store opens nothing. The hash is made with the application's name, so that a ticket of one application
//! proves nothing to another on the same store. Layout: FORMATS.md, "Ticket". Rules: S1, S3, S8, S33.

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
/// Keeps these hashes apart from every other use of SHA-256. As long as the hash of a name, and with it one block of
/// the hash.
const LABEL: &[u8; 32] = b"cloakroom ticket 1 of namespace:";

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
    pub(crate) fn to_text(&self) -> TicketText {
        TicketText(Zeroizing::new(text::encode(&self.words)))
    }

    /// What names the record; no secret.
    pub(crate) fn locator(&self) -> [u8; LOCATOR_BYTES] {
        let mut locator = [0; LOCATOR_BYTES];
        self.write(&mut locator);
        locator
    }

    /// What the record keeps of it. The locator is hashed too, so that a hash copied to another record opens nothing.
    pub(crate) fn hash(&self, namespace: &Namespace) -> TicketHash {
        let mut message = [0; TICKET_BYTES];
        self.write(&mut message);
        TicketHash(namespace.begun.clone().chain_update(message).finalize().into())
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

/// The application whose tickets these are: what their hashes begin with.
pub(crate) struct Namespace {
    /// Stands behind one whole block, so that a ticket's hash takes one block more, however long the name is.
    begun: Sha256,
}

impl Namespace {
    pub(crate) fn new(name: &str) -> Self {
        Self { begun: Sha256::new().chain_update(LABEL).chain_update(Sha256::digest(name)) }
    }
}

/// A ticket as text, in no memory but its own.
pub(crate) struct TicketText(Zeroizing<[u8; Ticket::TEXT_BYTES]>);

impl TicketText {
    pub(crate) fn as_str(&self) -> &str {
        // It is ASCII, which is text.
        std::str::from_utf8(&*self.0).unwrap_or_default()
    }
}

/// SHA-256 of a namespace and a ticket: enough to recognise it, not enough to make it.
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

    fn shop() -> Namespace {
        Namespace::new("shop")
    }

    #[test]
    fn s3_s33_the_hash_is_the_one_that_formats_md_has() {
        let (_, rest) = include_str!("../FORMATS.md").split_once("\nnamespace  ").unwrap();
        let lines: Vec<&str> = rest.lines().take(3).collect();
        let of = |line: &str| line.split_once("  ").unwrap().1.trim().to_owned();
        let (name, ticket, hash) = (lines[0].trim(), of(lines[1]), of(lines[2]));
        let ticket = Ticket::parse(ticket.as_bytes()).unwrap();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(ticket.hash(&Namespace::new(name)).as_bytes()), hash);
    }

    #[test]
    fn s33_each_name_has_hashes_of_its_own() {
        let ticket = Ticket::generate(&SystemRandom).unwrap();
        let long = "n".repeat(1 << 16);
        let names =
            ["", "\0", " ", "shop", "Shop", "shop ", "shopshop", "forum", &long, &long[1..]];
        for (at, name) in names.iter().enumerate() {
            let hash = ticket.hash(&Namespace::new(name));
            for (other_at, other) in names.iter().enumerate() {
                let is = hash.is(&ticket.hash(&Namespace::new(other)));
                assert_eq!(is, at == other_at, "{name:.20} and {other:.20}");
            }
        }
    }

    #[test]
    fn s1_a_ticket_is_random_bytes_and_nothing_else() {
        let random = FixedRandom::new((0..48).collect::<Vec<u8>>());
        let ticket = Ticket::generate(&random).unwrap();
        assert_eq!(
            ticket.to_text().as_str(),
            BASE64_URL_SAFE_NO_PAD.encode((0..48).collect::<Vec<u8>>())
        );
        assert!(Ticket::generate(&random).is_err(), "no randomness, no ticket");
    }

    #[test]
    fn s19_renewing_keeps_the_place_and_changes_the_secret() {
        let ticket = Ticket::generate(&SystemRandom).unwrap();
        let renewed = ticket.renewed(&SystemRandom).unwrap();
        assert_eq!(ticket.locator(), renewed.locator());
        assert!(!ticket.hash(&shop()).is(&renewed.hash(&shop())));
    }

    #[test]
    fn s8_s42_only_the_one_spelling_is_a_ticket() {
        let text = Ticket::generate(&SystemRandom).unwrap().to_text();
        let text = text.as_str();
        let again = Ticket::parse(text.as_bytes()).unwrap();
        assert_eq!(again.to_text().as_str(), text);
        let plus = text.replacen(text.chars().next().unwrap(), "+", 1);
        let short = &text[..63];
        let long = format!("{text}A");
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
        assert!(!ticket.hash(&shop()).is(&other.hash(&shop())));
    }

    #[test]
    fn s87_a_ticket_is_not_printed() {
        assert_eq!(format!("{:?}", Ticket::generate(&SystemRandom).unwrap()), "Ticket(..)");
    }
}
