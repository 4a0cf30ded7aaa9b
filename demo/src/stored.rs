//! Sessions on the server, in the store that the command line named.

use cloakroom::factory::OwnedSession;
use cloakroom::store::{RedisStore, SqliteStore};
use cloakroom::{Error, Session, StoredFactory};

/// The factory, for what concerns other sessions than that of the request.
#[derive(Clone)]
pub(crate) enum Stored {
    Sqlite(StoredFactory<SqliteStore>),
    Redis(StoredFactory<RedisStore>),
}

impl Stored {
    pub(crate) async fn sessions_of(&self, owner: &str) -> Result<Vec<OwnedSession>, Error> {
        match self {
            Self::Sqlite(factory) => factory.sessions_of(owner).await,
            Self::Redis(factory) => factory.sessions_of(owner).await,
        }
    }

    pub(crate) async fn revoke(&self, owner: &str, id: &str) -> Result<bool, Error> {
        match self {
            Self::Sqlite(factory) => factory.revoke(owner, id).await,
            Self::Redis(factory) => factory.revoke(owner, id).await,
        }
    }

    pub(crate) async fn revoke_others(&self, session: &Session) -> Result<usize, Error> {
        match self {
            Self::Sqlite(factory) => factory.revoke_others(session).await,
            Self::Redis(factory) => factory.revoke_others(session).await,
        }
    }
}
