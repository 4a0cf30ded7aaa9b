//! Going through all records in Redis: node by node, in the order that Redis has them.

use ::redis::cluster::NodeAddress;
use ::redis::{AsyncCommands, RedisResult, Value};
use futures_util::future::join_all;

use super::connection::Connection;
use super::error::store_error;
use super::{RedisStore, stored};
use crate::store::{Cursor, Listed, Page, Result, Scan, StoreError, StoreErrorKind, StoreKey};

/// Where the first node begins, and where each ends.
const START: &str = "0";

impl Scan for RedisStore {
    /// In a cluster, what moves from one node to another meanwhile may be missed. A value that is no record is passed
    /// over, with a warning.
    async fn scan(&self, after: Option<&Cursor>, limit: usize) -> Result<Page> {
        let place = after.and_then(|cursor| cursor.as_str().split_once(' '));
        let (node, place) = place.unwrap_or(("0", START));
        let node: usize = node.parse().unwrap_or(0);
        let nodes = self.connection.masters().await.map_err(store_error)?;
        let Some(at) = nodes.get(node) else { return Ok(Page { records: vec![], next: None }) };
        let mut scan = ::redis::cmd("SCAN");
        scan.arg(place).arg("MATCH").arg(self.shared.keys.pattern()).arg("COUNT").arg(limit.max(1));
        let answer = self.connection.send_to(at.as_ref(), &scan).await;
        let (next, names): (String, Vec<String>) =
            answer.and_then(|value| Ok(::redis::from_redis_value(value)?)).map_err(store_error)?;
        let next = match next.as_str() {
            START if node + 1 < nodes.len() => Some(Cursor::new(format!("{} {START}", node + 1))),
            START => None,
            next => Some(Cursor::new(format!("{node} {next}"))),
        };
        let names = names.iter().filter_map(|name| name.rsplit(':').next());
        let loads = names.filter_map(StoreKey::parse).map(|key| self.listed(key));
        let found = join_all(loads).await;
        Ok(Page { records: records(found)?, next })
    }
}

/// The records of a page. What somebody else wrote under the name of one must not hide those that come after it.
fn records(mut found: Vec<Result<Option<Listed>>>) -> Result<Vec<Listed>> {
    let names = found.len();
    let is_foreign = |error: &StoreError| error.kind() == StoreErrorKind::Corrupt;
    found.retain(|found| !found.as_ref().is_err_and(is_foreign));
    let foreign = names - found.len();
    if foreign > 0 {
        tracing::warn!(foreign, "what cloakroom did not write is passed over in Redis");
    }
    found.into_iter().filter_map(Result::transpose).collect()
}

impl RedisStore {
    async fn listed(&self, key: StoreKey) -> Result<Option<Listed>> {
        let name = self.shared.keys.record(&key);
        let value: Option<Vec<u8>> =
            self.connection.clone().get(name).await.map_err(store_error)?;
        value.map(|value| Ok(Listed { key, stored: stored(&key, value)? })).transpose()
    }
}

impl Connection {
    /// The servers that keys are on: each of a cluster's masters, or the one that there is.
    pub(super) async fn masters(&self) -> RedisResult<Vec<Option<NodeAddress>>> {
        if !self.is_cluster() {
            return Ok(vec![None]);
        }
        let asked = ::redis::cmd("CLUSTER").arg("SLOTS").to_owned();
        let slots: Vec<Vec<Value>> = asked.query_async(&mut self.clone()).await?;
        let mut masters = Vec::new();
        for range in slots {
            let Some(master) = range.into_iter().nth(2) else { continue };
            let (host, port, id): (String, u16, String) = match master {
                Value::Array(parts) => {
                    ::redis::from_redis_value(Value::Array(parts.into_iter().take(3).collect()))?
                }
                other => ::redis::from_redis_value(other)?,
            };
            masters.push((id, host, port));
        }
        // In an order that stays.
        masters.sort();
        masters.dedup();
        let place = |(_, host, port): (_, String, _)| Some(NodeAddress::new(host, port));
        Ok(masters.into_iter().map(place).collect())
    }
}
