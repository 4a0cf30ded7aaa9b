//! The token's text: made from bytes, hidden behind a mask that differs each time, and recognised again.
//!
//! A page that is compressed and holds both a secret and something a stranger chose gives the secret away letter by
//! letter through its length (BREACH). A masked token is other text in each page, so there is nothing to be
//! guessed (S52). Layouts: FORMATS.md, "CSRF token".

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use subtle::ConstantTimeEq;

use crate::Error;
use crate::random::Random;

/// What a form or a script sends back to prove that its page came from this site.
///
/// Printed, it is [masked](CsrfToken::masked): other text at each call of
/// [`Session::csrf_token`](crate::Session::csrf_token), always accepted while the token stands. Its `Debug` shows
/// nothing.
///
/// ```
/// # let session = cloakroom::Session::detached();
/// let token = session.csrf_token()?;
/// let form = format!(r#"<input type="hidden" name="csrf_token" value="{token}">"#);
/// assert!(session.is_csrf_token(&token.to_string()));
/// assert!(session.is_csrf_token(token.plain()));
/// assert_ne!(session.csrf_token()?.masked(), token.masked());
/// assert_eq!(session.csrf_token()?.plain(), token.plain());
/// # Ok::<(), cloakroom::Error>(())
/// ```
#[derive(Clone)]
pub struct CsrfToken {
    plain: String,
    masked: String,
}

impl CsrfToken {
    pub(crate) fn new(token: &TokenBytes, random: &dyn Random) -> Result<Self, Error> {
        Ok(Self { plain: token.plain(), masked: token.masked(random)? })
    }

    /// The text for a page: letters, digits, `-` and `_`. Differs at each render.
    #[must_use]
    pub fn masked(&self) -> &str {
        &self.masked
    }

    /// The same text as long as the token stands: for a program that keeps it, or a form that is sent to Pyramid. In
    /// a compressed page it can be guessed from outside.
    #[must_use]
    pub fn plain(&self) -> &str {
        &self.plain
    }
}

impl fmt::Display for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

/// As [masked](CsrfToken::masked) text, for templates.
impl Serialize for CsrfToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked)
    }
}

/// A token before it is text.
pub(crate) enum TokenBytes {
    /// 32 bytes that were derived from a secret; plain, they are 43 characters of base64url.
    Derived([u8; 32]),
    /// Text that the session keeps, as Pyramid does; plain, it is what it is.
    Text(String),
}

impl TokenBytes {
    /// Whether the text that a request sent is this token, plain or masked. In constant time (S39).
    pub(crate) fn accepts(&self, supplied: &[u8]) -> bool {
        if supplied.is_empty() {
            return false; // what everybody can send proves nothing, even where an empty text is stored
        }
        let is_plain = supplied.ct_eq(self.plain().as_bytes());
        let is_masked = unmask(supplied).map(|bytes| bytes.ct_eq(self.bytes()));
        bool::from(is_plain | is_masked.unwrap_or(0.into()))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Derived(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }

    fn plain(&self) -> String {
        match self {
            Self::Derived(bytes) => BASE64_URL_SAFE_NO_PAD.encode(bytes),
            Self::Text(text) => text.clone(),
        }
    }

    fn masked(&self, random: &dyn Random) -> Result<String, Error> {
        let token = self.bytes();
        let mut bytes = vec![0; 2 * token.len()];
        let (mask, hidden) = bytes.split_at_mut(token.len());
        random.fill(mask)?;
        hidden.copy_from_slice(token);
        hidden.iter_mut().zip(mask).for_each(|(hidden, mask)| *hidden ^= *mask);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// What is behind a mask; `None` for text that has none.
fn unmask(supplied: &[u8]) -> Option<Vec<u8>> {
    let mut mask = BASE64_URL_SAFE_NO_PAD.decode(supplied).ok()?;
    if mask.len() % 2 != 0 {
        return None;
    }
    let mut token = mask.split_off(mask.len() / 2);
    token.iter_mut().zip(mask).for_each(|(token, mask)| *token ^= mask);
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    fn kinds() -> [TokenBytes; 3] {
        let text = |text: &str| TokenBytes::Text(text.into());
        [TokenBytes::Derived([7; 32]), text("6ef5a0b1c2d3e4f56789012345678901234567ab"), text("ü")]
    }

    #[test]
    fn s52_both_forms_are_accepted_and_nothing_else() {
        for token in kinds() {
            let (plain, masked) = (token.plain(), token.masked(&SystemRandom).unwrap());
            assert!(token.accepts(plain.as_bytes()) && token.accepts(masked.as_bytes()));
            assert_ne!(masked, token.masked(&SystemRandom).unwrap());
            for end in 0..masked.len() {
                assert!(!token.accepts(&masked.as_bytes()[..end]), "cut at {end}");
                let mut changed = masked.clone().into_bytes();
                changed[end] = if changed[end] == b'A' { b'B' } else { b'A' };
                assert!(!token.accepts(&changed), "changed at {end}");
            }
            assert!(!token.accepts(format!("{plain} ").as_bytes()));
            assert!(!token.accepts(b""));
        }
    }

    #[test]
    fn s52_a_mask_is_as_long_as_what_it_hides() {
        let one_short = BASE64_URL_SAFE_NO_PAD.encode(b"\0\0abc");
        assert!(!TokenBytes::Text("abc".into()).accepts(one_short.as_bytes()));
    }

    #[test]
    fn r39_an_empty_token_is_one_that_nobody_can_send() {
        let empty = TokenBytes::Text(String::new());
        assert!(!empty.accepts(b"") && !empty.accepts(b"AA"));
    }
}
