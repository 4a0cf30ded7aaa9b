//! A session outside of its request: for a WebSocket, a long response, a task in the background.

use std::ops::Deref;
use std::sync::Arc;

use super::opened::Opened;
use super::remote::Remote;
use super::{Ending, Session};
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
/// It reaches the data only: it has no ticket, cannot renew one, and ends with the session (S64). Use it as the
/// [`Session`] it derefs to.
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
    remote: Arc<dyn Remote>,
}

impl SessionHandle {
    /// Reads the session as it is now. What was not committed is forgotten.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn reload(&mut self) -> Result<Standing, Error> {
        let opened = self.remote.clone().reload().await?;
        Ok(self.now_holds(opened))
    }

    /// Keeps what was changed, as a request does: replayed on what others wrote meanwhile. Then goes on from there.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Busy`], [`Error::Overwrites`]; then nothing was kept.
    pub async fn commit(&mut self) -> Result<Standing, Error> {
        let commit = self.session.close(Ending::Shown);
        let kept = self.remote.keep(commit).await?;
        let facts = self.session.facts().clone();
        Ok(self.now_holds(kept.map(|entries| Opened::again(entries, facts))))
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
    /// It starts with what this request sees, its own changes included, and can commit once the response has begun.
    ///
    /// # Errors
    /// [`Error::NotSupported`] where sessions are not kept on a server.
    pub fn handle(&self) -> Result<SessionHandle, Error> {
        let server = self.facts().server.as_ref();
        let mut server = server.ok_or(Error::NotSupported { what: "a session handle" })?.clone();
        let remote = server.remote.clone();
        server.has_response = false;
        let facts = super::Facts { server: Some(server), ..self.facts().clone() };
        let entries = self.look().entries.clone();
        let (session, _) = Session::open(Opened::again(entries, facts));
        Ok(SessionHandle { session, remote })
    }
}
