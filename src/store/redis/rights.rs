//! What is looked at before the first visitor comes: whether this is the kind of Redis that the URL says, whether it
//! drops sessions when its memory is full, whether its clock is right, and whether the user may do what cloakroom does.

use ::redis::{Cmd, RedisError, RedisResult, Value, from_redis_value};
use futures_util::future::{join_all, try_join_all};

use super::RedisStore;
use super::error::store_error;
use crate::store::{Result, StoreError, StoreErrorKind, clocks};
use crate::time::Timestamp;

/// A command that Redis has heard of nothing that it would be about, so that it does nothing, if it is allowed.
struct Trial {
    name: &'static str,
    cmd: Cmd,
}

impl RedisStore {
    /// # Errors
    /// `Rejected` if this store would not work.
    pub(super) async fn look_around(&self) -> Result<()> {
        let masters = self.connection.masters().await.map_err(store_error)?;
        let asked = self.shared.clock.now();
        let infos = join_all(masters.iter().map(async |node| {
            let info = self.connection.send_to(node.as_ref(), &::redis::cmd("INFO")).await;
            info.and_then(|info| Ok(from_redis_value::<String>(info)?)).unwrap_or_default()
        }))
        .await;
        clocks::compare(asked, self.shared.clock.now(), infos.iter().filter_map(|info| time(info)));
        if !self.connection.is_cluster()
            && infos.iter().any(|info| fact(info, "cluster_enabled") == Some("1"))
        {
            return Err(is_node_of_a_cluster());
        }
        self.warn_if_it_evicts(&infos).await;
        self.check_rights().await
    }

    /// A session that Redis drops for want of memory is a visitor signed out, without a word.
    async fn warn_if_it_evicts(&self, infos: &[String]) {
        let mut policies = infos.iter().filter_map(|info| fact(info, "maxmemory_policy"));
        let told = match policies.clone().next() {
            Some(_) => None,
            None => self.policy_by_config().await,
        };
        let policy = policies.find(|policy| *policy != "noeviction").or(told.as_deref());
        // A server that does not say so may be well set up.
        if let Some(policy) = policy
            && policy != "noeviction"
        {
            tracing::warn!(%policy, "Redis drops sessions when its memory is full: set noeviction");
        }
    }

    /// Where `INFO` is forbidden, the other command may not be.
    async fn policy_by_config(&self) -> Option<String> {
        let mut asked = ::redis::cmd("CONFIG");
        asked.arg("GET").arg("maxmemory-policy");
        // A list, or a map in the third version of the protocol.
        let answer: RedisResult<Vec<(String, String)>> =
            self.connection.once(&asked).await.and_then(|answer| Ok(from_redis_value(answer)?));
        Some(answer.ok()?.pop()?.1)
    }

    async fn check_rights(&self) -> Result<()> {
        let trials = self.trials();
        let answers = join_all(trials.iter().map(|trial| self.connection.once(&trial.cmd))).await;
        let loaded = self.load_scripts().await;
        let refusals = || answers.iter().filter_map(|answer| answer.as_ref().err());
        if !self.connection.is_cluster() && refusals().any(|error| error.code() == Some("MOVED")) {
            return Err(is_node_of_a_cluster());
        }
        let is_about_keys = |error: &RedisError| {
            is_forbidden(error) && error.detail().is_some_and(|text| text.contains(" key"))
        };
        let forbidden = |(trial, answer): (&Trial, &RedisResult<Value>)| {
            let error = answer.as_ref().err().filter(|error| is_forbidden(error))?;
            (!is_about_keys(error)).then_some(trial.name)
        };
        let mut missing: Vec<String> =
            trials.iter().zip(&answers).filter_map(forbidden).map(str::to_owned).collect();
        if loaded.as_ref().is_err_and(is_forbidden) {
            missing.push("SCRIPT|LOAD".to_owned());
        }
        if refusals().any(is_about_keys) {
            missing.push(format!("keys that begin with {}", self.shared.keys.prefix));
        }
        if missing.is_empty() {
            return Ok(());
        }
        let cause = format!(
            "Redis does not let this user use what cloakroom needs: {}",
            missing.join(", ")
        );
        Err(StoreError::new(StoreErrorKind::Rejected, cause))
    }

    /// So that the first visitors' calls are not sent twice.
    async fn load_scripts(&self) -> RedisResult<()> {
        let scripts = self.shared.scripts.all().map(|script| async {
            script.prepare_invoke().load_async(&mut self.connection.clone()).await.map(drop)
        });
        try_join_all(scripts).await.map(drop)
    }

    /// One for each right that the store needs.
    fn trials(&self) -> Vec<Trial> {
        // Nothing is ever at these names, which in a cluster are in one slot and elsewhere in all.
        let mark = self.shared.keys.partitions().next().map(|first| self.shared.keys.mark(first));
        let mark = mark.unwrap_or_default();
        let trial = |name: &'static str, more: &[&str]| {
            let mut cmd = ::redis::cmd(name);
            cmd.arg(format!("{mark}:{name}")).arg(more);
            Trial { name, cmd }
        };
        let mut script = ::redis::cmd("EVALSHA");
        script.arg("0".repeat(40)).arg(1).arg(format!("{mark}:EVALSHA"));
        let mut trials = vec![
            trial("GET", &[]),
            trial("MGET", &[]),
            trial("SET", &["", "XX", "EX", "1"]),
            trial("DEL", &[]),
            trial("ZADD", &["XX", "1", ""]),
            trial("ZREM", &[""]),
            trial("ZREMRANGEBYSCORE", &["1", "0"]),
            trial("ZRANGE", &["0", "0"]),
            trial("ZREVRANGE", &["0", "0"]),
            trial("PEXPIRE", &["1"]),
            Trial { name: "EVALSHA", cmd: script },
        ];
        if self.waiting.is_some() {
            let mut wait = ::redis::cmd("WAIT");
            wait.arg(0).arg(1);
            trials.extend([trial("GETRANGE", &["0", "0"]), Trial { name: "WAIT", cmd: wait }]);
        }
        trials
    }
}

fn is_forbidden(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}

fn is_node_of_a_cluster() -> StoreError {
    let cause = "this is a node of a cluster, which has a part of the keys: name it as redis+cluster://host:port";
    StoreError::new(StoreErrorKind::Rejected, cause)
}

/// A line of `INFO`.
fn fact<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = info.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value.trim())
}

/// What time it is there.
fn time(info: &str) -> Option<Timestamp> {
    fact(info, "server_time_usec")?.parse().ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_found_by_its_whole_name() {
        let info = "# Memory\r\nmaxmemory_policy:allkeys-lru\r\nmaxmemory:0\r\n# Cluster\r\ncluster_enabled:1\r\n";
        assert_eq!(fact(info, "maxmemory_policy"), Some("allkeys-lru"));
        assert_eq!(fact(info, "maxmemory"), Some("0"));
        assert_eq!(fact(info, "cluster_enabled"), Some("1"));
        assert_eq!(fact(info, "cluster"), None);
    }
}
