//! A connection that is made when it is needed: by the next call after one that broke, after asking the sentinels, or
//! the cluster's nodes, where that is now. So is one that leads to a server which is no master any more, and one that
//! does not answer: a peer that is gone without a word breaks no connection. Making one takes longer than a call may
//! take where a node or a sentinel is silent: it goes on when the call is given up, and the next one waits for it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::cluster::NodeAddress;
use ::redis::{AsyncConnectionConfig, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::heard::Heard;
use super::live::{Asked, Health, Live};
use super::meaning::Meaning;
use super::place::Source;

/// How long a call has to wait before its being given up says anything about the connection.
const SUSPICIOUS: Duration = Duration::from_millis(100);
/// How many answers, each within the time for a connection, may be needed before there is one.
const ROUND_TRIPS: u32 = 5;
/// How old a connection has to be before another one may lead somewhere else: nobody's place changes faster, and a
/// server that refuses for long is not connected to for each call.
pub(super) const AGE: Duration = Duration::from_millis(100);

/// How often one that a cluster's node has closed is looked after, and the pause before each time.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// A connection, and how many there were up to it.
type Numbered = (u64, Live);

pub(super) struct Ours {
    source: tokio::sync::Mutex<Source>,
    config: AsyncConnectionConfig,
    connect_timeout: Duration,
    /// The connection that is being made, whether or not somebody waits for it.
    making: tokio::sync::Mutex<Option<JoinHandle<RedisResult<Numbered>>>>,
    /// Held by who asks the connection how it is: the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
    is_cluster: bool,
    current: Mutex<Current>,
    pub(super) heard: Heard,
}

#[derive(Default)]
struct Current {
    /// How many connections there were before.
    number: u64,
    live: Option<Live>,
}

impl Ours {
    /// Connects.
    pub(super) async fn open(source: Source, connect_timeout: Duration) -> RedisResult<Arc<Self>> {
        let ours = Arc::new(Self {
            is_cluster: matches!(source, Source::Cluster(..)),
            heard: Heard::now(source.map()),
            source: tokio::sync::Mutex::new(source),
            config: AsyncConnectionConfig::new()
                .set_connection_timeout(Some(connect_timeout))
                // The factory has a budget for each call.
                .set_response_timeout(None),
            connect_timeout,
            making: tokio::sync::Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            current: Mutex::default(),
        });
        ours.live().await?;
        Ok(ours)
    }

    pub(super) const fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// The connection that there is, or a new one, with its number.
    async fn live(self: &Arc<Self>) -> RedisResult<Numbered> {
        let (there, number) = {
            let current = self.current();
            (current.there(), current.number)
        };
        match there {
            Some(there) => Ok(there),
            None => self.another_than(number).await,
        }
    }

    /// One that is made after this one. The others use this one until then, if nobody has forgotten it.
    async fn another_than(self: &Arc<Self>, number: u64) -> RedisResult<Numbered> {
        // One at a time: who waits here finds the connection that another has made, or waits for the same one.
        let mut making = self.making.lock().await;
        if let Some(there) = self.current().there()
            && there.0 > number
        {
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
        self.heard.anew();
        let mut current = self.current();
        current.number += 1;
        current.live = Some(live.clone());
        Ok((current.number, live))
    }

    /// One that is there as far as anybody knows, for a command to this node.
    async fn well(self: &Arc<Self>, node: Option<&NodeAddress>) -> RedisResult<Numbered> {
        loop {
            let (number, live) = self.live().await?;
            if Live::is_fresh(self.heard.silence(node)) {
                return Ok((number, live));
            }
            // Of a cluster's nodes each call asks its own, so that one that is silent holds nobody up but its visitors.
            let _asking = if self.is_cluster { None } else { Some(self.asking.lock().await) };
            if self.current().there().is_none_or(|(current, _)| current != number) {
                continue;
            }
            // Who has less time than the answer may take leaves the connection, too: it would be asked for ever.
            let question = Call::on(self, number);
            let health = self.health(&live, node).await;
            question.ended();
            match health {
                Health::Well => {}
                // It is for the cluster to say where these keys are now.
                Health::Closed if self.is_cluster => {}
                Health::Silent if self.is_cluster => {
                    self.another_than(number).await?;
                    continue;
                }
                Health::Closed | Health::Silent => {
                    self.forget(number);
                    continue;
                }
            }
            self.heard.answer(node);
            return Ok((number, live));
        }
    }

    /// How a connection is; of a cluster's, to this node, which gets another one by itself where it was closed.
    async fn health(&self, live: &Live, node: Option<&NodeAddress>) -> Health {
        let mut health = live.health(self.heard.silence(node), node).await;
        for _ in 0..LOOKS {
            if health != Health::Closed || !self.is_cluster {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            health = live.health(self.heard.silence(node), node).await;
        }
        health
    }

    pub(super) async fn ask(
        self: &Arc<Self>,
        node: Option<&NodeAddress>,
        asked: Asked<'_>,
    ) -> RedisResult<Value> {
        let (number, mut live) = self.well(node).await?;
        let call = Call::on(self, number);
        let answer = live.ask(asked).await;
        call.ended();
        match &answer {
            Err(error) if self.is_spent(error) => self.forget(number),
            Err(error) if !Meaning::of(error).is_answer() => {}
            _ => self.heard.answer(node),
        }
        answer
    }

    /// Whether another connection may do better. A cluster's looks after its nodes by itself.
    fn is_spent(&self, error: &RedisError) -> bool {
        let is_spent = match Meaning::of(error) {
            Meaning::Elsewhere => self.heard.age() >= AGE,
            Meaning::Unreachable | Meaning::Silent => true,
            _ => error.is_unrecoverable_error(),
        };
        is_spent && !self.is_cluster
    }

    fn forget(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.live = None;
        }
    }

    /// Leaves a connection on which nothing came. A cluster's has other nodes, whose visitors need not wait for the next.
    fn leave(self: &Arc<Self>, number: u64) {
        match Handle::try_current() {
            Ok(runtime) if self.is_cluster => {
                let ours = self.clone();
                // If none comes about, the next call that is given up tries again.
                drop(runtime.spawn(async move { ours.another_than(number).await.map(drop) }));
            }
            _ => self.forget(number),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn there(&self) -> Option<Numbered> {
        self.live.clone().map(|live| (self.number, live))
    }
}

/// A call that is on its way.
struct Call<'a> {
    ours: &'a Arc<Ours>,
    /// Of its connection.
    number: u64,
    began: u64,
    is_over: bool,
}

impl<'a> Call<'a> {
    fn on(ours: &'a Arc<Ours>, number: u64) -> Self {
        Self { ours, number, began: ours.heard.time(), is_over: false }
    }

    fn ended(mut self) {
        self.is_over = true;
    }
}

impl Drop for Call<'_> {
    /// Of a call that was given up. A cluster's other nodes answer even if one does not: that says nothing.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let heard = &self.ours.heard;
        let waited = heard.time().saturating_sub(self.began);
        let nothing_came = !heard.has_come_since(self.began);
        if waited >= SUSPICIOUS.as_millis() as u64 && (nothing_came || self.ours.is_cluster) {
            self.ours.leave(self.number);
        }
    }
}
