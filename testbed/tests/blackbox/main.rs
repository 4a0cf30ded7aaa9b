//! The session's rules, seen from outside: the built testbed serves over real HTTP, a visitor with cookies asks.
//!
//! One file per part of tests/RULES.md; a test begins its name with the rule that it guards. `every_factory/` holds
//! what is so wherever sessions are kept, `every_store/` what is so on a server, races included; both are compiled
//! again for each factory, not copied. What lies here is of one factory alone, or of the testbed itself.

// That files are compiled several times is the point.
#![allow(clippy::duplicate_mod)]

mod at_rest;
mod cookie;
mod cookie_limits;
mod crowd;
mod facts;
mod killed;
mod lifetime;
mod options;
mod payload;
mod restart;
mod touching;

/// What is so wherever sessions are kept.
macro_rules! every_factory {
    ($name:ident, $factory:literal) => {
        #[path = "every_factory"]
        mod $name {
            /// Somebody without cookies, at a testbed with this factory and these options.
            fn visitor(options: &str) -> cloakroom_testbed::Visitor<'static> {
                crate::visitor(&format!("--factory {} {options}", $factory))
            }

            mod csrf;
            mod dictionary;
            mod facts;
            mod failing;
            mod flash;
            mod unseen;
            mod visits;
        }
    };
}

every_factory!(signed_cookie, "signed-cookie:");
every_factory!(memory, "memory:");
every_factory!(sqlite, "sqlite:");
every_factory!(redis, "redis:");
every_factory!(postgres, "postgres:");
every_factory!(mysql, "mysql:");
every_factory!(memcached, "memcached:");
every_factory!(actix_signed_cookie, "signed-cookie: --adapter actix");
every_factory!(actix_memory, "memory: --adapter actix");
every_factory!(actix_sqlite, "sqlite: --adapter actix");
every_factory!(actix_redis, "redis: --adapter actix");
every_factory!(actix_postgres, "postgres: --adapter actix");
every_factory!(actix_mysql, "mysql: --adapter actix");
every_factory!(actix_memcached, "memcached: --adapter actix");

/// What is so wherever they are kept on a server.
macro_rules! every_store {
    ($name:ident, $factory:literal) => {
        #[path = "every_store"]
        mod $name {
            /// A testbed for one test alone.
            fn start(options: &str) -> cloakroom_testbed::Service {
                crate::start(&format!("--factory {} {options}", $factory))
            }

            mod account;
            mod adding;
            mod finality;
            mod flash_once;
            mod limits;
            mod overwriting;
            mod resurrection;
            mod tickets;
            mod unreliable;
        }
    };
}

every_store!(memory_store, "memory:");
// It does not wait for the disk, which `killed` looks into: there is much to write.
every_store!(sqlite_store, "sqlite: --durability fast");
every_store!(redis_store, "redis:");
every_store!(redis_cluster_store, "redis+cluster:");
every_store!(postgres_store, "postgres:");
every_store!(mysql_store, "mysql:");
every_store!(actix_memory_store, "memory: --adapter actix");
every_store!(actix_sqlite_store, "sqlite: --adapter actix --durability fast");
every_store!(actix_redis_store, "redis: --adapter actix");
every_store!(actix_redis_cluster_store, "redis+cluster: --adapter actix");
every_store!(actix_postgres_store, "postgres: --adapter actix");
every_store!(actix_mysql_store, "mysql: --adapter actix");

/// The same for one that finds no sessions by their owner, which `account` is about.
macro_rules! every_store_without_index {
    ($name:ident, $factory:literal) => {
        #[path = "every_store"]
        mod $name {
            /// A testbed for one test alone.
            fn start(options: &str) -> cloakroom_testbed::Service {
                crate::start(&format!("--factory {} {options}", $factory))
            }

            mod adding;
            mod finality;
            mod flash_once;
            mod limits;
            mod overwriting;
            mod resurrection;
            mod tickets;
            mod unreliable;
        }
    };
}

every_store_without_index!(memcached_store, "memcached:");
every_store_without_index!(actix_memcached_store, "memcached: --adapter actix");

/// The races, between two processes that share a store.
macro_rules! every_shared_store {
    ($name:ident, $factory:literal) => {
        #[path = "every_store"]
        mod $name {
            /// Two testbeds for one test alone.
            fn start(options: &str) -> cloakroom_testbed::Service {
                crate::start_two(&format!("--factory {} {options}", $factory))
            }

            mod adding;
            mod finality;
            mod flash_once;
            mod overwriting;
            mod resurrection;
        }
    };
}

every_shared_store!(redis_shared, "redis:");
every_shared_store!(redis_cluster_shared, "redis+cluster:");
every_shared_store!(postgres_shared, "postgres:");
every_shared_store!(mysql_shared, "mysql:");
every_shared_store!(memcached_shared, "memcached:");
every_shared_store!(actix_redis_shared, "redis: --adapter actix");
every_shared_store!(actix_redis_cluster_shared, "redis+cluster: --adapter actix");
every_shared_store!(actix_postgres_shared, "postgres: --adapter actix");
every_shared_store!(actix_mysql_shared, "mysql: --adapter actix");
every_shared_store!(actix_memcached_shared, "memcached: --adapter actix");

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use cloakroom_engines::{MariaDb, Memcached, Postgres, Redis, RedisCluster};
use cloakroom_testbed::{Service, Visitor};

/// When the clocks of most tests stand still.
const NOW: u64 = 1_700_000_000;

/// The testbed as a command, with these options, separated by spaces. `sqlite:` alone gets a file of its own,
/// `redis:`, `redis+cluster:` or `memcached:` alone keys of its own, `postgres:` and `mysql:` alone a table of their own.
fn command(options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom-testbed"));
    command.arg("--until-stdin-closes");
    for word in options.split_whitespace() {
        match word {
            "sqlite:" => command.arg(format!("sqlite:{}", new_file().display())),
            "redis:" => command.args([redis_url(), "--prefix".into(), new_name()]),
            "redis+cluster:" => command.args([cluster_url(), "--prefix".into(), new_name()]),
            "postgres:" => command.args([postgres_url(), "--prefix".into(), new_name()]),
            "mysql:" => command.args([mysql_url(), "--prefix".into(), new_name()]),
            "memcached:" => command.args([memcached_url(), "--prefix".into(), new_name()]),
            word => command.arg(word),
        };
    }
    command
}

/// The server that all tests share.
fn redis_url() -> String {
    static SERVER: LazyLock<Redis> =
        LazyLock::new(|| Redis::start().unwrap_or_else(|error| panic!("{error}")));
    SERVER.url()
}

/// The cluster that all tests share.
fn cluster_url() -> String {
    static CLUSTER: LazyLock<RedisCluster> =
        LazyLock::new(|| RedisCluster::start().unwrap_or_else(|error| panic!("{error}")));
    CLUSTER.url()
}

/// The server that all tests share.
fn postgres_url() -> String {
    static SERVER: LazyLock<Postgres> =
        LazyLock::new(|| Postgres::start().unwrap_or_else(|error| panic!("{error}")));
    SERVER.url()
}

/// The server that all tests share.
fn mysql_url() -> String {
    static SERVER: LazyLock<MariaDb> =
        LazyLock::new(|| MariaDb::start().unwrap_or_else(|error| panic!("{error}")));
    SERVER.url()
}

/// The server that all tests share.
fn memcached_url() -> String {
    static SERVER: LazyLock<Memcached> =
        LazyLock::new(|| Memcached::start().unwrap_or_else(|error| panic!("{error}")));
    SERVER.url()
}

/// What no other testbed has.
fn new_name() -> String {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    format!("testbed_{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

/// A place for a file that is not there yet.
fn new_file() -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("blackbox-{number}.sqlite"));
    for rest in ["", "-wal", "-shm", "-journal"] {
        // From an earlier run, if it is there.
        let _ = std::fs::remove_file(folder.join(format!("blackbox-{number}.sqlite{rest}")));
    }
    path
}

/// A testbed with these options for one test alone.
fn start(options: &str) -> Service {
    Service::start(&mut command(options))
}

/// Two testbeds with these options that share a store, for one test alone.
fn start_two(options: &str) -> Service {
    let mut command = command(options);
    Service::start(&mut command).beside(Service::start(&mut command))
}

/// A running testbed with these options. The same options give the same process; it lives as long as the tests.
fn testbed(options: &str) -> &'static Service {
    static RUNNING: Mutex<Option<HashMap<String, &'static Service>>> = Mutex::new(None);
    let mut running = RUNNING.lock().expect("no testbed failed to start before");
    let start = || -> &'static Service { Box::leak(Box::new(start(options))) };
    running.get_or_insert_default().entry(options.to_owned()).or_insert_with(start)
}

/// Somebody without cookies, at a testbed with these options.
fn visitor(options: &str) -> Visitor<'static> {
    Visitor::new(testbed(options))
}
