//! The session's rules, seen from outside: the built testbed serves over real HTTP, a visitor with cookies asks.
//!
//! One file per part of tests/RULES.md; a test begins its name with the rule that it guards. Each set of options
//! is one process, started at the first asking and shared by the tests of this run.

mod cookie;
mod cookie_limits;
mod csrf;
mod dictionary;
mod facts;
mod failing;
mod flash;
mod lifetime;
mod options;
mod payload;
mod touching;
mod visits;

use std::collections::HashMap;
use std::process::Command;
use std::sync::Mutex;

use cloakroom_testbed::{Service, Visitor};

/// When the clocks of most tests stand still.
const NOW: u64 = 1_700_000_000;

/// The testbed as a command, with these options, separated by spaces.
fn command(options: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom-testbed"));
    command.arg("--until-stdin-closes").args(options.split_whitespace());
    command
}

/// A running testbed with these options. The same options give the same process; it lives as long as the tests.
fn testbed(options: &str) -> &'static Service {
    static RUNNING: Mutex<Option<HashMap<String, &'static Service>>> = Mutex::new(None);
    let mut running = RUNNING.lock().expect("no testbed failed to start before");
    let start =
        || -> &'static Service { Box::leak(Box::new(Service::start(&mut command(options)))) };
    running.get_or_insert_default().entry(options.to_owned()).or_insert_with(start)
}

/// Somebody without cookies, at a testbed with these options.
fn visitor(options: &str) -> Visitor<'static> {
    Visitor::new(testbed(options))
}
