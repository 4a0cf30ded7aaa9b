//! Where commands go, and what becomes of those that were not carried out.
//!
//! A connection carries all calls side by side. One that broke is made anew by the next call, after asking the
//! sentinels, or the cluster's nodes, where that is now. So is one on which a call was given up and nothing has
//! answered since: a peer that is gone without a word breaks no connection. Making one takes longer than a call may
//! take where a node or a sentinel is silent: it goes on when the call is given up, and the next one waits for it.
//!
//! What Redis refused before it did anything is sent again, a few times; what may have been done is sent again only if
//! it changes nothing (S75).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use ::redis::{
    AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult,
    ServerErrorKind, Value,
};
use tokio::task::JoinHandle;

use super::place::Source;

/// How long a call has to wait before its being given up says anything about the connection.
const SUSPICIOUS: Duration = Duration::from_millis(100);
/// How many answers, each within the time for a connection, may be needed before there is one.
const ROUND_TRIPS: u32 = 5;
/// How often a command is sent in all, and the pause before the second time, which doubles.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// A place that commands can be sent to. Clones are the same.
#[derive(Clone)]
pub(super) enum Connection {
    /// The application's own, which makes itself anew.
    Given(Live),
    Ours(Arc<Ours>),
}

#[derive(Clone)]
pub(super) enum Live {
    Managed(ConnectionManager),
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A connection, and how many there were up to it.
type Numbered = (u64, Live);

/// A connection that is made when it is needed.
pub(super) struct Ours {
    source: tokio::sync::Mutex<Source>,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    /// The connection that is being made, whether or not somebody waits for it.
    making: tokio::sync::Mutex<Option<JoinHandle<RedisResult<Numbered>>>>,
    is_cluster: bool,
    began: Instant,
    current: Mutex<Current>,
    /// When something was answered last, in milliseconds since `began`.
    answered: AtomicU64,
}

#[derive(Default)]
struct Current {
    /// How many connections there were before.
    number: u64,
    live: Option<Live>,
}

impl Connection {
    /// Connects.
    pub(super) async fn open(source: Source, connect_timeout: Duration) -> RedisResult<Self> {
        let ours = Arc::new(Ours {
            is_cluster: matches!(source, Source::Cluster(_)),
            source: tokio::sync::Mutex::new(source),
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(connect_timeout))
                // The factory has a budget for each call.
                .set_response_timeout(None),
            connect_timeout,
            making: tokio::sync::Mutex::default(),
            began: Instant::now(),
            current: Mutex::default(),
            answered: AtomicU64::new(0),
        });
        ours.live().await?;
        Ok(Self::Ours(ours))
    }

    /// Whether keys live on several servers, so that those of one call have to be in one slot.
    pub(super) fn is_cluster(&self) -> bool {
        match self {
            Self::Given(live) => matches!(live, Live::Cluster(_)),
            Self::Ours(ours) => ours.is_cluster,
        }
    }

    async fn send(&self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Given(live) => live.clone().send(cmd).await,
            Self::Ours(ours) => ours.use_live(async |mut live| live.send(cmd).await).await,
        }
    }

    /// Sends a command to one of a cluster's nodes, or to the one server that there is.
    pub(super) async fn send_to(
        &self,
        node: Option<SingleNodeRoutingInfo>,
        cmd: &Cmd,
    ) -> RedisResult<Value> {
        let Some(node) = node else { return self.send(cmd).await };
        let route = async |live: Live| match live {
            Live::Cluster(mut cluster) => {
                cluster.route_command(cmd.clone(), RoutingInfo::SingleNode(node)).await
            }
            mut live => live.send(cmd).await,
        };
        match self {
            Self::Given(live) => route(live.clone()).await,
            Self::Ours(ours) => ours.use_live(route).await,
        }
    }

    async fn send_all(
        &self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Given(live) => live.clone().send_all(pipeline, offset, count).await,
            Self::Ours(ours) => {
                ours.use_live(async |mut live| live.send_all(pipeline, offset, count).await).await
            }
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut pause = PAUSE;
            for _ in 1..ATTEMPTS {
                match self.send(cmd).await {
                    Err(error) if may_send_again(cmd, &error) => {
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    answer => return answer,
                }
            }
            self.send(cmd).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.send_all(pipeline, offset, count))
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Whether nothing can have been done yet, or doing it twice is the same.
fn may_send_again(cmd: &Cmd, error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Server(Ask | ClusterDown | MasterDown | Moved | ReadOnly | TryAgain) => true,
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => {
            let reads = [&b"GET"[..], b"MGET", b"ZRANGE"];
            cmd.args_iter().next().is_some_and(|first| match first {
                ::redis::Arg::Simple(name) => reads.contains(&name),
                _ => false,
            })
        }
        _ => false,
    }
}

impl Live {
    async fn send(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Managed(connection) => connection.req_packed_command(cmd).await,
            Self::Server(connection) => connection.req_packed_command(cmd).await,
            Self::Cluster(connection) => match connection.req_packed_command(cmd).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) => {
                    ask(connection, cmd, error).await
                }
                answer => answer,
            },
        }
    }

    async fn send_all(
        &mut self,
        pipeline: &Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        match self {
            Self::Managed(connection) => {
                connection.req_packed_commands(pipeline, offset, count).await
            }
            Self::Server(connection) => {
                connection.req_packed_commands(pipeline, offset, count).await
            }
            Self::Cluster(connection) => {
                connection.req_packed_commands(pipeline, offset, count).await
            }
        }
    }
}

/// Follows a key that is on its way to another node.
async fn ask(
    connection: &mut ClusterConnection,
    cmd: &Cmd,
    error: RedisError,
) -> RedisResult<Value> {
    let node = error.redirect_node().and_then(|(node, _)| node.rsplit_once(':'));
    let Some((host, port)) = node.and_then(|(host, port)| Some((host, port.parse().ok()?))) else {
        return Err(error);
    };
    let place = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
    let mut asking = ::redis::pipe();
    asking.cmd("ASKING").add_command(cmd.clone());
    let answer = connection.route_pipeline(asking, 1, 1, place).await?;
    answer.into_iter().next().ok_or(error)
}

impl Ours {
    /// The connection that there is, or a new one, with its number.
    async fn live(self: &Arc<Self>) -> RedisResult<Numbered> {
        if let Some(there) = self.current().there() {
            return Ok(there);
        }
        // One at a time: who waits here finds the connection that another has made, or waits for the same one.
        let mut making = self.making.lock().await;
        if let Some(there) = self.current().there() {
            return Ok(there);
        }
        // What came to nothing while nobody waited says nothing about now.
        if making.as_ref().is_some_and(JoinHandle::is_finished) {
            *making = None;
        }
        let made = making.get_or_insert_with(|| tokio::spawn(self.clone().make())).await;
        *making = None;
        made.map_err(io::Error::other)?
    }

    async fn make(self: Arc<Self>) -> RedisResult<Numbered> {
        let mut source = self.source.lock().await;
        // So that one that never comes about does not stand in the way of another.
        let at_most = self.connect_timeout.saturating_mul(ROUND_TRIPS);
        let made = tokio::time::timeout(at_most, source.connect(&self.config)).await;
        let live = made.map_err(io::Error::from)??;
        let mut current = self.current();
        current.number += 1;
        current.live = Some(live.clone());
        Ok((current.number, live))
    }

    async fn use_live<T>(
        self: &Arc<Self>,
        asked: impl AsyncFnOnce(Live) -> RedisResult<T>,
    ) -> RedisResult<T> {
        let (number, live) = self.live().await?;
        let call = Call { ours: self, number, began: self.now(), is_over: false };
        let answer = asked(live).await;
        call.ended();
        if let Err(error) = &answer
            && self.is_spent(error)
        {
            self.forget(number);
        }
        answer
    }

    /// Whether another connection may do better. A cluster's looks after its nodes by itself.
    fn is_spent(&self, error: &RedisError) -> bool {
        let is_no_master = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
        !self.is_cluster && (is_no_master || error.is_unrecoverable_error() || error.is_io_error())
    }

    fn forget(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.live = None;
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Current {
    fn there(&self) -> Option<Numbered> {
        self.live.clone().map(|live| (self.number, live))
    }
}

/// A call that is on its way.
struct Call<'a> {
    ours: &'a Ours,
    /// Of its connection.
    number: u64,
    began: u64,
    is_over: bool,
}

impl Call<'_> {
    fn ended(mut self) {
        self.is_over = true;
        self.ours.answered.store(self.ours.now(), Ordering::Relaxed);
    }
}

impl Drop for Call<'_> {
    /// Of a call that was given up. A cluster's other nodes answer even if one does not: that says nothing.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let waited = self.ours.now().saturating_sub(self.began);
        let nothing_came = self.ours.answered.load(Ordering::Relaxed) <= self.began;
        if waited >= SUSPICIOUS.as_millis() as u64 && (nothing_came || self.ours.is_cluster) {
            self.ours.forget(self.number);
        }
    }
}
