//! Engines and networks that fail, while users are at work: the built testbed serves over real HTTP, and between it and
//! its engine stands a proxy that makes the weather.
//!
//! `user` says what every single answer has to be, whatever happens. `every_engine/` holds what is done to each engine,
//! compiled again for each; what lies here can be done to one of them alone. `storm` does all of it in a random order, to
//! two processes on one store.

#![allow(clippy::unwrap_used)]
// That files are compiled several times is the point.
#![allow(clippy::duplicate_mod)]

mod failover;
mod forgetting;
mod full;
mod storm;
mod user;
mod users;

/// What is done to the network before each engine. The tests share a server: each disturbs its own proxy only.
macro_rules! every_engine {
    ($name:ident, $engine:ident) => {
        #[path = "every_engine"]
        mod $name {
            use std::sync::LazyLock;

            use cloakroom_engines::$engine;

            fn url() -> String {
                static SERVER: LazyLock<$engine> = LazyLock::new(|| $engine::start().unwrap());
                SERVER.url()
            }

            mod weather;
        }
    };
}

every_engine!(redis, Redis);
every_engine!(postgres, Postgres);
every_engine!(mariadb, MariaDb);
every_engine!(memcached, Memcached);

/// What is done to those that keep their data when they restart.
macro_rules! every_durable_engine {
    ($name:ident, $engine:ident) => {
        #[path = "every_engine"]
        mod $name {
            use cloakroom_engines::$engine as Engine;

            mod restart;
        }
    };
}

every_durable_engine!(durable_postgres, Postgres);
every_durable_engine!(durable_mariadb, MariaDb);

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom_engines::Proxy;
use cloakroom_testbed::Service;

/// How long a store call may take, unless a test says otherwise: long enough for an engine that works, on a machine
/// with much else to do.
const BUDGET: &str = "--io-timeout 500";

/// A testbed that reaches this engine by way of a proxy.
fn behind_proxy(url: &str, options: &str) -> (Proxy, Service) {
    let proxy = Proxy::to(url).unwrap();
    let service = serve(&proxy.before(url), options);
    (proxy, service)
}

/// A testbed on this engine that keeps its sessions apart from those of others.
fn serve(url: &str, options: &str) -> Service {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    let name = format!("faults_{}", NAMES.fetch_add(1, Ordering::Relaxed));
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom-testbed"));
    command.args(["--until-stdin-closes", "--factory", url, "--prefix", &name]);
    Service::start(command.args(options.split_whitespace()))
}
