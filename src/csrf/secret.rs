//! What tokens are derived from, so that rendering a form needs no writing and a token for one form says nothing
//! about another's.

use std::sync::Arc;

use http::Method;

use super::token::TokenBytes;
use crate::Error;
use crate::keyring::TagKey;
use crate::random::Random;

/// What a session's record holds from birth: the hash of its first ticket, which nobody else knows, or later random
/// bytes of its own.
#[derive(Clone, Copy)]
pub(crate) struct CsrfSecret([u8; Self::BYTES]);

impl CsrfSecret {
    pub(crate) const BYTES: usize = 32;

    pub(crate) fn generate(random: &dyn Random) -> Result<Self, Error> {
        let mut bytes = [0; Self::BYTES];
        random.fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn key(&self) -> TagKey {
        TagKey::new(&self.0)
    }

    /// The session's own token.
    pub(crate) fn token(&self) -> TokenBytes {
        TokenBytes::Derived(self.key().tag(&[b"csrf/global"]))
    }

    /// The token of one form (S53).
    pub(crate) fn form_token(&self, form: Form<'_>) -> TokenBytes {
        TokenBytes::Derived(form.tag(&self.key(), b""))
    }
}

impl std::fmt::Debug for CsrfSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CsrfSecret(..)")
    }
}

/// Where one form is sent: what a token for it alone is bound to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    pub(crate) method: &'a Method,
    pub(crate) route: &'a str,
}

impl Form<'_> {
    pub(crate) fn tag(self, key: &TagKey, of: &[u8]) -> [u8; 32] {
        key.tag(&[b"csrf/form", self.method.as_str().as_bytes(), self.route.as_bytes(), of])
    }
}

/// Where a session's tokens come from.
#[derive(Clone)]
pub(crate) enum TokenSource {
    /// The token is a value of the session, as Pyramid keeps it. The keys, newest first, make tokens for single forms.
    Value { form_keys: Arc<[TagKey]> },
    /// Tokens are derived from a secret that is kept beside the session's values.
    Secret,
}

/// What the tokens of a session on a server are derived from.
#[derive(Debug, Default)]
pub(crate) struct CsrfSecrets {
    /// None yet, where the session is not kept yet.
    pub(crate) current: Option<CsrfSecret>,
    /// From before a login a moment ago; still accepted.
    pub(crate) former: Option<CsrfSecret>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn tokens_are_what_the_documented_formula_gives() {
        let secret = CsrfSecret::from_bytes([1; 32]);
        let hex = |token| match token {
            TokenBytes::Derived(bytes) => {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            }
            TokenBytes::Text(_) => unreachable!("these are derived"),
        };
        assert_eq!(
            hex(secret.token()),
            "449773a751b02ade7befea61de6f1eaaa1bd3200b2c3302c000fccc5e8147cdb"
        );
        assert_eq!(
            hex(secret.form_token(Form { method: &Method::POST, route: "/a/{b}" })),
            "0190347aa9866018f9bcc7f8fe04315fae036b527d9e6574baf20c60dfc0fc5a"
        );
    }

    #[test]
    fn s53_a_token_for_one_form_is_none_for_another() {
        let secret = CsrfSecret::generate(&SystemRandom).unwrap();
        let other = CsrfSecret::generate(&SystemRandom).unwrap();
        let form = |method, route| Form { method, route };
        let text = |token: TokenBytes| match token {
            TokenBytes::Derived(bytes) => bytes,
            TokenBytes::Text(_) => unreachable!("these are derived"),
        };
        let all = [
            text(secret.token()),
            text(other.token()),
            text(secret.form_token(form(&Method::POST, "/a"))),
            text(secret.form_token(form(&Method::PUT, "/a"))),
            text(secret.form_token(form(&Method::POST, "/ab"))),
            text(other.form_token(form(&Method::POST, "/a"))),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(all[at + 1..].iter().all(|other| one != other), "token {at} is there twice");
        }
        let again = text(secret.form_token(form(&Method::POST, "/a")));
        assert_eq!(again, all[2]);
    }
}
