//! A connection that the application has handed in, which looks after itself, but not after everything: it would stay
//! with a server that is no master any more.

use std::time::Duration;

use ::redis::{RedisResult, Value};
use tokio::sync::RwLock;

use super::heard::Heard;
use super::live::{Asked, Health, Live};
use super::meaning::Meaning;
use super::ours::AGE;

/// How long calls may take that were sent before the connection is ended, with those that come after them.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Given {
    live: Live,
    pub(super) heard: Heard,
    /// Read by each call, written by who ends the connection: no call of ours is in flight then.
    gate: RwLock<()>,
}

impl Given {
    pub(super) fn new(live: Live) -> Self {
        Self { live, heard: Heard::now(None), gate: RwLock::default() }
    }

    pub(super) const fn is_cluster(&self) -> bool {
        self.live.is_cluster()
    }

    pub(super) async fn ask(&self, asked: Asked<'_>) -> RedisResult<Value> {
        let gate = self.gate.read().await;
        // One that was closed makes itself anew when it is asked how it is. One that is silent is not ours to end.
        if self.live.health(self.heard.silence(None), None).await == Health::Well {
            self.heard.answer(None);
        }
        let answer = self.live.clone().ask(asked).await;
        drop(gate);
        match &answer {
            Err(error) if Meaning::of(error) == Meaning::Elsewhere => self.leave().await,
            Err(error) if !Meaning::of(error).is_answer() => {}
            _ => self.heard.answer(None),
        }
        answer
    }

    /// Makes the manager look for another server, unless it has just done so.
    async fn leave(&self) {
        if self.is_cluster() {
            return;
        }
        let Ok(_gate) = tokio::time::timeout(PATIENCE, self.gate.write()).await else { return };
        if self.heard.age() >= AGE {
            self.live.quit().await;
            self.heard.anew();
        }
    }
}
