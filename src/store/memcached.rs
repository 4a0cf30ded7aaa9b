//! Records in memcached: for several servers that share their sessions, where losing them now and then does no harm.
//!
//! A call is one round trip; `touch` takes two, for it has to read the record whose expiry it moves, and so has a
//! `replace` after it. Each server has a few connections. One that breaks is not used again, and a call that was given
//! up takes its connection with it.
//!
//! Keys go to servers by their names, as they stand in the URL: name them alike in every process. While one server is
//! away, calls for its share of the keys fail, and nothing moves to the others.
//!
//! Every key has a time to live: that of its record and a minute, because the factory judges with its own clock
//! whether a session has expired; none where there is no end, or where memcached cannot count that far (2038). So
//! nothing has to be swept.
//!
//! *What memcached does not promise.* It keeps what it has room for. When its memory is full it drops what was not used
//! for longest, and its visitors are anonymous; started with `-M` it refuses writes instead. A server that starts again
//! has nothing. A server that leaves the URL takes its share of the sessions with it. If it comes back with its memory
//! as it was, so do they: a logout in between has not reached it. So empty it first (`flush_all`), and change the URL
//! in all processes at once.
//!
//! *What it cannot do.* It finds nothing but by key, so there is no [`Index`](super::Index): an owner's sessions cannot
//! be listed or ended.
//! ```compile_fail,E0599
//! # async fn f(store: cloakroom::store::MemcachedStore) {
//! let sessions = cloakroom::StoredFactory::new("shop", store);
//! let devices = sessions.sessions_of("ada").await;
//! # }
//! ```
//! It asks for no password here and encrypts nothing: keep it in a network of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Created, Record, Replaced, Result, Store, StoreError, StoreErrorKind, StoreKey, Stored,
    Touched, Version, clocks, parameters, row, setting,
};
use crate::time::{Clock, SystemClock, Timestamp};

mod connection;
mod error;
mod server;

use connection::{Item, Said, Write, Written, before};
use error::{Failure, store_error};
use server::Server;

const PREFIX: &str = "cloakroom:";
/// The longest prefix, in bytes: memcached's keys have 250 at most, ours end with 32 digits.
const LONGEST_PREFIX: usize = 250 - 32;
/// How long a key outlives its record.
const GRACE: Duration = Duration::from_secs(60);
/// A time to live of more seconds is one since 1970 to memcached.
const LONGEST_SPAN: u64 = 30 * 24 * 60 * 60;
/// How often a write is tried that only a touch was in the way of.
const ATTEMPTS: usize = 100;
/// In a row: the version is that of the write itself. Elsewhere: a version that no record has.
const OF_THIS_WRITE: Version = Version::from_number(0);

/// Keeps records in memcached. Clones are the same store, on the same connections.
///
/// ```no_run
/// # async fn connect() -> Result<(), cloakroom::store::StoreError> {
/// use cloakroom::StoredFactory;
/// use cloakroom::store::MemcachedStore;
///
/// let store = MemcachedStore::connect("memcached://10.0.0.1,10.0.0.2:11212").await?;
/// let sessions = StoredFactory::new("shop", store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemcachedStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// At least one.
    servers: Vec<Server>,
    prefix: String,
    clock: Box<dyn Clock>,
}

/// How memcached is to be reached.
#[must_use = "nothing is connected before `connect` is called"]
pub struct MemcachedOptions {
    url: String,
    prefix: String,
    max_connections: usize,
    connect_timeout: Duration,
    clock: Box<dyn Clock>,
}

impl MemcachedOptions {
    /// What all keys begin with, for several applications on one server; default `cloakroom:`. At most 218 bytes,
    /// without blanks and control characters.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How many connections there may be to each server; default 10. Each carries one call at a time.
    pub const fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// How long a call waits for a connection that is free or new; default 2 seconds. How long a call may take in all
    /// is for the factory to say: [`StoredBuilder::io_timeout`](crate::factory::StoredBuilder::io_timeout).
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Another clock, for tests: the one that the factory has. It only says how long keys live.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Connects to each server.
    ///
    /// # Errors
    /// `Rejected` for a URL or a prefix that is none; `Unavailable` or `TimedOut` if one of the servers does not answer;
    /// `Corrupt` if it is no memcached.
    pub async fn connect(self) -> Result<MemcachedStore> {
        let servers = self.servers()?;
        let (asked, mut times) = (self.clock.now(), Vec::new());
        for server in &servers {
            server.greet().await.map_err(store_error)?;
            times.extend(server.time().await);
        }
        clocks::compare(asked, self.clock.now(), times);
        let shared = Shared { servers, prefix: self.prefix, clock: self.clock };
        Ok(MemcachedStore { shared: Arc::new(shared) })
    }

    /// Whether all that was said can be served.
    pub(crate) fn check(&self) -> Result<()> {
        self.servers().map(drop)
    }

    fn servers(&self) -> Result<Vec<Server>> {
        let is_bad = |c: char| c.is_whitespace() || c.is_control();
        let length = self.prefix.len();
        if length > LONGEST_PREFIX || self.prefix.contains(is_bad) {
            return Err(store_error(Failure::BadPrefix(length)));
        }
        if self.max_connections == 0 {
            return Err(store_error(Failure::NoConnections));
        }
        let timeout = setting::connect_timeout(self.connect_timeout)?;
        let (url, _) = parameters::split(&self.url, &[])?;
        server::servers(url, self.max_connections, timeout).map_err(store_error)
    }
}

/// A record in memcached, and the number by which it can be replaced.
struct Seen {
    stored: Stored,
    cas: u64,
}

impl MemcachedStore {
    /// Connects to `memcached://host[:port][,host[:port]…]` with the default options; the port is 11211 unless it is
    /// said. An IPv6 address stands in brackets.
    ///
    /// # Errors
    /// As [`MemcachedOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options(url).connect().await
    }

    /// For other options.
    pub fn options(url: &str) -> MemcachedOptions {
        MemcachedOptions {
            url: url.to_owned(),
            prefix: PREFIX.to_owned(),
            max_connections: 10,
            connect_timeout: Duration::from_secs(2),
            clock: Box::new(SystemClock),
        }
    }

    fn record_key(&self, key: &StoreKey) -> String {
        format!("{}{key}", self.shared.prefix)
    }

    /// Where this key is kept.
    fn server(&self, key: &StoreKey) -> &Server {
        let servers = &self.shared.servers;
        servers.iter().max_by_key(|server| server.weight(key)).unwrap_or(&servers[0])
    }

    /// How long a record that ends then lives in memcached, as memcached is told.
    fn expiry(&self, expires_at: Timestamp) -> i64 {
        let left = expires_at.since(self.shared.clock.now()).saturating_add(GRACE);
        let seconds = left.as_secs().saturating_add(u64::from(left.subsec_nanos() > 0));
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        if seconds <= LONGEST_SPAN as i64 {
            return seconds;
        }
        // memcached has the machine's clock and reads 31 bits.
        let end = SystemClock.now().as_secs().saturating_add(seconds);
        if end <= i64::from(i32::MAX) { end } else { 0 }
    }

    async fn get(&self, key: &StoreKey) -> std::result::Result<Option<Item>, Failure> {
        let mut lent = self.server(key).lend().await?;
        let answer = lent.connection.get(&self.record_key(key)).await;
        lent.settle(answer)
    }

    /// What is there. A server that was restarted ends the connections that it had: it is asked again, because reading
    /// twice is the same.
    async fn see(&self, key: &StoreKey) -> Result<Option<Seen>> {
        let item = match self.get(key).await {
            Err(Failure::Ended(_)) => self.get(key).await,
            answer => answer,
        };
        item.map_err(store_error)?.map(|item| seen(key, item)).transpose()
    }

    /// Puts a row in the place of the item with this `cas`, or of none.
    async fn put(
        &self,
        key: &StoreKey,
        over: Option<u64>,
        row: &[u8],
        expires_at: Timestamp,
    ) -> Result<Written> {
        let (key_there, expiry) = (self.record_key(key), self.expiry(expires_at));
        let write = Write { key: &key_there, over, expiry, value: row };
        let mut lent = self.server(key).lend().await.map_err(store_error)?;
        let answer = lent.connection.write(&write).await;
        match lent.settle(answer).map_err(store_error)? {
            Written { said: Said::Refused(failure), .. } => Err(store_error(failure)),
            written => Ok(written),
        }
    }
}

impl Store for MemcachedStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        Ok(self.see(key).await?.map(|seen| seen.stored))
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let row = row::encode(OF_THIS_WRITE, record);
        let written = self.put(key, None, &row, record.expires_at).await?;
        match written.said {
            Said::Stored => Ok(Created::Done(version(&written, None))),
            _ => Ok(Created::Taken),
        }
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let row = row::encode(OF_THIS_WRITE, record);
        let mut over = expected.number();
        for _ in 0..ATTEMPTS {
            let written = self.put(key, Some(over), &row, record.expires_at).await?;
            let there = match written.said {
                Said::Stored => return Ok(Replaced::Done(version(&written, Some(over)))),
                Said::Missing => return Ok(Replaced::Gone),
                Said::Exists | Said::Refused(_) => written.there,
            };
            match there.map(|item| seen(key, item)).transpose()? {
                None => return Ok(Replaced::Gone),
                // It was touched since, and not written.
                Some(seen) if seen.stored.version == expected => over = seen.cas,
                Some(seen) => return Ok(Replaced::Conflict(seen.stored)),
            }
        }
        Err(store_error(Failure::Busy))
    }

    async fn touch(
        &self,
        key: &StoreKey,
        expected: Version,
        expires_at: Timestamp,
    ) -> Result<Touched> {
        let mut there = self.see(key).await?;
        for _ in 0..ATTEMPTS {
            let Some(Seen { stored, cas }) = there else { return Ok(Touched::Gone) };
            if stored.version != expected {
                return Ok(Touched::Changed);
            }
            let row = row::encode(stored.version, &Record { expires_at, ..stored.record });
            let written = self.put(key, Some(cas), &row, expires_at).await?;
            there = match written.said {
                Said::Stored => return Ok(Touched::Done),
                Said::Missing => return Ok(Touched::Gone),
                Said::Exists | Said::Refused(_) => written.there,
            }
            .map(|item| seen(key, item))
            .transpose()?;
        }
        Err(store_error(Failure::Busy))
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let mut lent = self.server(key).lend().await.map_err(store_error)?;
        let answer = lent.connection.delete(&self.record_key(key)).await;
        lent.settle(answer).map_err(store_error)
    }

    /// Each key is on one server, and outlasts none.
    async fn await_replication(&self, _: &StoreKey) -> Result<()> {
        Ok(())
    }
}

/// The version that a write left: its `cas`, if it is still there. If another came right after it, nobody will ever find
/// this one's, so it may be one that no record has.
fn version(written: &Written, over: Option<u64>) -> Version {
    let over = over.map_or(0, before);
    let own = written.there.as_ref().filter(|item| item.before == over);
    own.map_or(OF_THIS_WRITE, |item| Version::from_number(item.cas))
}

/// A record's version is the `cas` of the write that left it; a touch, which is another write, notes it in the row.
fn seen(key: &StoreKey, Item { cas, value, .. }: Item) -> Result<Seen> {
    let mut stored = row::decode(value).ok_or_else(|| {
        let cause = format!("the key of record {key} holds what cloakroom did not write");
        StoreError::new(StoreErrorKind::Corrupt, cause)
    })?;
    if stored.version == OF_THIS_WRITE {
        stored.version = Version::from_number(cas);
    }
    Ok(Seen { stored, cas })
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<&str> = self.shared.servers.iter().map(Server::name).collect();
        f.debug_struct("MemcachedStore")
            .field("servers", &servers)
            .field("prefix", &self.shared.prefix)
            .finish_non_exhaustive()
    }
}
