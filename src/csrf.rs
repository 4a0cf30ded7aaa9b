//! The CSRF token of a session: what a form or a script sends back to prove that the request came from this site.
//!
//! 40 lower-case hexadecimal digits from 20 random bytes, kept under the session key `_csrft_` as Pyramid keeps
//! it, so that a form rendered by either can be checked by the other (R40). Nothing here checks a request.

use std::fmt::Write;

use crate::session::{Change, Value};
use crate::{Error, Session};

/// The session key of the token.
pub const KEY: &str = "_csrft_";

/// The token that forms and scripts send back.
impl Session {
    /// The session's token: the same as long as it stands, made at the first call (R39).
    ///
    /// # Errors
    /// [`Error::Random`] or [`Error::Closed`] if one has to be made and cannot be.
    pub fn csrf_token(&self) -> Result<String, Error> {
        let stored = self.look().entries.get(KEY);
        match stored.and_then(|token| token.get::<String>().ok()) {
            Some(token) => Ok(token),
            None => self.new_csrf_token(),
        }
    }

    /// Makes a new token; the old one is dead at once (R41).
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Closed`].
    pub fn new_csrf_token(&self) -> Result<String, Error> {
        let mut bytes = [0; 20];
        self.random().fill(&mut bytes)?;
        let mut token = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        let value = Value::encode(KEY, &token)?;
        self.write()?.note(Change::Set { key: KEY.into(), value })?;
        Ok(token)
    }
}
