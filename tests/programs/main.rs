//! Programs that nobody chose: a few requests of a few browsers, written by dice, run through the whole library, and
//! judged by an oracle that knows the promises and none of the code.
//!
//! `PROGRAMS=1000000` says how many in all, of which each test has its part, and `PROGRAMS_FROM=…` with which number they
//! begin; `PROGRAM_SEED=…` runs one of them again, in the test that told of it.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod dice;
mod handler;
mod history;
mod oracle;
mod paced;
mod program;
mod run;
mod shrink;

use std::collections::BTreeMap;

use oracle::{Breach, judge};
use paced::Care;
use program::{Place, Program};
use run::House;

/// Of each promise that is broken, so many programs are made small, to find out how many kinds there are.
const SHRUNK: u32 = 30;
/// And so many of them are told, each of another kind.
const SHOWN: u32 = 6;

/// One kind of failure: the program in which it was seen first, made small.
struct Failure {
    seed: u64,
    smallest: Program,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn check(house: &mut House, program: &Program, care: Care) -> Result<(), Breach> {
    judge(program, &house.run(program, care))
}

/// Runs so many programs, and tells of each kind of failure by its smallest program.
fn programs(place: Place, at_once: bool, part: u64) {
    let count = number("PROGRAMS", 100_000) * part / 100;
    let seeds = match std::env::var("PROGRAM_SEED") {
        Ok(seed) => seed.parse().map(|seed: u64| seed..seed + 1).expect("a number"),
        Err(_) => {
            let first = number("PROGRAMS_FROM", 0);
            first..first + count
        }
    };
    let mut house = House::new();
    let mut failures: BTreeMap<(&str, String), Failure> = BTreeMap::new();
    let mut shrunk: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds {
        let program = Program::of(seed, place, at_once);
        let Err(breach) = check(&mut house, &program, Care::Full) else { continue };
        let times = shrunk.entry(breach.promise).or_insert(0);
        *times += 1;
        if *times <= SHRUNK {
            let failure = smallest(&mut house, program, &breach);
            failures.entry((breach.promise, failure.ingredients())).or_insert(failure);
        }
    }
    let mut shown: BTreeMap<&str, u32> = BTreeMap::new();
    let mut told = Vec::new();
    for ((promise, _), failure) in &failures {
        let shown = shown.entry(promise).or_insert(0);
        *shown += 1;
        if *shown <= SHOWN {
            told.push(failure.tell(shrunk[promise], &mut house));
        }
    }
    assert!(told.is_empty(), "{} kinds of failures\n\n{}", told.len(), told.join("\n"));
}

fn smallest(house: &mut House, program: Program, breach: &Breach) -> Failure {
    let smallest = shrink::smallest(&program, &mut |smaller| {
        check(house, smaller, Care::Full).is_err_and(|it| it.promise == breach.promise)
    });
    Failure { seed: program.seed, smallest }
}

impl Failure {
    /// Which operations and endings it takes: what tells one kind of failure from another.
    fn ingredients(&self) -> String {
        let mut all: Vec<String> = Vec::new();
        for script in self.smallest.requests.iter().filter(|script| !script.ops.is_empty()) {
            all.extend(script.ops.iter().map(|op| op.kind().to_owned()));
            all.push(format!("{:?} {}", script.ending, script.leaves_after.is_some()));
        }
        all.sort_unstable();
        all.dedup();
        all.join(", ")
    }

    fn tell(&self, times: u32, house: &mut House) -> String {
        let events = house.run(&self.smallest, Care::Full);
        let Err(breach) = judge(&self.smallest, &events) else {
            return format!("PROGRAM_SEED={} fails now and then: {}", self.seed, self.smallest);
        };
        let history: Vec<String> = events.iter().map(ToString::to_string).collect();
        format!(
            "{times} programs break: {}\n  seen: {}\n  PROGRAM_SEED={}, its smallest:\n{}{}\n",
            breach.promise,
            breach.seen,
            self.seed,
            self.smallest,
            history.join("\n"),
        )
    }
}

#[test]
fn s63_one_after_the_other_in_memory() {
    programs(Place::Memory, false, 25);
}

#[test]
fn s63_at_once_in_memory() {
    programs(Place::Memory, true, 45);
}

#[test]
fn s63_one_after_the_other_in_sqlite() {
    programs(Place::Sqlite, false, 2);
}

#[test]
fn s63_at_once_in_sqlite() {
    programs(Place::Sqlite, true, 3);
}

#[test]
fn r12_one_after_the_other_in_cookies() {
    programs(Place::Cookie, false, 10);
}

#[test]
fn r12_at_once_in_cookies() {
    programs(Place::Cookie, true, 10);
}

/// What a dictionary, flash messages and logins do where nothing else happens: no mistake of the oracle can hide here.
#[test]
fn r13_plain_programs_find_what_they_left() {
    let mut house = House::new();
    let first = number("PROGRAMS_FROM", 0);
    for seed in first..first + number("PROGRAMS", 100_000) * 5 / 100 {
        let place = [Place::Memory, Place::Cookie][(seed % 2) as usize];
        let program = Program::of(seed, place, false).plain();
        if let Err(breach) = check(&mut house, &program, Care::Full) {
            panic!("{}", smallest(&mut house, program, &breach).tell(1, &mut house));
        }
    }
}

/// An oracle that accepts everything would be as quiet as one that has nothing to complain of.
#[test]
fn s62_a_careless_store_is_found_out() {
    let mut house = House::new();
    for care in Care::LESS {
        let found = (0..20_000).any(|seed| {
            let program = Program::of(seed, Place::Memory, seed % 2 == 0);
            check(&mut house, &program, Care::Full).is_ok()
                && check(&mut house, &program, care).is_err()
        });
        assert!(found, "no program notices a store that is {care:?}");
    }
}
