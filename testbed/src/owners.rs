//! Who can list and end sessions by their owner, whatever the store: the one door to a factory behind its layer.

use std::future::Future;
use std::pin::Pin;

use cloakroom::factory::OwnedSession;
use cloakroom::store::Index;
use cloakroom::{Error, Session, StoredFactory};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A factory whose store has an index by owner.
pub(crate) trait Owners: Send + Sync {
    /// The live sessions of this owner.
    fn sessions_of<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Vec<OwnedSession>>;
    /// Ends all sessions of this session's owner but this one.
    fn revoke_others<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, usize>;
    /// Ends all sessions of this owner.
    fn revoke_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, usize>;
}

impl<S: Index> Owners for StoredFactory<S> {
    fn sessions_of<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Vec<OwnedSession>> {
        Box::pin(Self::sessions_of(self, owner))
    }

    fn revoke_others<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, usize> {
        Box::pin(Self::revoke_others(self, session))
    }

    fn revoke_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, usize> {
        Box::pin(Self::revoke_all(self, owner))
    }
}
