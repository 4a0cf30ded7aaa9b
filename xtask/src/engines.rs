//! `cargo xtask engines`: every engine that sessions can be kept in, for who tries something by hand.

use std::io;

use cloakroom_engines::{
    MariaDb, Memcached, Missing, Postgres, Redis, RedisCluster, RedisSentinels,
};

use crate::provision;
use crate::run::{Failure, Outcome};
use crate::workspace::Workspace;

impl From<Missing> for Failure {
    fn from(missing: Missing) -> Self {
        Self(missing.to_string())
    }
}

/// Starts them, prints one URL a line, then `ready`, and stops them when stdin closes or we are ended.
pub(crate) fn serve(_: &Workspace) -> Outcome {
    provision::engines()?;
    let (redis, postgres, maria) = (Redis::start()?, Postgres::start()?, MariaDb::start()?);
    let (cluster, sentinels) = (RedisCluster::start()?, RedisSentinels::start()?);
    let memcached = Memcached::start()?;
    for url in [redis.url(), cluster.url(), sentinels.url()] {
        println!("{url}");
    }
    for url in [postgres.url(), maria.url(), memcached.url()] {
        println!("{url}");
    }
    println!("ready");
    // An error means that there is nothing more to read, too.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    Ok(())
}
