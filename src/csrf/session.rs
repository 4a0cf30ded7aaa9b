//! The token of a session: made, rotated, recognised.

use std::fmt::Write;

use http::Method;

use super::KEY;
use super::secret::{CsrfSecret, CsrfSecrets, Form, TokenSource};
use super::token::{CsrfToken, TokenBytes};
use crate::session::{Change, NewCsrfSecret, Origin, State, Value};
use crate::{Error, Session};

/// The token that forms and scripts send back.
impl Session {
    /// The session's token: the same as long as it stands (R39), each time in other [letters](CsrfToken::masked).
    ///
    /// To a session that is kept on a server already this is a read, and writes nothing; a visitor without a session
    /// is given one. A response whose handler asked for a token is kept out of shared caches.
    ///
    /// # Errors
    /// [`Error::Random`]; [`Error::Closed`] if a token has to be made after the response has begun. [`Error::NotYet`] on a
    /// [handle](crate::session::SessionHandle) on what a request begins, before that has ended: the token is not known.
    #[doc(alias = "get_csrf_token")]
    pub fn csrf_token(&self) -> Result<CsrfToken, Error> {
        CsrfToken::new(&self.own_token()?, self.random())
    }

    /// A token that is good for one form only: sent with `method` to the route that the router knows as `route`,
    /// such as `/items/{id}/delete`. Whoever gets hold of it can send no other form (S53).
    ///
    /// The [layer](crate::CsrfLayer) accepts it beside the session's own token.
    ///
    /// # Errors
    /// As [`csrf_token`](Session::csrf_token); [`Error::NotSupported`] for a factory of your own that keeps sessions
    /// in cookies.
    pub fn csrf_token_for(&self, method: &Method, route: &str) -> Result<CsrfToken, Error> {
        let (own, form) = (self.own_token()?, Form { method, route });
        let token = match (&self.facts().csrf, own) {
            (TokenSource::Value { form_keys }, TokenBytes::Text(text)) => {
                let key = form_keys.first();
                let key = key.ok_or(Error::NotSupported { what: "a token for a single form" })?;
                TokenBytes::Derived(form.tag(key, text.as_bytes()))
            }
            (_, own) => match self.csrf_secret(&self.lock())? {
                Some(secret) => secret.form_token(form),
                None => own,
            },
        };
        CsrfToken::new(&token, self.random())
    }

    /// Makes a new token; the old one is dead at once (R41).
    ///
    /// # Errors
    /// [`Error::Random`], [`Error::Closed`].
    pub fn new_csrf_token(&self) -> Result<CsrfToken, Error> {
        let token = self.make_token()?;
        CsrfToken::new(&token, self.random())
    }

    /// Whether this text, from a request, is the session's token, plain or masked (R44). In constant time; writes
    /// nothing, and makes no token where there is none.
    ///
    /// To check a request as a whole, see [`csrf::check`](crate::csrf::check).
    #[must_use]
    pub fn is_csrf_token(&self, supplied: &str) -> bool {
        self.accepts_csrf_token(supplied.as_bytes(), None)
    }

    /// The same for a token that is [good for one form only](Session::csrf_token_for); the session's own is good for it
    /// too.
    #[must_use]
    pub fn is_csrf_token_for(&self, method: &Method, route: &str, supplied: &str) -> bool {
        self.accepts_csrf_token(supplied.as_bytes(), Some(Form { method, route }))
    }

    /// The same, also for a token that is good for one form only. Not a use of the session: a refusal leaves no trace
    /// in it (S59).
    pub(crate) fn accepts_csrf_token(&self, supplied: &[u8], form: Option<Form<'_>>) -> bool {
        let mut state = self.lock();
        state.usage.seen = true;
        match &self.facts().csrf {
            TokenSource::Value { form_keys } => {
                let Some(text) = state.stored_token() else { return false };
                let for_form = |form: Form<'_>| {
                    let mut tags = form_keys.iter().map(|key| form.tag(key, text.as_bytes()));
                    tags.any(|tag| TokenBytes::Derived(tag).accepts(supplied))
                };
                form.is_some_and(for_form) || TokenBytes::Text(text).accepts(supplied)
            }
            TokenSource::Secret => {
                let is_moved = state.wishes.csrf.is_some()
                    || self.csrf_secret_of_request().is_some()
                    || state.usage.begins_anew();
                let kept = if is_moved { None } else { self.kept_csrf_secrets().ok() };
                let former = kept.and_then(|kept| kept.former);
                // A handle on what is not there yet has no token.
                let secrets = [self.csrf_secret(&state).ok().flatten(), former];
                secrets.into_iter().flatten().any(|secret| {
                    secret.token().accepts(supplied)
                        || form.is_some_and(|form| secret.form_token(form).accepts(supplied))
                })
            }
        }
    }

    /// Renews the token with the session's ticket: what a page had before a login is no token after it (S51).
    pub(crate) fn renew_csrf_token(&self) -> Result<(), Error> {
        let is_there = match &self.facts().csrf {
            TokenSource::Value { .. } => self.lock().stored_token().is_some(),
            TokenSource::Secret => {
                self.facts().origin == Origin::Live || self.lock().wishes.csrf.is_some()
            }
        };
        if !is_there {
            return Ok(()); // made when it is asked for
        }
        match &self.facts().csrf {
            TokenSource::Value { .. } => self.make_token().map(drop),
            TokenSource::Secret => {
                let secret = CsrfSecret::generate(self.random())?;
                let mut state = self.open_state()?;
                let old_dies = state.wishes.csrf.is_some_and(|made| made.old_dies);
                state.wishes.csrf = Some(NewCsrfSecret { secret, old_dies });
                Ok(())
            }
        }
    }

    /// Whether there is a token that a request could carry.
    pub(crate) fn has_csrf_token(&self) -> bool {
        let state = self.lock();
        match &self.facts().csrf {
            TokenSource::Value { .. } => state.stored_token().is_some(),
            TokenSource::Secret => matches!(self.csrf_secret(&state), Ok(Some(_))),
        }
    }

    fn own_token(&self) -> Result<TokenBytes, Error> {
        let mut state = self.look();
        // A session that cannot be read can be ended by a form all the same, where its ticket is proved.
        if let Err(error) = self.must_be_readable(&state)
            && self.kept_csrf_secrets()?.current.is_none()
        {
            return Err(error);
        }
        state.usage.has_token = true;
        let stored = match &self.facts().csrf {
            TokenSource::Value { .. } => state.stored_token().map(TokenBytes::Text),
            TokenSource::Secret => self.csrf_secret(&state)?.map(|secret| secret.token()),
        };
        drop(state);
        stored.map_or_else(|| self.make_token(), Ok)
    }

    fn make_token(&self) -> Result<TokenBytes, Error> {
        let token = match &self.facts().csrf {
            TokenSource::Value { .. } => {
                let token = self.random_text()?;
                let value = Value::encode(KEY, &token)?;
                self.write()?.note(Change::Set { key: KEY.into(), value })?;
                TokenBytes::Text(token)
            }
            TokenSource::Secret => {
                let secret = CsrfSecret::generate(self.random())?;
                let mut state = self.open_state()?;
                state.usage.looked = true;
                state.wishes.csrf = Some(NewCsrfSecret { secret, old_dies: true });
                secret.token()
            }
        };
        self.lock().usage.has_token = true;
        Ok(token)
    }

    /// 40 hexadecimal digits, as Pyramid makes them (R40).
    fn random_text(&self) -> Result<String, Error> {
        let mut bytes = [0; 20];
        self.random().fill(&mut bytes)?;
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    /// The secret that tokens come from now, if they come from one and there is one.
    fn csrf_secret(&self, state: &State) -> Result<Option<CsrfSecret>, Error> {
        Ok(match (&self.facts().csrf, state.wishes.csrf) {
            (TokenSource::Value { .. }, _) => None,
            (TokenSource::Secret, Some(made)) => Some(made.secret),
            (TokenSource::Secret, None) if state.usage.begins_anew() => None,
            (TokenSource::Secret, None) => match self.csrf_secret_of_request() {
                Some(secret) => Some(secret),
                None => self.kept_csrf_secrets()?.current,
            },
        })
    }

    /// On a handle, the secret that its request had made before.
    fn csrf_secret_of_request(&self) -> Option<CsrfSecret> {
        self.facts().server.as_ref()?.csrf.as_deref().copied()
    }

    fn kept_csrf_secrets(&self) -> Result<CsrfSecrets, Error> {
        let facts = self.facts();
        let server = facts.server.as_ref();
        server.map_or_else(|| Ok(CsrfSecrets::default()), |it| it.remote.csrf_secrets(facts.now))
    }
}

impl State {
    /// The token that the session keeps; null counts as none, an empty text as one (R39).
    fn stored_token(&self) -> Option<String> {
        self.entries.get(KEY).and_then(|token| token.get().ok())
    }
}
