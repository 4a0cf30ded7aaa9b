//! Whose session it is, by which ticket, and for how long: what concerns a session as a whole. On a server only.

use std::sync::Arc;

use super::{Bound, Limits, Session, State};
use crate::Error;

/// How many bytes an owner's name may have: 255, far above what accounts are called, and what every engine can index.
pub const MAX_OWNER_BYTES: usize = 255;

/// In the extensions of a response whose session another request had ended: see [`Session::is_gone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone;

/// Ticket, owner and limits. Each of these takes effect with the response, whatever its status. Where there is none, because
/// the handler panicked or was given up, there is no new ticket, and no owner is gained; nor is anything else kept that a
/// request with such a wish did (S27).
impl Session {
    /// Gives the visitor a new ticket and kills the old one, when the handler has answered. The data stays.
    ///
    /// Call it whenever the visitor gains rights (OWASP ASVS 7.2.4). Costs nothing extra when the request writes
    /// anyway, else one `replace`. Requests that are under way with the old ticket keep nothing (S19). A session in
    /// a cookie has no ticket; there this does nothing but send the cookie.
    ///
    /// The CSRF token is another one from here on (S51): ask for it after this.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Random`]; [`Error::NotSupported`] on a [`SessionHandle`](super::SessionHandle).
    #[doc(alias = "cycle_id")]
    #[doc(alias = "regenerate")]
    pub fn renew(&self) -> Result<(), Error> {
        match &self.facts().server {
            Some(server) if !server.has_response => {
                Err(Error::NotSupported { what: "a new ticket" })
            }
            Some(_) => {
                self.renew_csrf_token()?;
                self.wish(|state| state.wishes.renew = true)
            }
            None => {
                self.renew_csrf_token()?;
                // A write, so that the cookie's time begins anew.
                self.write().map(drop)
            }
        }
    }

    /// Says whose session this is, and renews the ticket: there is no owner without a new ticket (S19).
    ///
    /// Call it at the login, with what names the account for good, such as its number. The owner is what sessions
    /// are listed and revoked by. It is no secret, and stands in the store as it is.
    ///
    /// A session that is somebody else's, or was until they were [forgotten](Session::forget_owner), begins anew, empty:
    /// data, limits, flash messages and CSRF token of the one before stay with nobody. What has to go along is set again
    /// after this call. A session that was never anybody's keeps its data, such as a cart; [`retain`](Session::retain)
    /// names what of it may cross the login. One whose record cannot be read stays where it is, and this begins another
    /// (S79).
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] for a name of more than [`MAX_OWNER_BYTES`]; [`Error::Closed`];
    /// [`Error::NotSupported`] where sessions have no owner. Then nothing is changed.
    #[doc(alias = "login")]
    pub fn set_owner(&self, owner: impl Into<Arc<str>>) -> Result<(), Error> {
        let owner = owner.into();
        if owner.len() > MAX_OWNER_BYTES {
            let (found, limit, largest) = (owner.len(), MAX_OWNER_BYTES, Vec::new());
            return Err(Error::OutOfBounds { bound: Bound::OwnerBytes, found, limit, largest });
        }
        self.change_owner(Some(owner))
    }

    /// Makes this nobody's session, and renews the ticket. A logout is [`invalidate`](Session::invalidate).
    ///
    /// The data stays, with what is written later, for the same owner to come back to: whoever else signs in begins with
    /// an empty session.
    ///
    /// # Errors
    /// As [`set_owner`](Session::set_owner).
    pub fn forget_owner(&self) -> Result<(), Error> {
        self.change_owner(None)
    }

    /// Whose session it is, if anybody's.
    #[must_use]
    pub fn owner(&self) -> Option<Arc<str>> {
        let mut state = self.lock();
        state.usage.seen = true;
        self.owner_in(&state)
    }

    fn owner_in(&self, state: &State) -> Option<Arc<str>> {
        match &state.wishes.owner {
            Some(owner) => owner.clone(),
            None if state.usage.begins_anew() => None,
            None => self.facts().server.as_ref()?.owner.clone(),
        }
    }

    /// Gives this session limits of its own, which it keeps ("remember me"), or with `None` those of the factory
    /// again. A visitor without a session is given one for limits of its own.
    ///
    /// The browser is told with the response how long to keep its cookie. If the request came with a ticket from before a
    /// [periodic renewal](crate::factory::StoredBuilder::renew_every), it is told with one more ticket, and the grace of the
    /// request's own ends.
    ///
    /// # Errors
    /// [`Error::Setting`] for a limit of zero, and for an absolute limit that the session has passed already; then nothing
    /// is changed. If it passes while the request is under way, the session cannot be kept, with the same error.
    /// [`Error::Closed`]; [`Error::NotSupported`] where sessions are not kept on a server, or in a
    /// [`SessionHandle`](super::SessionHandle).
    pub fn set_limits(&self, limits: impl Into<Option<Limits>>) -> Result<(), Error> {
        self.needs_response("a session with limits of its own")?;
        let limits = limits.into();
        limits.as_ref().map_or(Ok(()), Limits::check)?;
        if let Some(limits) = limits.or(self.facts().limits) {
            limits.check_age(self.created(), self.facts().now)?;
        }
        self.wish(|state| state.wishes.limits = Some(limits))
    }

    /// The limits that this session has for itself, if any.
    #[must_use]
    pub fn limits(&self) -> Option<Limits> {
        let mut state = self.lock();
        state.usage.seen = true;
        match state.wishes.limits {
            Some(limits) => limits,
            None if state.usage.begins_anew() => None,
            None => self.facts().server.as_ref()?.limits,
        }
    }

    /// What names the session on the server: 32 hexadecimal digits, no secret. `None` where it is not kept on a server,
    /// not yet, or where it was [invalidated](Session::invalidate) and what follows is not kept yet.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        let mut state = self.lock();
        state.usage.seen = true;
        if state.usage.begins_anew() && !state.closed {
            return None;
        }
        let id = self.facts().server.as_ref()?.remote.id()?;
        Some(format!("{:032x}", u128::from_be_bytes(id)))
    }

    /// Whether another request ended this session while this one was under way, by a logout, a renewal or a
    /// revocation; then its changes were dropped and no cookie was sent. Known when the response has begun, and from the
    /// start where the request came with a ticket from just before a renewal, to every clone of the session; the response
    /// carries [`Gone`] in its extensions.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.lock().gone
    }

    /// Whose the data is: the owner's, or theirs who was the owner before the session was nobody's.
    fn whose_data(&self, state: &State) -> Option<Arc<str>> {
        match &state.wishes.owner {
            Some(Some(owner)) => Some(owner.clone()),
            Some(None) => state.wishes.left.clone(),
            None if state.usage.begins_anew() => None,
            None => self.first_owner(),
        }
    }

    /// Whose the data was when the session was opened.
    pub(super) fn first_owner(&self) -> Option<Arc<str>> {
        let server = self.facts().server.as_ref()?;
        server.owner.as_ref().or(server.left.as_ref()).cloned()
    }

    fn change_owner(&self, owner: Option<Arc<str>>) -> Result<(), Error> {
        self.needs_response("an owner")?;
        let mut state = self.open_state()?;
        let whose = self.whose_data(&state);
        // Whose it is that cannot be read, nobody knows: nothing of it goes along.
        let is_unknown = self.must_be_readable(&state);
        if owner.is_none() {
            is_unknown?;
        } else if is_unknown.is_err() || whose.is_some() && owner != whose {
            state.usage.switched = !state.usage.invalidated;
            state.begin_anew();
        }
        drop(state);
        self.renew_csrf_token()?;
        self.wish(|state| {
            state.wishes.left = whose.filter(|_| owner.is_none());
            state.wishes.owner = Some(owner);
            state.wishes.renew = true;
        })
    }

    fn needs_response(&self, what: &'static str) -> Result<(), Error> {
        match &self.facts().server {
            Some(server) if server.has_response => Ok(()),
            _ => Err(Error::NotSupported { what }),
        }
    }

    fn wish(&self, wish: impl FnOnce(&mut State)) -> Result<(), Error> {
        wish(&mut *self.open_state()?);
        Ok(())
    }
}
