//! Where commands go, and what becomes of those that were not carried out.
//!
//! A connection carries all calls side by side. What Redis refused before it did anything is sent again, a few times,
//! on another connection if this one leads to a server that will not do it; what may have been done is sent again only
//! if it changes nothing (S75). Which is which, the [meaning](super::meaning) of the answer says.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::ConnectionLike;
use ::redis::cluster::NodeAddress;
use ::redis::{Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::given::Given;
use super::live::{Asked, Live};
use super::meaning::Meaning;
use super::ours::Ours;
use super::place::Source;

/// How often a command is sent in all, and the pause before the second time, which doubles.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(10);

/// A place that commands can be sent to. Clones are the same.
#[derive(Clone)]
pub(super) enum Connection {
    Given(Arc<Given>),
    Ours(Arc<Ours>),
}

impl Connection {
    /// Connects.
    pub(super) async fn open(source: Source, connect_timeout: Duration) -> RedisResult<Self> {
        Ok(Self::Ours(Ours::open(source, connect_timeout).await?))
    }

    /// The application's own.
    pub(super) fn given(live: Live) -> Self {
        Self::Given(Arc::new(Given::new(live)))
    }

    /// Whether keys live on several servers, so that those of one call have to be in one slot.
    pub(super) fn is_cluster(&self) -> bool {
        match self {
            Self::Given(given) => given.is_cluster(),
            Self::Ours(ours) => ours.is_cluster(),
        }
    }

    async fn once_at(&self, node: Option<&NodeAddress>, asked: Asked<'_>) -> RedisResult<Value> {
        match self {
            Self::Given(given) => given.ask(asked).await,
            Self::Ours(ours) => ours.ask(node, asked).await,
        }
    }

    /// Asks again what was not done and may be now.
    async fn ask(&self, asked: Asked<'_>) -> RedisResult<Value> {
        let may_be_sent_again = |error: &RedisError| match Meaning::of(error) {
            Meaning::Unreachable => asked.may_be_done_twice(),
            meaning => meaning.is_passing(),
        };
        let mut pause = PAUSE;
        for _ in 1..ATTEMPTS {
            match self.once_at(self.node_of(asked).as_ref(), asked).await {
                Err(error) if may_be_sent_again(&error) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
        self.once_at(self.node_of(asked).as_ref(), asked).await
    }

    fn node_of(&self, asked: Asked<'_>) -> Option<NodeAddress> {
        let heard = match self {
            Self::Given(given) => &given.heard,
            Self::Ours(ours) => &ours.heard,
        };
        match asked {
            Asked::One(cmd) => heard.node_of(cmd),
            Asked::At(node, _) => Some(node.clone()),
            Asked::All(commands) => {
                commands.cmd_iter().next().and_then(|first| heard.node_of(first))
            }
        }
    }

    /// Sends a command to one of a cluster's nodes, or to the one server that there is.
    pub(super) async fn send_to(
        &self,
        node: Option<&NodeAddress>,
        cmd: &Cmd,
    ) -> RedisResult<Value> {
        self.ask(node.map_or(Asked::One(cmd), |node| Asked::At(node, cmd))).await
    }

    /// Sends a command, whatever is answered.
    pub(super) async fn once(&self, cmd: &Cmd) -> RedisResult<Value> {
        let asked = Asked::One(cmd);
        self.once_at(self.node_of(asked).as_ref(), asked).await
    }

    /// Sends commands in one go, all about the same slot. They may be done twice.
    pub(super) async fn send_all(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        match self.ask(Asked::All(commands)).await? {
            Value::Array(answers) => Ok(answers),
            answer => Ok(vec![answer]),
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(self.ask(Asked::One(cmd)))
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(self.send_all(pipeline))
    }

    fn get_db(&self) -> i64 {
        0
    }
}
