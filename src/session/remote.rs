//! What a session on a server can do before its request ends, and after: claim flash messages, be read again, be
//! kept. The one door from a session to where it is kept; what is behind it, this module does not know.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::commit::Commit;
use super::entries::Entries;
use super::opened::{Opened, Server};
use super::value::Value;
use crate::csrf::CsrfSecrets;
use crate::{Error, Timestamp};

/// A future whose type is forgotten.
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Names the flash messages that one request has taken out of a queue and not shown yet.
pub(crate) type ClaimId = u64;

/// Where a session is kept, seen from a request or from a handle.
pub(crate) trait Remote: Send + Sync {
    /// Names the session for its whole life, once it is kept. No secret.
    fn id(&self) -> Option<[u8; 16]>;

    /// Takes all messages out of the queue under `key`, for this request alone; they come back if it fails.
    fn claim(
        self: Arc<Self>,
        key: String,
        id: ClaimId,
    ) -> BoxFuture<'static, Result<Vec<Value>, Error>>;

    /// Has the messages of these claims wait again, or forgets them where they were shown.
    fn settle(
        &self,
        shown: Vec<ClaimId>,
        returned: Vec<ClaimId>,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// What CSRF tokens are derived from at this time; [`Error::NotYet`] where it is not known yet.
    fn csrf_secrets(&self, now: Timestamp) -> Result<CsrfSecrets, Error>;

    /// The same session for a handle: of the record as this request has it, or, where `follows`, as it will have kept it.
    fn pin(&self, follows: bool) -> Arc<dyn Remote>;

    /// Reads the session as it is now; `None` if it was ended meanwhile.
    fn reload(&self) -> BoxFuture<'_, Result<Option<Reloaded>, Error>>;

    /// Keeps what changed, outside of a request; `None` if the session was ended meanwhile, else what it holds now.
    fn keep<'a>(&'a self, commit: &'a mut Commit) -> BoxFuture<'a, Result<Option<Entries>, Error>>;
}

/// A session that was read again.
pub(crate) struct Reloaded {
    pub(crate) opened: Opened<()>,
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) limits: Option<super::Limits>,
}

/// Where a session of no request is kept: it has all that a session on a server has, until something of it would have
/// to be there.
struct Nowhere;

impl Server {
    /// For a session that is never kept.
    pub(super) fn nowhere() -> Self {
        let remote = Arc::new(Nowhere);
        Self { owner: None, left: None, limits: None, csrf: None, has_response: true, remote }
    }
}

/// What only a session has that is kept somewhere.
fn refused<'a, T: Send + 'a>(what: &'static str) -> BoxFuture<'a, Result<T, Error>> {
    Box::pin(std::future::ready(Err(Error::NotSupported { what })))
}

impl Remote for Nowhere {
    fn id(&self) -> Option<[u8; 16]> {
        None
    }

    fn claim(
        self: Arc<Self>,
        _: String,
        _: ClaimId,
    ) -> BoxFuture<'static, Result<Vec<Value>, Error>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    fn settle(&self, _: Vec<ClaimId>, _: Vec<ClaimId>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn csrf_secrets(&self, _: Timestamp) -> Result<CsrfSecrets, Error> {
        Ok(CsrfSecrets::default())
    }

    fn pin(&self, _: bool) -> Arc<dyn Remote> {
        Arc::new(Self)
    }

    fn reload(&self) -> BoxFuture<'_, Result<Option<Reloaded>, Error>> {
        refused("reading a session again")
    }

    fn keep<'a>(&'a self, _: &'a mut Commit) -> BoxFuture<'a, Result<Option<Entries>, Error>> {
        refused("keeping a handle")
    }
}
