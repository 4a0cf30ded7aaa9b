//! Every pair of operations on one session, in every order of their steps, on the real code.
//!
//! Two requests of one browser run at once. Each call of the store and each step of a handler is a point at which the
//! scheduler goes on with either, and a depth-first search goes through all of that, with every ending, with one call
//! of the store failing, and with a clock that moves. What may be seen afterwards is written in `oracle.rs`.
//!
//! A call is a point before it takes effect, and not after: what comes after it up to the next call, its caller does
//! alone. So a response comes to the browser when its last call took effect; that responses overtake each other on
//! their way is nothing that a server can prevent.
//!
//! `PAIRS=all cargo test --release --all-features --test pairs` leaves nothing to the lot.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod explore;
mod ledger;
mod operation;
mod oracle;
mod proof;
mod request;
mod run;
mod store;
mod world;

use ledger::Ledger;
use operation::{Ending, Op};
use run::{Fault, When, Who};
use world::{Case, Move};

/// Whether nothing is left to the lot, however long it takes.
fn is_all() -> bool {
    std::env::var("PAIRS").is_ok_and(|value| value == "all")
}

/// More schedules of one case than this are drawn at random, unless all are asked for.
fn limit() -> usize {
    if is_all() { usize::MAX } else { 3_000 }
}

/// What is drawn at random is drawn from here.
const SEED: u64 = 2026;
/// How many orders are drawn of a case that is not exhausted.
const DRAWN: usize = 2;

fn pairs() -> impl Iterator<Item = (Op, Op)> {
    let all = Op::ALL.into_iter().enumerate();
    all.flat_map(|(at, one)| Op::ALL[at..].iter().map(move |two| (one, *two)))
}

/// Every pair, with limits that are persistent and with such as are not.
fn cases() -> impl Iterator<Item = Case> {
    let limits = [false, true];
    pairs().flat_map(move |(one, two)| {
        limits.map(|persistent| Case { persistent, ..Case::of(one, two) })
    })
}

/// Every case, unless it is a persistent one: of these only some orders are drawn where something goes wrong, too.
fn run(ledger: &mut Ledger, case: Case) {
    if is_all() || !case.persistent {
        ledger.exhaust(case, limit());
    } else {
        ledger.draw(case, DRAWN, SEED);
    }
}

#[test]
fn s62_s64_s66_s67_every_pair_in_every_order() {
    let mut ledger = Ledger::new("pairs");
    for case in cases() {
        ledger.exhaust(case, limit());
    }
    ledger.close();
}

/// The endings that may matter to an operation.
fn endings(op: Op) -> &'static [Ending] {
    use Ending::{Head, Panic, Status};
    const ALL: [Ending; 7] =
        [Status(204), Status(302), Status(304), Status(404), Status(500), Head, Panic];
    match op {
        Op::Pop => &ALL,
        _ if is_all() => &ALL,
        Op::Read | Op::HandleWrite | Op::HandleReload | Op::Token => &[Status(500)],
        _ => &[Status(304), Status(500), Panic],
    }
}

#[test]
fn s27_s67_s72_every_pair_with_every_ending() {
    let mut ledger = Ledger::new("endings");
    for case in cases() {
        for at in [0, 1] {
            for ending in endings(case.ops[at]) {
                let mut case = case;
                case.endings[at] = *ending;
                run(&mut ledger, case);
            }
        }
    }
    ledger.close();
}

#[test]
fn s27_s69_every_pair_with_a_client_that_goes_away_at_every_point() {
    let mut ledger = Ledger::new("dropped");
    for case in cases().filter(|case| is_all() || !case.persistent) {
        for at in [0, 1] {
            for pauses in 1.. {
                let mut case = case;
                case.endings[at] = Ending::Dropped(pauses);
                if !ledger.exhaust(case, limit()).was_dropped {
                    break;
                }
            }
        }
    }
    ledger.close();
}

#[test]
fn s73_s74_every_pair_with_any_call_failing() {
    let mut ledger = Ledger::new("faults");
    for case in cases() {
        let reach = ledger.exhaust(case, limit());
        for who in Who::CALLERS {
            for call in 0..reach.calls[who as usize] {
                for when in [When::Before, When::After] {
                    let fault = Some(Fault { who, call, when });
                    run(&mut ledger, Case { fault, ..case });
                }
            }
        }
    }
    ledger.close();
}

#[test]
fn s22_every_pair_with_a_clock_that_moves() {
    let mut ledger = Ledger::new("clock");
    for case in cases() {
        for clock in [Move::PastTouch, Move::PastIdle] {
            run(&mut ledger, Case { clock, ..case });
        }
    }
    ledger.close();
}

/// All of that at once is too much to exhaust: cases are drawn, and orders of them.
#[test]
fn s63_pairs_with_everything_at_once_by_lot() {
    let mut ledger = Ledger::new("lot");
    let mut state = SEED;
    let mut below = |number: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % number
    };
    for _ in 0..if is_all() { 100_000 } else { 3_000 } {
        let case = Case::of(Op::ALL[below(Op::ALL.len())], Op::ALL[below(Op::ALL.len())]);
        let ending = |op: Op, lot: usize| match lot % 9 {
            0..4 => Ending::OK,
            4..6 => Ending::Dropped(1 + lot / 9 % 4),
            _ => endings(op)[lot / 9 % endings(op).len()],
        };
        let endings = case.ops.map(|op| ending(op, below(1_000)));
        let clock = [Move::None, Move::PastTouch, Move::PastIdle][below(3)];
        let who = Who::CALLERS[below(3)];
        let when = [When::Before, When::After][below(2)];
        let fault = Some(Fault { who, call: below(4), when }).filter(|_| below(3) > 0);
        let persistent = below(2) == 1;
        let case = Case { endings, clock, fault, persistent, ..case };
        ledger.draw(case, DRAWN, SEED);
    }
    ledger.close();
}
