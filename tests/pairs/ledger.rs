//! What many explorations came to: how many schedules, what was exhausted, and each kind of breach with the smallest
//! run that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use crate::explore::{History, Orders, explore};
use crate::operation::{Ending, Op};
use crate::oracle::{Breach, judge, known};
use crate::run::{Event, Who};
use crate::store::Flaw;
use crate::world::{Case, Move};

/// The runs of a breach of one kind.
struct Found {
    runs: usize,
    pairs: BTreeSet<(Op, Op)>,
    smallest: String,
    size: (usize, usize),
}

#[derive(Default)]
struct Breaches {
    found: BTreeMap<(&'static str, String), Found>,
    calls: [usize; 3],
    was_dropped: bool,
    /// How many runs break what is known not to be kept.
    known: BTreeMap<&'static str, usize>,
}

/// Collects what was explored.
pub struct Ledger {
    name: &'static str,
    cases: usize,
    schedules: usize,
    drawn: usize,
    seed: u64,
    unfinished: Vec<String>,
    breaches: Arc<Mutex<Breaches>>,
}

/// What a case needs to know of its runs, for those that follow from it.
pub struct Reach {
    /// The most calls that each made.
    pub calls: [usize; 3],
    /// Whether a request was dropped.
    pub was_dropped: bool,
}

impl Ledger {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            cases: 0,
            schedules: 0,
            drawn: 0,
            seed: 0,
            unfinished: Vec::new(),
            breaches: Arc::default(),
        }
    }

    /// Explores a case to the end, or by lot beyond `limit` schedules.
    pub fn exhaust(&mut self, case: Case, limit: usize) -> Reach {
        let explored = explore(case, Orders::All(limit), self.judge());
        self.cases += 1;
        if !explored.is_exhausted {
            self.unfinished.push(told(&case));
        }
        self.schedules += explored.schedules;
        self.reach()
    }

    /// Explores so many orders of a case, drawn at random.
    pub fn draw(&mut self, case: Case, number: usize, seed: u64) {
        self.seed = seed;
        self.drawn += explore(case, Orders::Drawn(number, seed), self.judge()).schedules;
    }

    fn judge(&self) -> impl Fn(History) + Send + Sync + 'static {
        let breaches = self.breaches.clone();
        move |history| breaches.lock().unwrap().note(&history)
    }

    fn reach(&self) -> Reach {
        let mut breaches = self.breaches.lock().unwrap();
        let (calls, was_dropped) =
            (std::mem::take(&mut breaches.calls), std::mem::take(&mut breaches.was_dropped));
        Reach { calls, was_dropped }
    }

    /// Says what was explored, and fails if a promise was not kept.
    pub fn close(self) {
        let (name, cases, schedules) = (self.name, self.cases, self.schedules);
        if schedules > 0 {
            println!("{name}: {cases} cases, {schedules} schedules by depth-first search");
        }
        match self.unfinished.as_slice() {
            [] if schedules > 0 => println!("{name}: exhausted"),
            [] => {}
            some => println!("{name}: not to the end in {}: {}", some.len(), some.join("; ")),
        }
        if self.drawn > 0 {
            let (drawn, seed) = (self.drawn, self.seed);
            println!("{name}: {drawn} schedules drawn at random, not exhausted, seed {seed}");
        }
        let breaches = self.breaches.lock().unwrap();
        for (promise, runs) in &breaches.known {
            println!("{name}: left out, as it is known: {runs} runs against \"{promise}\"");
        }
        for ((promise, how), found) in &breaches.found {
            let pairs: Vec<_> = found.pairs.iter().map(|(a, b)| format!("{a:?}+{b:?}")).collect();
            println!("\nBROKEN: {promise}\n  {how}\n  {} runs of {}", found.runs, pairs.join(" "));
            println!("{}", found.smallest);
        }
        let broken = breaches.found.len();
        assert!(broken == 0, "{name}: {broken} kinds of breaches, see above");
    }
}

impl Breaches {
    fn note(&mut self, history: &History) {
        for (calls, made) in self.calls.iter_mut().zip(history.calls) {
            *calls = made.max(*calls);
        }
        self.was_dropped |= history
            .events
            .iter()
            .any(|event| matches!(event, Event::Ended(_, how) if how == "dropped"));
        let mut seen = BTreeSet::new();
        for Breach { promise, how } in judge(history) {
            if known(history).contains(&promise) {
                *self.known.entry(promise).or_default() += 1;
            } else if seen.insert((promise, how.clone())) {
                self.add(promise, how, history);
            }
        }
    }

    fn add(&mut self, promise: &'static str, how: String, history: &History) {
        let size = size(history);
        let [one, two] = history.case.ops;
        let found = self.found.entry((promise, how)).or_insert_with(|| Found {
            runs: 0,
            pairs: BTreeSet::new(),
            smallest: String::new(),
            size: (usize::MAX, usize::MAX),
        });
        found.runs += 1;
        found.pairs.insert((one.min(two), one.max(two)));
        if size < found.size {
            found.size = size;
            let events = history.events.iter().map(|event| format!("\n    {event}"));
            found.smallest = format!("  {}{}", told(&history.case), events.collect::<String>());
        }
    }
}

/// By how often it goes from one to the other, and its length.
fn size(history: &History) -> (usize, usize) {
    let who = |event: &Event| match event {
        Event::Begun(who) | Event::Ended(who, _) => *who,
        Event::Call(call) => call.who,
        Event::Moved => Who::Clock,
    };
    let special = usize::from(history.case.fault.is_some())
        + usize::from(history.case.clock != Move::None)
        + usize::from(history.case.persistent)
        + history.case.endings.iter().filter(|ending| **ending != Ending::OK).count();
    let turns = history.events.windows(2).filter(|two| who(&two[0]) != who(&two[1])).count();
    (2 * special + turns, history.events.len())
}

/// A case in words.
fn told(case: &Case) -> String {
    let [one, two] = case.ops;
    let mut text = format!("{one:?} + {two:?}");
    if case.endings != [Ending::OK; 2] {
        text += &format!(", ending with {:?}", case.endings);
    }
    if case.persistent {
        text += ", persistent";
    }
    if case.flaw != Flaw::None {
        text += &format!(", in a store that {:?}", case.flaw);
    }
    if case.clock != Move::None {
        text += &format!(", the clock moves {:?}", case.clock);
    }
    if let Some(fault) = case.fault {
        text += &format!(", {:?}'s call {} fails {:?}", fault.who, fault.call, fault.when);
    }
    text
}
