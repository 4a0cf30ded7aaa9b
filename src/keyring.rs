//! Secrets, and the keys made of them.
//!
//! A secret is text, as it stands in a settings file; it is checked when it is taken, wiped when it is dropped,
//! and never printed (S38, S87).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use zeroize::Zeroizing;

use crate::ConfigError;

/// The fewest bytes a secret may have.
const MIN_BYTES: usize = 32;
/// The fewest different bytes in it. Random hexadecimal digits, the poorest alphabet in use, have 16; a
/// random 32-digit text has fewer than 8 different ones about once in 10^7.
const MIN_DIFFERENT: usize = 8;

/// What sessions are signed with. Whoever has it can make a session for anybody.
///
/// Make one with `openssl rand -base64 48`, or with [`Secret::generate`], and keep it out of the code.
///
/// ```
/// use cloakroom::Secret;
///
/// assert!(Secret::new("letmein").is_err());
/// assert!(Secret::new("ab".repeat(32)).is_err());
/// let secret = Secret::generate()?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert!(Secret::new(secret.reveal()).is_ok());
/// # Ok::<(), cloakroom::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
}

impl Secret {
    /// Takes a secret that was made elsewhere.
    ///
    /// # Errors
    /// [`ConfigError::WeakSecret`] if it has fewer than 32 bytes, or hardly any different ones, or repeats itself.
    pub fn new(text: impl Into<String>) -> Result<Self, ConfigError> {
        let secret = Self::insecure(text);
        match weakness(secret.text.as_bytes()) {
            Some(reason) => Err(ConfigError::WeakSecret { reason }),
            None => Ok(secret),
        }
    }

    /// Makes a new secret: 48 random bytes as 64 letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// [`ConfigError::Random`] if the operating system gives no random bytes.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new([0; 48]);
        getrandom::fill(&mut *bytes).map_err(|_| ConfigError::Random)?;
        Ok(Self::insecure(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
    }

    /// Takes a secret unchecked: for sharing sessions with an application whose secret is weak and cannot be
    /// changed yet, and for tests.
    #[must_use]
    pub fn insecure(text: impl Into<String>) -> Self {
        Self { text: Zeroizing::new(text.into()) }
    }

    /// The text, to be written to a settings file. Do not log it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl TryFrom<&str> for Secret {
    type Error = ConfigError;

    fn try_from(text: &str) -> Result<Self, ConfigError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Secret {
    type Error = ConfigError;

    fn try_from(text: String) -> Result<Self, ConfigError> {
        Self::new(text)
    }
}

impl From<&Self> for Secret {
    fn from(secret: &Self) -> Self {
        secret.clone()
    }
}

impl From<std::convert::Infallible> for ConfigError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Why a secret can be guessed, if it can, without showing any of it.
fn weakness(secret: &[u8]) -> Option<String> {
    if secret.len() < MIN_BYTES {
        return Some(format!("has {} bytes, at least {MIN_BYTES} are needed", secret.len()));
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    if different < MIN_DIFFERENT {
        return Some(format!("has only {different} different characters"));
    }
    let repeats = |period: &usize| secret[*period..] == secret[..secret.len() - period];
    (1..=secret.len() / 2)
        .find(repeats)
        .map(|period| format!("repeats itself every {period} bytes"))
}

/// The hash a [signed cookie](crate::SignedCookieFactory) is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HashAlg {
    /// MD5: only for reading cookies that an old application wrote.
    Md5,
    /// SHA-1: only for reading cookies that an old application wrote.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512, the default.
    #[default]
    Sha512,
}

impl HashAlg {
    /// How many bytes a signature has.
    #[must_use]
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A secret ready for signing: the hash has taken in the key once, and its state is copied for each use.
#[derive(Clone)]
pub(crate) enum MacKey {
    Md5(Hmac<md5::Md5>),
    Sha1(Hmac<sha1::Sha1>),
    Sha256(Hmac<sha2::Sha256>),
    Sha384(Hmac<sha2::Sha384>),
    Sha512(Hmac<sha2::Sha512>),
}

/// Runs the same steps on whichever hash the key has.
macro_rules! with_mac {
    ($key:expr, $mac:ident => $steps:expr) => {
        match $key {
            MacKey::Md5($mac) => $steps,
            MacKey::Sha1($mac) => $steps,
            MacKey::Sha256($mac) => $steps,
            MacKey::Sha384($mac) => $steps,
            MacKey::Sha512($mac) => $steps,
        }
    };
}

impl MacKey {
    /// Pyramid's key: salt and secret, one after the other (R53).
    pub(crate) fn pyramid(hash: HashAlg, salt: &str, secret: &Secret) -> Self {
        let key = pyramid_key_bytes(salt, secret.reveal());
        fn new<M: KeyInit>(key: &[u8]) -> M {
            // HMAC hashes a key that is longer than its block and pads one that is shorter (RFC 2104).
            M::new_from_slice(key).expect("HMAC takes a key of any length")
        }
        match hash {
            HashAlg::Md5 => Self::Md5(new(&key)),
            HashAlg::Sha1 => Self::Sha1(new(&key)),
            HashAlg::Sha256 => Self::Sha256(new(&key)),
            HashAlg::Sha384 => Self::Sha384(new(&key)),
            HashAlg::Sha512 => Self::Sha512(new(&key)),
        }
    }

    /// Appends the signature of `message` to `out`.
    pub(crate) fn sign(&self, message: &[u8], out: &mut Vec<u8>) {
        with_mac!(self, mac => {
            let mut mac = mac.clone();
            mac.update(message);
            out.extend_from_slice(&mac.finalize().into_bytes());
        });
    }

    /// Whether `signature` is that of `message`, compared in constant time (S39).
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        with_mac!(self, mac => {
            let mut mac = mac.clone();
            mac.update(message);
            mac.verify_slice(signature).is_ok()
        })
    }
}

/// A key for HMAC-SHA256 of several parts: CSRF tokens, and what proves that this site made them.
#[derive(Clone)]
pub(crate) struct TagKey(Hmac<sha2::Sha256>);

impl TagKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes a key of any length"))
    }

    /// A key of its own for one purpose, by HKDF-SHA256 (RFC 5869): what is made with it proves nothing for another.
    pub(crate) fn derived(secret: &Secret, purpose: &str) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let derived = Hkdf::<sha2::Sha256>::new(None, secret.reveal().as_bytes());
        derived.expand(purpose.as_bytes(), &mut *key).expect("HKDF gives up to 8,160 bytes");
        Self::new(&*key)
    }

    /// The tag of these parts, each taken with its length in 8 bytes, so that none passes for a piece of its neighbour.
    pub(crate) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// Latin-1 for both texts, or UTF-8 for both if either has a character beyond U+00FF.
fn pyramid_key_bytes(salt: &str, secret: &str) -> Zeroizing<Vec<u8>> {
    let text = Zeroizing::new([salt, secret].concat());
    let latin1: Result<Vec<u8>, _> =
        text.chars().map(|char| u8::try_from(u32::from(char))).collect();
    Zeroizing::new(latin1.unwrap_or_else(|_| text.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s38_weak_secrets_are_refused_with_the_way_to_make_a_good_one() {
        for (weak, reason) in [
            ("correct horse battery staple", "has 28 bytes, at least 32 are needed"),
            (&*"abcdefg".repeat(6), "has only 7 different characters"),
            (&*"0123456789abcdef".repeat(2), "repeats itself every 16 bytes"),
            (&*"correct horse ".repeat(3), "repeats itself every 14 bytes"),
        ] {
            let message = Secret::new(weak).unwrap_err().to_string();
            assert!(message.contains(reason), "{weak}: {message}");
            assert!(message.contains("openssl rand -base64 48"), "{message}");
            assert!(!message.contains(weak), "{message}");
        }
        assert!(Secret::new("0123456789abcdef0123456789abcdeX").is_ok());
    }

    #[test]
    fn s33_a_derived_key_is_what_hkdf_gives() {
        let secret = Secret::insecure("0123456789abcdefghijklmnopqrstuvwxyz");
        let tag = TagKey::derived(&secret, "cloakroom csrf form").tag(&[b"x"]);
        assert_eq!(tag[..6], [0xf7, 0x0b, 0xed, 0x4f, 0x70, 0xbf]);
        assert_ne!(tag, TagKey::derived(&secret, "cloakroom csrf token").tag(&[b"x"]));
    }

    #[test]
    fn r53_salt_and_secret_share_one_encoding() {
        assert_eq!(*pyramid_key_bytes("s.", "café"), *b"s.caf\xe9");
        assert_eq!(*pyramid_key_bytes("é", "€"), *"é€".as_bytes());
    }
}
