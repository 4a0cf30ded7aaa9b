//! The fault run: fifty visitors of two processes on one store, and a random sequence of whatever that engine and the
//! network before it can have. Nobody gets a wrong identity, no acknowledged write is lost beyond what the engine's mode
//! documents, nobody who logged out comes back, and after each fault everybody is served again without any restart.
//!
//! With the other tests each fault happens once to each engine, and patience is long: a busy machine fails nothing. A
//! long run keeps the time as well: two seconds after a fault has ended, the rate of errors is zero. It is chosen by the
//! environment, one engine at a time, on a machine that has little else to do, and prints a table in the end:
//!
//! ```text
//! STORM_MINUTES=5 cargo test -p cloakroom-testbed --test faults storm::postgres -- --nocapture
//! ```
//!
//! `STORM_SEED=4711` has the same faults in the same order again; each run says its seed. `STORM_FAULT=idle` has only those
//! with this in their names. In a long run some faults come
//! on the heels of another, before anybody has recovered.

use std::panic::Location;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use cloakroom_testbed::{Dice, Service};

use crate::user::Habits;
use crate::users::{Users, while_a_crowd_works};

mod mariadb;
mod memcached;
mod network;
mod postgres;
mod redis;
mod report;
mod scene;
mod sqlite;

use report::Report;
use scene::{Fault, Harm, Scene};

/// Enough for both processes to have calls on their way whenever something happens.
const HABITS: Habits = Habits { users: 50, pause: Duration::from_millis(150), leave_in: Some(25) };
/// How long after a fault there may be errors.
const PROMISE: Duration = Duration::from_secs(2);
/// How long a fault lasts in a long run, at most; otherwise a third of it.
const LONGEST: u64 = 900;
const SHORTEST: u64 = 60;

/// How long it is to be, and which faults come when.
struct Plan {
    /// Without an end, each fault happens once.
    end: Option<Instant>,
    seed: u64,
}

impl Plan {
    fn from_environment() -> Self {
        let number = |name| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<f64>().unwrap_or_else(|_| panic!("{name}={text}: no number")))
        };
        let minutes = number("STORM_MINUTES");
        let end = minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
        let anything = || match end {
            Some(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() % 1_000_000,
            None => 1,
        };
        let seed = number("STORM_SEED").map_or_else(anything, |seed| seed as u64);
        Self { end, seed }
    }
}

/// Has all of these happen to two services, until the plan's end.
#[track_caller]
fn rage<E>(engine: E, url: &str, mut faults: Vec<Fault<E>>) {
    let plan = Plan::from_environment();
    if let Ok(part) = std::env::var("STORM_FAULT") {
        faults.retain(|fault| fault.name.contains(&part));
    }
    assert!(!faults.is_empty(), "STORM_FAULT is in no name");
    let mut report = Report::new(Location::caller().file(), plan.seed, plan.end.is_some());
    let mut scene = Scene::new(engine, url, plan.seed);
    let services: Vec<Service> = scene.serve();
    let services: Vec<&Service> = services.iter().collect();
    while_a_crowd_works(HABITS, &services, |users| {
        let mut is_first = true;
        while is_first || plan.end.is_some_and(|end| Instant::now() < end) {
            is_first = false;
            for fault in shuffled(&faults, &mut scene.dice) {
                let follows = plan.end.is_some() && scene.dice.below(4) == 0;
                let first = follows.then(|| harmless(&faults, &mut scene.dice)).flatten();
                let blow: Vec<&Fault<E>> = first.into_iter().chain([fault]).collect();
                strike(users, &mut scene, &blow, &plan, &mut report);
            }
        }
    });
    report.holds();
}

/// One or two faults, the second on the heels of the first.
fn strike<E>(
    users: &Users<'_>,
    scene: &mut Scene<E>,
    blow: &[&Fault<E>],
    plan: &Plan,
    report: &mut Report,
) {
    let longest = if plan.end.is_some() { LONGEST } else { LONGEST / 3 };
    let mut permits = Vec::new();
    let before = users.refused();
    for fault in blow {
        report.begins(fault.name);
        scene.span = Duration::from_millis(SHORTEST + scene.dice.below(longest));
        match fault.harm {
            Harm::Refuses | Harm::Rests | Harm::Nothing => {}
            Harm::Forgets => permits.push(users.forgetting()),
            Harm::Undoes(replicate) => {
                permits.push(users.undoing());
                replicate(scene);
            }
        }
        match fault.harm {
            Harm::Rests | Harm::Nothing => users.while_all_rest(|| (fault.happen)(scene)),
            _ => (fault.happen)(scene),
        }
    }
    let ended = Instant::now();
    users.are_all_served_once();
    let served = ended.elapsed();
    // Nobody waits for an answer from before any more.
    users.are_all_served();
    drop(permits);
    if plan.end.is_some() {
        // Whether somebody is refused later.
        let more = PROMISE + Duration::from_millis(100 + scene.dice.below(400));
        thread::sleep(more.saturating_sub(ended.elapsed()));
    }
    let refused = users.refused() - before;
    let is_unnoticed = blow.iter().all(|fault| matches!(fault.harm, Harm::Nothing));
    report.ended(refused, served, users.refused_after(ended), is_unnoticed);
}

fn shuffled<'a, E>(faults: &'a [Fault<E>], dice: &mut Dice) -> Vec<&'a Fault<E>> {
    let mut faults: Vec<_> = faults.iter().collect();
    for end in (1..faults.len()).rev() {
        faults.swap(end, dice.below(end as u64 + 1) as usize);
    }
    faults
}

/// One that leaves sessions alone, so that it can come before any other.
fn harmless<'a, E>(faults: &'a [Fault<E>], dice: &mut Dice) -> Option<&'a Fault<E>> {
    let faults = shuffled(faults, dice);
    faults.into_iter().find(|fault| matches!(fault.harm, Harm::Refuses))
}
