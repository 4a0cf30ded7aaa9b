//! How Redis is to be reached, and connecting.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::connection::Connection;
use super::error::store_error;
use super::keys::Keys;
use super::url::{Kind, Place};
use super::{RedisStore, Scripts, Shared, Waiting};
use crate::store::rejected;
use crate::store::{Result, StoreError, StoreErrorKind, setting};
use crate::time::{Clock, SystemClock};

const PREFIX: &str = "cloakroom:";

/// How Redis is to be reached.
#[must_use = "nothing is connected before `connect` is called"]
pub struct RedisOptions {
    pub(super) url: String,
    prefix: String,
    pub(super) connect_timeout: Duration,
    pub(super) replicas: Option<Replicas>,
    pub(super) sentinel_user: Option<String>,
    pub(super) sentinel_password: Option<Zeroizing<String>>,
    #[cfg(feature = "tls")]
    pub(super) root_certificate: Option<Vec<u8>>,
    /// In PEM, and its key.
    #[cfg(feature = "tls")]
    pub(super) client_certificate: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    clock: Box<dyn Clock>,
}

/// How many replicas have to have a logout, and how long they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replicas {
    pub(super) number: u32,
    pub(super) within: Duration,
}

impl RedisOptions {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: PREFIX.to_owned(),
            connect_timeout: Duration::from_secs(2),
            replicas: None,
            sentinel_user: None,
            sentinel_password: None,
            #[cfg(feature = "tls")]
            root_certificate: None,
            #[cfg(feature = "tls")]
            client_certificate: None,
            clock: Box::new(SystemClock),
        }
    }

    /// What all keys begin with, for several applications on one database; default `cloakroom:`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a connection may take to be made, more than no time; default 2 seconds. How long a call may take is for the factory to
    /// say: [`StoredBuilder::io_timeout`](crate::factory::StoredBuilder::io_timeout).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Makes a logout and a renewal wait until this many replicas have them, so that they are not undone when the master
    /// fails (S77): as many as each master has, and none of them can take its place without. Two commands more for each,
    /// and an error if the replicas take longer than `within`. Default none.
    pub fn wait_for_replicas(mut self, replicas: u32, within: Duration) -> Self {
        self.replicas = (replicas > 0).then_some(Replicas { number: replicas, within });
        self
    }

    /// Signs in to sentinels, which do not know the users of the master. Without a user it is the password alone.
    pub fn sentinel_password(mut self, user: Option<&str>, password: &str) -> Self {
        self.sentinel_user = user.map(str::to_owned);
        self.sentinel_password = Some(password.to_owned().into());
        self
    }

    /// Whom to trust instead of the system's certificate authorities with `rediss://`, in PEM.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Shows Redis a certificate of our own with `rediss://`, where it asks for one: the certificate, or the chain of them,
    /// and its key, in PEM.
    #[cfg(feature = "tls")]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.client_certificate = Some((certificate.into(), key.into().into()));
        self
    }

    /// Another clock, for tests: the one that the factory has. It only says how long keys live.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Connects. Warns where Redis is set up to drop keys when its memory is full.
    ///
    /// # Errors
    /// `Rejected` for a URL that is none, a password that is wrong, a user who may not do what the store does, a cluster
    /// without `+cluster`, an option that cannot be served; `Unavailable` or `TimedOut` for a server that does not answer.
    pub async fn connect(mut self) -> Result<RedisStore> {
        let place = self.checked()?;
        let connection = self.open(&place).await?;
        let is_cluster = connection.is_cluster();
        let waiting = match self.replicas {
            Some(Replicas { number, within }) => {
                let connection = self.open(&place).await?;
                Some(Arc::new(Waiting::new(connection, number, within)))
            }
            None => None,
        };
        let keys = Keys { prefix: self.prefix, is_cluster };
        let shared = Shared { keys, clock: self.clock, scripts: Scripts::new() };
        let store = RedisStore { connection, waiting, shared: Arc::new(shared) };
        let looked = tokio::time::timeout(self.connect_timeout, store.look_around()).await;
        looked.map_err(|_| StoreError::from(StoreErrorKind::TimedOut))??;
        Ok(store)
    }

    /// Where Redis is, if all that was said can be served.
    pub(crate) fn check(mut self) -> Result<()> {
        let place = self.checked()?;
        self.source(&place).map(drop).map_err(store_error)
    }

    fn checked(&mut self) -> Result<Place> {
        let place = Place::read(self)?;
        self.connect_timeout = setting::connect_timeout(self.connect_timeout)?;
        if let Some(replicas) = &mut self.replicas {
            let reason = "is zero, so that no replica could answer in time: give a span of time";
            replicas.within = setting::wait("wait_for_replicas", replicas.within, reason)?;
        }
        #[cfg(feature = "tls")]
        self.check_certificates(&place)?;
        if place.kind == Kind::Cluster && self.prefix.contains('{') {
            return Err(rejected(
                "in a cluster a prefix has no brace: it would say where all keys live",
            ));
        }
        Ok(place)
    }

    async fn open(&self, place: &Place) -> Result<Connection> {
        let source = self.source(place).map_err(store_error)?;
        Connection::open(source, self.connect_timeout).await.map_err(store_error)
    }
}
