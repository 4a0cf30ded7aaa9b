//! One of the servers: where it is, which keys are its own, and its connections.
//!
//! A connection is lent to one call at a time. It comes back when the call has read its whole answer, and in no other
//! case: what is left of one call's answer can never become another's.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::connection::Connection;
use super::error::Failure;
use crate::store::StoreKey;
use crate::time::Timestamp;

const SCHEME: &str = "memcached://";
const PORT: u16 = 11211;
/// How long a call has to wait before its being given up says anything about the connections.
const SUSPICIOUS: Duration = Duration::from_millis(100);
/// How long a connection may have been idle without being asked whether it is there still: what stands between may have
/// forgotten it without a word.
const IDLE: Duration = Duration::from_secs(1);
/// How long it may take to say so.
const ANSWER: Duration = Duration::from_secs(1);

pub(super) struct Server {
    /// For people and for [`weight`](Self::weight).
    name: String,
    host: String,
    port: u16,
    idle: Mutex<Vec<Idle>>,
    /// For each connection that there may be.
    permits: Semaphore,
    connect_timeout: Duration,
}

/// A connection that nobody uses. The one used last is lent first.
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection in the hands of one call.
pub(super) struct Lent<'a> {
    pub(super) connection: Connection,
    call: Call<'a>,
}

struct Call<'a> {
    server: &'a Server,
    began: Instant,
    is_over: bool,
    _permit: SemaphorePermit<'a>,
}

/// The servers that a URL names.
pub(super) fn servers(
    url: &str,
    max_connections: usize,
    connect_timeout: Duration,
) -> Result<Vec<Server>, Failure> {
    let places = url.strip_prefix(SCHEME).ok_or(Failure::NoUrl)?;
    let places = places.strip_suffix('/').unwrap_or(places).split(',').map(place);
    let server = |(host, port): (String, u16)| Server {
        name: if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        },
        host,
        port,
        idle: Mutex::default(),
        permits: Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)),
        connect_timeout,
    };
    places.map(|place| place.map(server).ok_or(Failure::NoUrl)).collect()
}

/// Host and port of `host`, `host:port`, `[::1]` or `[::1]:port`.
fn place(text: &str) -> Option<(String, u16)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if rest.is_empty() => PORT,
        None => return None,
    };
    let is_named = |c: char| c.is_ascii_alphanumeric() || "-_.:%".contains(c);
    let is_host = !host.is_empty() && host.chars().all(is_named);
    is_host.then(|| (host.to_ascii_lowercase(), port))
}

impl Server {
    /// Its host and port.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Of all servers the one with the highest has the key: each process comes to the same, in whatever order it names
    /// them, and only the share of a server that comes or goes moves. Not a checksum: those of two servers differ by the
    /// same bits whatever the key, so that shares would be uneven.
    pub(super) fn weight(&self, key: &StoreKey) -> [u8; 32] {
        let name = Sha256::new_with_prefix(&self.name);
        name.chain_update([0]).chain_update(key.as_bytes()).finalize().into()
    }

    /// Lends a connection that is free, or a new one.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, Failure> {
        let lending = async {
            // It is never closed.
            let permit = self.permits.acquire().await.map_err(|_| Failure::Slow)?;
            // It begins with the question whether a connection is there, which may be given up, too.
            let call =
                Call { server: self, began: Instant::now(), is_over: false, _permit: permit };
            let connection = match self.free().await {
                Some(connection) => connection,
                None => self.open().await?,
            };
            Ok(Lent { connection, call })
        };
        timeout(self.connect_timeout, lending).await.map_err(|_| Failure::Slow)?
    }

    /// Connects, to see whether a memcached answers.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        let mut lent = self.lend().await?;
        let greeting = timeout(self.connect_timeout, lent.connection.greet());
        let greeted = greeting.await.unwrap_or(Err(Failure::Slow));
        lent.settle(greeted)
    }

    /// What time it is there, if it says so. A proxy may not know the question.
    pub(super) async fn time(&self) -> Option<Timestamp> {
        let mut lent = self.lend().await.ok()?;
        let seconds = timeout(self.connect_timeout, lent.connection.time()).await;
        let seconds = lent.settle(seconds.unwrap_or(Err(Failure::Slow)));
        seconds.ok()?.map(Timestamp::from_secs)
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let opened = Connection::open(&self.host, self.port).await;
        opened.map_err(|source| Failure::Unreachable { place: self.name.clone(), source })
    }

    /// One that a server which was restarted has closed is not lent again, nor one that does not answer.
    async fn free(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.idle().pop()?;
            if !connection.is_open() {
                continue;
            }
            if since.elapsed() < IDLE || self.answers(&mut connection).await {
                return Some(connection);
            }
            // They were idle for longer still, and each would take as long to say nothing.
            self.idle().retain(|idle| idle.since.elapsed() < IDLE);
        }
    }

    async fn answers(&self, connection: &mut Connection) -> bool {
        // So that there is time for a new one.
        let patience = ANSWER.min(self.connect_timeout / 2);
        matches!(timeout(patience, connection.greet()).await, Ok(Ok(())))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// Gives the connection back after a whole answer. After anything else it is closed; so are those that lie idle if
    /// the server ended it, because it has ended them too.
    pub(super) fn settle<T>(self, answer: Result<T, Failure>) -> Result<T, Failure> {
        let Self { connection, mut call } = self;
        call.is_over = true;
        match &answer {
            Ok(_) if connection.is_quiet() => {
                call.server.idle().push(Idle { connection, since: Instant::now() });
            }
            Err(Failure::Ended(_)) => call.server.idle().clear(),
            _ => {}
        }
        answer
    }
}

impl Drop for Call<'_> {
    /// Of a call that was given up after it had waited: a server that is gone without a word is gone for those
    /// connections that lie idle, too (S75).
    fn drop(&mut self) {
        if !self.is_over && self.began.elapsed() >= SUSPICIOUS {
            self.server.idle().clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(url: &str) -> Option<Vec<String>> {
        let servers = servers(url, 1, Duration::from_secs(1)).ok()?;
        Some(servers.iter().map(|server| server.name.clone()).collect())
    }

    #[test]
    fn a_url_names_one_server_or_several() {
        for (url, expected) in [
            ("memcached://localhost", &["localhost:11211"][..]),
            ("memcached://10.0.0.1:4711/", &["10.0.0.1:4711"]),
            ("memcached://A.example,b:1", &["a.example:11211", "b:1"]),
            ("memcached://[::1],[fe80::1%eth0]:7", &["[::1]:11211", "[fe80::1%eth0]:7"]),
        ] {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(url), Some(expected), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for places in
            ["", "a,,b", "a:", "a:x", "a:70000", "[::1", "[::1]x", "me:pw@a", "a/0", "a b"]
        {
            assert_eq!(names(&format!("memcached://{places}")), None, "{places}");
        }
        assert_eq!(names("http://localhost"), None);
    }

    #[test]
    fn each_server_has_its_share_of_the_keys_and_keeps_it_when_another_comes() {
        let three = servers("memcached://a,b,c", 1, Duration::from_secs(1)).expect("a URL");
        let owner = |servers: &[Server], key: &StoreKey| {
            let best = servers.iter().max_by_key(|server| server.weight(key));
            best.map(|server| server.name.clone())
        };
        let (mut shares, mut moved) = ([0; 3], 0);
        for number in 0..3000_u128 {
            let key = StoreKey::from_bytes(number.to_be_bytes());
            let all = owner(&three, &key);
            let share = three.iter().position(|server| all.as_deref() == Some(server.name()));
            shares[share.expect("one of them")] += 1;
            moved += usize::from(owner(&three[..2], &key) != all);
        }
        assert!(shares.iter().all(|share| (900..1100).contains(share)), "{shares:?}");
        assert_eq!(moved, shares[2], "keys moved that were not the third server's");
    }
}
