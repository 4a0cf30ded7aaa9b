//! Records in Redis 6.2 or later, or Valkey: for several servers that share their sessions.
//!
//! One connection carries all calls side by side; one that breaks is made anew by the next call. A record is one key.
//! `load` is a `GET`; whatever depends on what is there is a script, which Redis runs whole or not at all and which is
//! sent again where Redis has forgotten it.
//!
//! Every key has a time to live: that of its record and a minute, because the factory judges with its own clock
//! whether a session has expired; ten years where there is no end. So nothing has to be swept.
//!
//! An owner's records are found by a sorted set, which is written together with the record. A name in it whose
//! record is gone is let go when somebody looks, or a day after the record has expired. In a cluster, records are
//! in 256 partitions, each with an index of its own in the same slot, so that this is so there, too; an owner's
//! records are looked for in all of them at once.
//!
//! *What can be lost.* Redis answers before its replicas have a write. When a master fails and a replica takes its
//! place, the last moments before are gone: a logout among them is undone, unless
//! [`wait_for_replicas`](RedisOptions::wait_for_replicas) is set. A server without persistence that starts again has
//! no sessions: visitors are anonymous then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::ConnectionManager;
use ::redis::cluster_async::ClusterConnection;
use ::redis::{AsyncCommands, FromRedisValue, Script, ScriptInvocation, Value};

use super::{
    Created, Record, Replaced, Result, Store, StoreError, StoreErrorKind, StoreKey, Stored,
    Touched, Version, row,
};
use crate::time::{Clock, SystemClock, Timestamp};

#[cfg(feature = "tls")]
mod certificates;
mod confirm;
mod connection;
mod error;
mod given;
mod heard;
mod index;
mod keys;
mod live;
mod meaning;
mod options;
mod ours;
mod place;
mod rights;
mod scan;
mod url;

use confirm::{Left, Waiting};
use connection::Connection;
use error::store_error;
use keys::Keys;
use live::Live;
pub use options::RedisOptions;

/// How long a key outlives its record.
const GRACE: Duration = Duration::from_secs(60);
/// How long a name stays in an index after its record has expired.
const TRIM: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a key lives whose record has no end.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Keeps records in Redis. Clones are the same store, on the same connection.
///
/// ```no_run
/// # async fn connect() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::RedisStore;
///
/// let sessions = StoredFactory::new("shop", RedisStore::connect("redis://127.0.0.1").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore {
    connection: Connection,
    /// A connection of its own, because what waits on it holds up what comes after.
    waiting: Option<Arc<Waiting>>,
    shared: Arc<Shared>,
}

struct Shared {
    keys: Keys,
    clock: Box<dyn Clock>,
    scripts: Scripts,
}

struct Scripts {
    put: Script,
    touch: Script,
    note: Script,
    remove: Script,
    remove_of: Script,
    heal: Script,
}

impl RedisStore {
    /// Connects with the default options. With the feature `tls`, `rediss` in place of `redis` encrypts.
    ///
    /// | URL | is |
    /// |---|---|
    /// | `redis://[user:password@]host[:port][/database]` | one server |
    /// | `redis+unix:///path/to/socket` | one server on this machine |
    /// | `redis+sentinel://[user:password@]host[:port],…[/name[/database]]` | the master that these sentinels know as `name`, by default `mymaster` |
    /// | `redis+cluster://[user:password@]host[:port],…` | the cluster that these nodes belong to |
    ///
    /// `valkey` and `valkeys` are other names of `redis` and `rediss`. After a question mark may stand, each of them encoded
    /// as in any URL:
    ///
    /// | parameter | is |
    /// |---|---|
    /// | `db` | the database, where it is not in the path; a cluster has none but 0 |
    /// | `protocol` | `resp2`, which is the default, or `resp3`; a cluster's nodes are asked |
    /// | `user`, `password` | who we are, for a socket |
    /// | `sentinel_user`, `sentinel_password` | the same for the sentinels: [`sentinel_password`](RedisOptions::sentinel_password) |
    /// | `wait_for_replicas`, `wait_for_replicas_within` | a number, and seconds, 1 unless said: [`wait_for_replicas`](RedisOptions::wait_for_replicas) |
    /// | `sslrootcert` | a file: `root_certificate` |
    /// | `sslcert`, `sslkey` | two files: `client_certificate` |
    ///
    /// # Errors
    /// As [`RedisOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options(url).connect().await
    }

    /// For other options.
    pub fn options(url: &str) -> RedisOptions {
        RedisOptions::new(url)
    }

    /// On a connection that the application has already, with keys that begin with `prefix`.
    ///
    /// One that leads to a server which is no master any more is ended by `QUIT`, so that the manager makes another; the
    /// application's own commands that are on their way then are answered before, or not done. One that something in
    /// between has forgotten is the manager's to end: give its client a TCP keepalive.
    #[must_use]
    pub fn on(connection: ConnectionManager, prefix: impl Into<String>) -> Self {
        Self::given(Live::Managed(connection), prefix.into(), false)
    }

    /// The same in a cluster. The prefix has no braces, and the connection had better not
    /// [retry](::redis::cluster::ClusterClientBuilder::retries): what may be sent again is decided here.
    #[must_use]
    pub fn on_cluster(connection: ClusterConnection, prefix: impl Into<String>) -> Self {
        Self::given(Live::Cluster(connection), prefix.into(), true)
    }

    fn given(live: Live, prefix: String, is_cluster: bool) -> Self {
        let keys = Keys { prefix, is_cluster };
        let shared = Shared { keys, clock: Box::new(SystemClock), scripts: Scripts::new() };
        Self { connection: Connection::given(live), waiting: None, shared: Arc::new(shared) }
    }

    /// How long a record that ends then lives in Redis from now on, in milliseconds.
    fn time_to_live(&self, expires_at: Timestamp) -> u64 {
        let left = expires_at.since(self.shared.clock.now());
        left.saturating_add(GRACE).min(FOREVER).as_millis() as u64
    }

    async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T> {
        script.invoke_async(&mut self.connection.clone()).await.map_err(store_error)
    }

    /// Puts a record in the place of this version, or of nothing.
    async fn put(
        &self,
        key: &StoreKey,
        expected: Option<Version>,
        next: Version,
        record: &Record,
    ) -> Result<Value> {
        let expected = expected.map(row::version_bytes);
        let mut script = self.shared.scripts.put.key(self.shared.keys.record(key));
        script
            .arg(expected.as_ref().map_or(&[][..], |version| &version[..]))
            .arg(row::encode(next, record))
            .arg(self.time_to_live(record.expires_at));
        if let Some(owner) = &record.owner {
            script.key(self.index_of(key, owner));
            self.name(&mut script, key, record.expires_at);
        }
        self.run(&script).await
    }

    /// What a script needs to note a record in an index.
    fn name(&self, script: &mut ScriptInvocation<'_>, key: &StoreKey, expires_at: Timestamp) {
        let now = self.shared.clock.now();
        let end = expires_at.min(now.saturating_add(FOREVER));
        let millis = |time: Timestamp| time.as_micros() / 1000;
        script.arg(key.to_string()).arg(millis(end)).arg(millis(now)).arg(TRIM.as_millis() as u64);
    }

    fn index_of(&self, key: &StoreKey, owner: &str) -> String {
        self.shared.keys.index(self.shared.keys.partition_of(key), owner)
    }
}

impl Scripts {
    fn new() -> Self {
        let script = |text| Script::new(&format!("{}{text}", include_str!("redis/common.lua")));
        Self {
            put: script(include_str!("redis/put.lua")),
            touch: script(include_str!("redis/touch.lua")),
            note: script(include_str!("redis/note.lua")),
            remove: script(include_str!("redis/remove.lua")),
            remove_of: script(include_str!("redis/remove_of.lua")),
            heal: script(include_str!("redis/heal.lua")),
        }
    }

    const fn all(&self) -> [&Script; 6] {
        [&self.put, &self.touch, &self.note, &self.remove, &self.remove_of, &self.heal]
    }
}

impl Store for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let mut connection = self.connection.clone();
        let value: Option<Vec<u8>> =
            connection.get(self.shared.keys.record(key)).await.map_err(store_error)?;
        value.map(|value| stored(key, value)).transpose()
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        match self.put(key, None, Version::FIRST, record).await? {
            Value::Int(1) => {
                self.wrote(key, Left::Version { now: Version::FIRST, before: None });
                Ok(Created::Done(Version::FIRST))
            }
            _ => Ok(Created::Taken),
        }
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let next = expected.next();
        match self.put(key, Some(expected), next, record).await? {
            Value::Int(1) => {
                self.wrote(key, Left::Version { now: next, before: Some(expected) });
                Ok(Replaced::Done(next))
            }
            Value::BulkString(there) => stored(key, there).map(Replaced::Conflict),
            _ => Ok(Replaced::Gone),
        }
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let scripts = &self.shared.scripts;
        let mut touch = scripts.touch.key(self.shared.keys.record(key));
        touch
            .arg(&row::version_bytes(seen)[..])
            .arg(&row::expiry_bytes(expires_at)[..])
            .arg(self.time_to_live(expires_at));
        match self.run(&touch).await? {
            Value::Int(0) => Ok(Touched::Gone),
            Value::Int(1) => Ok(Touched::Done),
            Value::Int(2) => Ok(Touched::Changed),
            Value::BulkString(owner) => {
                let Ok(owner) = std::str::from_utf8(&owner) else { return Err(corrupt(key)) };
                let mut note = scripts.note.key(self.index_of(key, owner));
                self.name(&mut note, key, expires_at);
                self.run::<i64>(&note).await.map(|_| Touched::Done)
            }
            _ => Err(corrupt(key)),
        }
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let remove = self.shared.scripts.remove.key(self.shared.keys.record(key));
        let removed = self.run(&remove).await?;
        self.wrote(key, Left::Nothing);
        if let Value::BulkString(owner) = &removed
            && let Ok(owner) = std::str::from_utf8(owner)
        {
            self.let_go(owner, key).await;
        }
        Ok(removed != Value::Int(0))
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        self.confirm(key).await
    }
}

fn stored(key: &StoreKey, value: Vec<u8>) -> Result<Stored> {
    row::decode(value).ok_or_else(|| corrupt(key))
}

fn corrupt(key: &StoreKey) -> StoreError {
    let cause = format!("the key of record {key} holds what cloakroom did not write");
    StoreError::new(StoreErrorKind::Corrupt, cause)
}

impl fmt::Debug for RedisStore {
    /// Without the URL, which may hold a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.shared.keys.prefix)
            .finish_non_exhaustive()
    }
}
