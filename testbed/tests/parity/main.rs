//! Every adapter gives the same answers: two testbeds with the same options, one on each, get the same random
//! requests, and each of their answers must be the same, cookies, tokens and refusals byte for byte.
//!
//! That can be asked because nothing is left to chance: the clocks stand still until they are moved, and tickets and
//! tokens are drawn from a seed. `draw` makes up requests, `request` puts in what each process gave its visitors,
//! `pair` asks both and makes a sequence with different answers as short as it gets. Another run:
//! `PARITY_SEED=2 cargo test -p cloakroom-testbed --test parity`; `PARITY_SEQUENCES` makes it longer.

mod draw;
mod pair;
mod request;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cloakroom_testbed::Service;

use draw::Draw;
use pair::Pair;

/// What is compared.
const ADAPTERS: [&str; 2] = ["axum", "actix"];

/// Of all factories together.
const SEQUENCES: u64 = 10_000;

/// What the requests are drawn from, and in the processes tickets and tokens.
const SEED: u64 = 1;

/// The headers that need not be the same. All others must be, in number, order and text.
///
/// Not sent, because frameworks differ before a session comes into it:
/// - two `Host` lines, and bodies that are longer than a server reads, which then hangs up;
/// - letters in a path that need not be encoded and are: only actix-web decodes before it routes;
/// - what follows the handshake of a socket.
const LEFT_OUT: [&str; 3] = [
    // The machine's clock, not the one that stands still.
    "date",
    // When a server hangs up is its own affair.
    "connection",
    // Each router writes its list of methods in its own way.
    "allow",
];

/// How sessions are guarded and kept, for all factories.
const SETTINGS: [&str; 4] = [
    "",
    "--csrf token --keep-on-error false --idle 600 --renew-after 0",
    "--csrf origin --origin http://testbed --idle never",
    "--csrf off --renew-after never",
];

/// And for those with a store. It is never left alone for a while, which no clock here decides.
const STORED: [&str; 4] = [
    "",
    "--absolute 1200 --renew-ticket 300 --overwrite refuse",
    "--renew-ticket 1 --csrf-grace 60 --flash-lease 5",
    "--absolute never --renew-ticket never --overwrite last-wins",
];

#[test]
fn signed_cookies_are_the_same_on_both_adapters() {
    compare("signed-cookie:", SETTINGS.map(str::to_owned));
}

#[test]
fn sessions_in_memory_are_the_same_on_both_adapters() {
    compare("memory:", stored());
}

#[test]
fn sessions_in_sqlite_are_the_same_on_both_adapters() {
    compare("sqlite: --durability fast", stored());
}

fn stored() -> [String; 4] {
    std::array::from_fn(|at| {
        format!("{} {} --fail-fast never --io-timeout 2000", SETTINGS[at], STORED[at])
    })
}

/// A third of all sequences, shared out over these settings.
fn compare(factory: &str, settings: [String; 4]) {
    let answered = thread::scope(|scope| {
        let asking = [0, 1, 2, 3].map(|at| {
            let options = format!("--factory {factory} {}", settings[at]);
            scope.spawn(move || ask_both(&options))
        });
        asking.into_iter().flat_map(|asking| asking.join().expect("no difference")).collect()
    });
    assert_all_asked(&answered);
}

/// Asks two new processes with these options, and says which paths were answered how.
fn ask_both(options: &str) -> BTreeSet<(String, u16)> {
    let seed = number("PARITY_SEED", SEED);
    let options = format!("{options} --now 1700000000 --random-seed {seed}");
    let differing = options.bytes().fold(seed, |seed, byte| seed.rotate_left(8) ^ u64::from(byte));
    let (mut pair, mut draw) = (Pair::start(&options), Draw::new(differing));
    let mut answered = BTreeSet::new();
    for number in 0..number("PARITY_SEQUENCES", SEQUENCES).div_ceil(12) {
        let sequence = draw.sequence();
        let statuses = pair.ask(&sequence).unwrap_or_else(|difference| {
            let difference = pair::shortened(&options, &sequence, difference);
            panic!("PARITY_SEED={seed} {options}, sequence {number}:\n{difference}")
        });
        let paths = sequence.iter().map(|request| request.path().to_owned());
        answered.extend(paths.zip(statuses));
    }
    answered
}

fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// That no route is missing, nor what a route can come to.
fn assert_all_asked(answered: &BTreeSet<(String, u16)>) {
    let sources = [
        include_str!("../../src/operation.rs"),
        include_str!("../../src/axum.rs"),
        include_str!("../../src/axum/csrf.rs"),
    ];
    let literals = sources.iter().flat_map(|source| source.split('"'));
    for route in literals.filter(|literal| literal.starts_with('/') && !literal.contains('\n')) {
        let is_at = |path: &str| match route.split_once('{') {
            None => path == route,
            Some((before, _)) => path.starts_with(before),
        };
        let mut there = answered.iter().filter(|(_, status)| ![404, 405].contains(status));
        assert!(there.any(|(path, _)| is_at(path)), "{route} was never asked");
    }
    for status in [101, 200, 304, 400, 403, 404, 405, 500, 503] {
        assert!(
            answered.iter().any(|(_, other)| *other == status),
            "nothing was answered {status}"
        );
    }
}

/// A testbed on this adapter.
fn start(adapter: &str, options: &str) -> Service {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom-testbed"));
    command.args(["--until-stdin-closes", "--adapter", adapter]);
    for word in options.split_whitespace() {
        match word {
            "sqlite:" => command.arg(format!("sqlite:{}", new_file().display())),
            word => command.arg(word),
        };
    }
    Service::start(&mut command)
}

/// A place for a file that is not there yet.
fn new_file() -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("parity-{number}.sqlite"));
    for rest in ["", "-wal", "-shm", "-journal"] {
        // From an earlier run, if it is there.
        let _ = std::fs::remove_file(format!("{}{rest}", path.display()));
    }
    path
}
