//! When a connection was heard of last: a whole one, or each of a cluster's masters. One of them may be silent for an
//! hour while the others are busy.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ::redis::Cmd;
use ::redis::cluster::NodeAddress;
use ::redis::cluster_read_routing::{
    ClusterTopology, ReadCandidates, ReadRoutingStrategy, ReadRoutingStrategyFactory,
};

/// Slots that keys of a cluster are in.
const SLOTS: u16 = 16_384;

/// When there was an answer last. Times are in milliseconds since `began`.
pub(super) struct Heard {
    began: Instant,
    /// From whomever.
    last: AtomicU64,
    /// When the connection was made.
    made: AtomicU64,
    nodes: Mutex<HashMap<NodeAddress, u64>>,
    map: Option<Map>,
}

impl Heard {
    /// Of a connection that was just made; of a cluster's with its map, if there is one.
    pub(super) fn now(map: Option<Map>) -> Self {
        Self {
            began: Instant::now(),
            last: AtomicU64::new(0),
            made: AtomicU64::new(0),
            nodes: Mutex::default(),
            map,
        }
    }

    pub(super) fn time(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Notes that another connection has taken the place.
    pub(super) fn anew(&self) {
        let now = self.time();
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.made.store(now, Ordering::Relaxed);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Notes an answer.
    pub(super) fn answer(&self, node: Option<&NodeAddress>) {
        let now = self.time();
        self.last.store(now, Ordering::Relaxed);
        if let Some(node) = node {
            let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
            match nodes.get_mut(node) {
                Some(last) => *last = now,
                None => drop(nodes.insert(node.clone(), now)),
            }
        }
    }

    /// Whether anything has come since then, from whomever.
    pub(super) fn has_come_since(&self, time: u64) -> bool {
        self.last.load(Ordering::Relaxed) > time
    }

    /// For how long nothing has come.
    pub(super) fn silence(&self, node: Option<&NodeAddress>) -> Duration {
        let last = match node {
            None => self.last.load(Ordering::Relaxed),
            Some(node) => {
                let nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
                nodes.get(node).copied().unwrap_or_else(|| self.made.load(Ordering::Relaxed))
            }
        };
        Duration::from_millis(self.time().saturating_sub(last))
    }

    /// How old the connection is.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(self.time().saturating_sub(self.made.load(Ordering::Relaxed)))
    }

    /// The master that a command goes to, where there are several.
    pub(super) fn node_of(&self, cmd: &Cmd) -> Option<NodeAddress> {
        let map = self.map.as_ref()?.0.read().unwrap_or_else(PoisonError::into_inner);
        let shard = map.as_ref()?.shard_for_slot(hash_slot(key_of(cmd)?))?;
        Some(shard.primary().clone())
    }
}

/// Which of a cluster's nodes has which keys, as its connection finds out. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Map(Arc<RwLock<Option<ClusterTopology>>>);

impl ReadRoutingStrategyFactory for Map {
    fn create_strategy(&self) -> Box<dyn ReadRoutingStrategy> {
        Box::new(ByMaster(self.clone()))
    }
}

/// Reads from masters, and keeps the map.
struct ByMaster(Map);

impl ReadRoutingStrategy for ByMaster {
    fn on_topology_changed(&self, topology: ClusterTopology) {
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = Some(topology);
    }

    fn route_read<'a>(&self, candidates: &ReadCandidates<'a>) -> &'a NodeAddress {
        match candidates {
            ReadCandidates::AnyNode(nodes) => nodes.primary(),
            ReadCandidates::ReplicasOnly(nodes) => nodes.replicas().first(),
        }
    }
}

/// The first key of a command that has one.
fn key_of(cmd: &Cmd) -> Option<&[u8]> {
    let mut words = cmd.args_iter().filter_map(|word| match word {
        ::redis::Arg::Simple(word) => Some(word),
        _ => None,
    });
    match words.next()? {
        b"EVALSHA" => words.nth(2),
        b"SCRIPT" => None,
        _ => words.next(),
    }
}

/// The slot of a key: its CRC16 (XMODEM), or that of what is in its first braces.
fn hash_slot(key: &[u8]) -> u16 {
    let tag = || {
        let begin = key.iter().position(|byte| *byte == b'{')? + 1;
        let length = key[begin..].iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &key[begin..begin + length])
    };
    let crc = tag().unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use ::redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn a_key_s_slot_is_the_one_that_redis_says() {
        for key in ["", "a", "123456789", "cloakroom:{07}:record:07", "{}x", "a{b}{c}", "{unended"]
        {
            assert_eq!(Slot::new(hash_slot(key.as_bytes())), Some(Slot::for_key(key)), "{key}");
        }
    }

    #[test]
    fn a_command_s_key_is_found() {
        let key = |words: &[&str]| {
            let mut cmd = ::redis::cmd(words[0]);
            cmd.arg(&words[1..]);
            key_of(&cmd).map(|key| String::from_utf8(key.to_vec()).unwrap())
        };
        assert_eq!(key(&["GET", "k"]).as_deref(), Some("k"));
        assert_eq!(key(&["EVALSHA", "sha", "2", "k", "l"]).as_deref(), Some("k"));
        assert_eq!(key(&["SCRIPT", "LOAD", "k"]), None);
        assert_eq!(key(&["PING"]), None);
    }
}
