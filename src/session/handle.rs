//! A session outside of its request: for a WebSocket, a long response, a task in the background.

use std::ops::Deref;

use super::opened::{Facts, Opened, Origin, Server};
use super::remote::Reloaded;
use super::{Commit, Ending, Session};
use crate::Error;

/// Whether a session is still there.
#[must_use = "a session that is gone keeps nothing"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Live,
    /// It was ended: by a logout, a renewal, a revocation, or its age. Nothing was kept.
    Gone,
}

/// A session that outlives its request: read again, changed, and kept, as often as needed.
///
/// It reaches the data only: it has no ticket and cannot renew one. It is a handle on the session that it was taken of,
/// under the rights that session then had: it ends with a logout, a login, a renewal, a revocation and the session's
/// limits (S64), and never reaches the session that follows. Use it as the [`Session`] it derefs to.
///
/// ```
/// # use cloakroom::{Error, Session};
/// use cloakroom::session::{SessionHandle, Standing};
///
/// async fn on_message(session: &mut SessionHandle, text: String) -> Result<bool, Error> {
///     if session.reload().await? == Standing::Gone {
///         return Ok(false); // signed out meanwhile
///     }
///     session.modify("messages", move |messages: &mut Vec<String>| messages.push(text.clone()))?;
///     Ok(session.commit().await? == Standing::Live)
/// }
/// ```
pub struct SessionHandle {
    session: Session,
}

impl SessionHandle {
    /// Reads the session as it is now. What was not committed is forgotten; flash messages that were taken count as shown.
    ///
    /// # Errors
    /// [`Error::Store`]. [`Error::NotYet`] before the request that began the session, or renewed its ticket, has kept it.
    pub async fn reload(&mut self) -> Result<Standing, Error> {
        let server = self.server()?;
        let shown = self.session.delivered();
        if !shown.is_empty() {
            server.remote.settle(shown, Vec::new()).await?;
            self.session.forget_claims();
        }
        let reloaded = server.remote.reload().await?;
        Ok(self.now_holds(reloaded.map(|Reloaded { mut opened, owner, limits }| {
            let random = self.session.facts().random.clone();
            opened.facts = Facts {
                server: Some(Server { owner, limits, csrf: None, ..server.clone() }),
                random,
                csrf: self.session.facts().csrf.clone(),
                bounds: self.session.facts().bounds,
                ..opened.facts
            };
            opened
        })))
    }

    /// Keeps what was changed, as a request does: replayed on what others wrote meanwhile. Then goes on from there.
    ///
    /// After an error, and when this call is given up, the changes are still there and can be committed again.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Busy`]: whether it was kept is found out by the next call. [`Error::Overwrites`],
    /// [`Error::Panicked`], [`Error::WrongType`], [`Error::OutOfBounds`]: nothing was kept. [`Error::NotYet`] before the
    /// request that began the session, or renewed its ticket, has kept it.
    pub async fn commit(&mut self) -> Result<Standing, Error> {
        let server = self.server()?;
        let mut lent = Lent::of(&self.session);
        let kept = server.remote.keep(&mut lent.commit).await?;
        lent.is_kept = true;
        drop(lent);
        // What was the request's view is the record's by now, or is not.
        let server = Some(Server { csrf: None, ..server });
        let facts = Facts { origin: Origin::Live, server, ..self.session.facts().clone() };
        Ok(self.now_holds(kept.map(|entries| Opened::again(entries, facts))))
    }

    fn server(&self) -> Result<Server, Error> {
        let server = self.session.facts().server.clone();
        server.ok_or(Error::NotSupported { what: "a session handle" })
    }

    fn now_holds(&mut self, opened: Option<Opened<()>>) -> Standing {
        let Some(opened) = opened else {
            self.session.lock().gone = true;
            self.session.refuse_writes();
            return Standing::Gone;
        };
        self.session = Session::open(opened).0;
        Standing::Live
    }
}

/// A handle's changes while they are being kept. They go back to the session unless they were.
struct Lent<'a> {
    session: &'a Session,
    commit: Commit,
    is_kept: bool,
}

impl<'a> Lent<'a> {
    fn of(session: &'a Session) -> Self {
        Self { session, commit: session.close(Ending::Shown), is_kept: false }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.session.reopen(&mut self.commit);
        }
    }
}

impl Deref for SessionHandle {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.session.fmt(f)
    }
}

impl Session {
    /// A handle on this session for the time after the response has begun: see [`SessionHandle`].
    ///
    /// It starts with a copy of what this request sees, its own changes included, and shares nothing with the request.
    /// Taken of a session that this request begins, or after a call that renews its ticket, it can be used once the
    /// response has begun, and is gone if that was not kept; taken before such a call, it is a handle on the session from
    /// before, and gone.
    ///
    /// # Errors
    /// [`Error::NotSupported`] where sessions are not kept on a server.
    pub fn handle(&self) -> Result<SessionHandle, Error> {
        let (owner, limits) = (self.owner(), self.limits());
        let mut state = self.lock();
        state.usage.seen = true;
        state.usage.looked = true;
        state.usage.handled = true;
        self.must_be_readable(&state)?;
        let facts = self.facts();
        let server = facts.server.as_ref();
        let server = server.ok_or(Error::NotSupported { what: "a session handle" })?;
        let follows = !facts.origin.is_there() || state.usage.begins_anew() || state.wishes.renew;
        let remote = server.remote.pin(follows);
        let csrf = state.wishes.csrf.map(|made| Box::new(made.secret)).or(server.csrf.clone());
        let csrf = csrf.filter(|_| !follows);
        let server = Server { owner, left: None, limits, csrf, has_response: false, remote };
        let facts = Facts { server: Some(server), unreadable: None, ..facts.clone() };
        let (session, _) = Session::open(Opened::again(state.entries.clone(), facts));
        session.lock().reads = state.reads.clone();
        Ok(SessionHandle { session })
    }

    /// The claims on flash messages that were handed to the application.
    fn delivered(&self) -> Vec<super::ClaimId> {
        let state = self.lock();
        state.claims.iter().filter(|(_, delivered)| *delivered).map(|(id, _)| *id).collect()
    }

    fn forget_claims(&self) {
        self.lock().claims.retain(|(_, delivered)| !*delivered);
    }
}
