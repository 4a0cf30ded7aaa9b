//! A connection as the client library has it. What a server refuses is an error here, wherever it comes from: the
//! library hands it over as a value in places.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use ::redis::cluster::NodeAddress;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use ::redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::timeout;

use super::meaning::Meaning;

/// How long a connection may take to say that it is there. Nobody is there after that: a new one is faster than more
/// patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long nothing may have come without its being asked whether it is there still.
const IDLE: Duration = Duration::from_secs(1);
/// How long nothing may have come without a look at whether it was closed, which asks nobody.
const MOMENT: Duration = Duration::from_millis(2);

/// A connection. Clones are the same.
#[derive(Clone)]
pub(super) enum Live {
    Managed(ConnectionManager),
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is sent.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    One(&'a Cmd),
    /// To one of a cluster's nodes, or to the one server that there is.
    At(&'a NodeAddress, &'a Cmd),
    /// In one go, all about the same slot. What is answered is an array; the first refusal is an error, and what came
    /// after it may have been done.
    All(&'a Pipeline),
}

/// How a connection is that has been silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers, or has so lately that nobody asks.
    Well,
    /// It was closed.
    Closed,
    /// It does not answer.
    Silent,
}

impl Live {
    pub(super) async fn ask(&mut self, asked: Asked<'_>) -> RedisResult<Value> {
        match (asked, &mut *self) {
            (Asked::At(node, cmd), Self::Cluster(cluster)) => {
                let node = by_address(node.host().to_owned(), node.port());
                let route = RoutingInfo::SingleNode(node);
                refusal(cluster.route_command(cmd.clone(), route).await?)
            }
            (Asked::One(cmd) | Asked::At(_, cmd), _) => self.send(cmd).await,
            (Asked::All(commands), _) => self.send_all(commands).await,
        }
    }

    async fn send(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Self::Managed(connection) => connection.req_packed_command(cmd).await,
            Self::Server(connection) => connection.req_packed_command(cmd).await,
            Self::Cluster(connection) => match connection.req_packed_command(cmd).await {
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) => {
                    ask(connection, cmd, error).await
                }
                answer => answer,
            },
        };
        refusal(answer?)
    }

    async fn send_all(&mut self, commands: &Pipeline) -> RedisResult<Value> {
        let count = commands.len();
        let answers = match self {
            Self::Managed(connection) => connection.req_packed_commands(commands, 0, count).await,
            Self::Server(connection) => connection.req_packed_commands(commands, 0, count).await,
            Self::Cluster(connection) => connection.req_packed_commands(commands, 0, count).await,
        };
        Ok(Value::Array(answers?.into_iter().map(refusal).collect::<RedisResult<_>>()?))
    }

    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The first words with a server: it may hang up after its own.
    pub(super) async fn greet(&mut self) -> RedisResult<()> {
        match self.send(&::redis::cmd("PING")).await {
            Err(error) if !Meaning::of(&error).is_answer() || hangs_up(&error) => Err(error),
            // It is there, even if it has a reason not to do that.
            _ => Ok(()),
        }
    }

    /// Whether it was heard of so lately that nobody has to look how it is.
    pub(super) fn is_fresh(silence: Duration) -> bool {
        silence < MOMENT
    }

    /// How it is after nothing came for so long. A ping only after a second: one that is in use is not asked.
    pub(super) async fn health(&self, silence: Duration, node: Option<&NodeAddress>) -> Health {
        if Self::is_fresh(silence) {
            return Health::Well;
        }
        if silence < IDLE {
            return if self.is_closed().await { Health::Closed } else { Health::Well };
        }
        let (mut live, ping) = (self.clone(), ::redis::cmd("PING"));
        let asked = node.map_or(Asked::One(&ping), |node| Asked::At(node, &ping));
        match timeout(PATIENCE, live.ask(asked)).await {
            Ok(Err(error)) if Meaning::of(&error) == Meaning::Unreachable => Health::Closed,
            Ok(Err(error)) if Meaning::of(&error) == Meaning::Silent => Health::Silent,
            Ok(_) => Health::Well,
            Err(_) => Health::Silent,
        }
    }

    /// Whether the library has seen the connection end. It says so only to a command, and refuses one at once then: one
    /// that is not refused is withdrawn before it is sent. A cluster's connection takes commands for as long as there is
    /// any node, and hears itself of one that closes.
    async fn is_closed(&self) -> bool {
        if self.is_cluster() {
            return false;
        }
        // Whoever reads from the connection gets a turn before: the first time round the runtime learns that there is
        // something to read.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
        let (mut live, ping) = (self.clone(), ::redis::cmd("PING"));
        let mut asked = pin!(live.send(&ping));
        let first = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
        matches!(first, Poll::Ready(Err(error)) if Meaning::of(&error) == Meaning::Unreachable)
    }

    /// Ends a connection that its manager would keep, so that it makes another.
    pub(super) async fn quit(&self) {
        let Self::Managed(_) = self else { return };
        let mut live = self.clone();
        // The manager learns by a command's failure that the connection has ended. Whatever comes of these, the next
        // call sees how it is.
        for word in ["QUIT", "PING"] {
            let _ = timeout(PATIENCE, live.send(&::redis::cmd(word))).await;
        }
    }
}

/// Whether a server says this to somebody whom it does not let in.
fn hangs_up(error: &RedisError) -> bool {
    let has_too_many = |text: &str| text.starts_with("max number of clients");
    error.code() == Some("DENIED") || error.detail().is_some_and(has_too_many)
}

impl Asked<'_> {
    /// Whether it changes nothing, or nothing more the second time.
    pub(super) fn may_be_done_twice(self) -> bool {
        let reads = [&b"GET"[..], b"INFO", b"MGET", b"PING", b"SCAN", b"ZRANGE"];
        match self {
            Self::One(cmd) | Self::At(_, cmd) => {
                cmd.args_iter().next().is_some_and(|first| match first {
                    ::redis::Arg::Simple(name) => reads.contains(&name),
                    _ => false,
                })
            }
            Self::All(_) => true,
        }
    }
}

fn refusal(answer: Value) -> RedisResult<Value> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}

const fn by_address(host: String, port: u16) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::ByAddress { host, port }
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
    let mut asking = ::redis::pipe();
    asking.cmd("ASKING").add_command(cmd.clone());
    let place = by_address(host.to_owned(), port);
    let answer = connection.route_pipeline(asking, 1, 1, place).await?;
    answer.into_iter().next().ok_or(error)
}
