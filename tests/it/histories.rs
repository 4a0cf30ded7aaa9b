//! What concurrent requests saw of one session, checked for linearizability: there is an order of all operations,
//! each between its beginning and its end, in which one request after the other would have seen the same (S63).
//!
//! The check searches for that order (Wing and Gong's algorithm), remembering the states it has been in.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};

use cloakroom::store::{MemoryStore, Store};
use cloakroom::{Session, StoredFactory};

use crate::site::Site;

const CLIENTS: usize = 4;
const OPERATIONS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    Get,
    Put(u32),
    Add,
    Push(u32),
    Pop,
    Renew,
    Logout,
}

/// What a client saw. Of a session that is not there any more it sees nothing, whatever it asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Saw {
    Nothing,
    Done,
    Values(u32, Option<u32>),
    Messages(Vec<u32>),
}

#[derive(Debug, Clone)]
struct Operation {
    act: Act,
    saw: Saw,
    began: u64,
    ended: u64,
}

/// The session as one request after the other would have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Model {
    is_there: bool,
    n: u32,
    k: Option<u32>,
    queue: Vec<u32>,
}

impl Model {
    fn new() -> Self {
        Self { is_there: true, n: 0, k: None, queue: Vec::new() }
    }

    fn after(&self, act: Act) -> (Self, Saw) {
        let mut next = self.clone();
        if act == Act::Logout {
            // Done also by whoever comes second.
            next.is_there = false;
            return (next, Saw::Done);
        }
        if !self.is_there {
            return (next, Saw::Nothing);
        }
        let saw = match act {
            Act::Get => Saw::Values(self.n, self.k),
            Act::Put(value) => {
                next.k = Some(value);
                Saw::Done
            }
            Act::Add => {
                next.n += 1;
                Saw::Done
            }
            Act::Push(message) => {
                next.queue.push(message);
                Saw::Done
            }
            Act::Pop => Saw::Messages(std::mem::take(&mut next.queue)),
            // To whoever has the old ticket, this is the end too.
            Act::Renew | Act::Logout => {
                next.is_there = false;
                Saw::Done
            }
        };
        (next, saw)
    }
}

fn is_linearizable(history: &[Operation]) -> bool {
    fn search(
        history: &[Operation],
        done: u64,
        model: &Model,
        been: &mut HashSet<(u64, Model)>,
    ) -> bool {
        if done == (1 << history.len()) - 1 {
            return true;
        }
        if !been.insert((done, model.clone())) {
            return false;
        }
        let open = |at: &usize| done & (1 << at) == 0;
        // Whatever comes next began before any other open operation ended.
        let first_end = (0..history.len()).filter(open).map(|at| history[at].ended).min();
        (0..history.len()).filter(open).any(|at| {
            let operation = &history[at];
            let (next, saw) = model.after(operation.act);
            Some(operation.began) <= first_end
                && saw == operation.saw
                && search(history, done | 1 << at, &next, been)
        })
    }
    search(history, 0, &Model::new(), &mut HashSet::new())
}

/// One request that does this.
async fn perform(site: &Site, cookie: &str, act: Act) -> Saw {
    let visit = site.visit(cookie, async |session: Session| {
        if session.is_new() {
            return (Saw::Nothing, session);
        }
        let saw = match act {
            Act::Get => Saw::Values(session.get("n").unwrap().unwrap(), session.get("k").unwrap()),
            Act::Put(value) => {
                session.insert("k", value).unwrap();
                Saw::Done
            }
            Act::Add => {
                session.modify("n", |n: &mut u32| *n += 1).unwrap();
                Saw::Done
            }
            Act::Push(message) => {
                session.flash(message).unwrap();
                Saw::Done
            }
            Act::Pop => Saw::Messages(session.pop_flash("").await.unwrap()),
            Act::Renew => {
                session.renew().unwrap();
                Saw::Done
            }
            Act::Logout => {
                session.invalidate().unwrap();
                Saw::Done
            }
        };
        (saw, session)
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), 200);
    let (saw, session) = visit.result;
    match act {
        Act::Logout => Saw::Done,
        // Claimed before the session ended: shown, once.
        Act::Pop if saw != Saw::Messages(Vec::new()) => saw,
        _ if session.is_gone() && act != Act::Get => Saw::Nothing,
        _ => saw,
    }
}

/// Pseudo-random, and the same in each run.
fn mix(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn act(seed: u64, number: u32) -> Act {
    match mix(seed) % 20 {
        0..5 => Act::Get,
        5..9 => Act::Add,
        9..12 => Act::Put(number),
        12..15 => Act::Push(number),
        15..18 => Act::Pop,
        18 if seed.is_multiple_of(3) => Act::Renew,
        19 if seed.is_multiple_of(3) => Act::Logout,
        _ => Act::Add,
    }
}

/// Clients at work on one session, at the same time.
fn record<S: Store>(sessions: &StoredFactory<S>, seed: u64) -> Vec<Operation> {
    let (time, history) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let (begin, runtime) = (Barrier::new(CLIENTS), || {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    });
    let site = Site::new(sessions.clone());
    let new = async |session: Session| session.insert("n", 0).map(drop);
    let visit = runtime().block_on(site.visit(None, new));
    let cookie = visit.cookie().unwrap();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (time, history, begin) = (&time, &history, &begin);
            scope.spawn(move || {
                let (runtime, site) = (runtime(), Site::new(sessions.clone()));
                begin.wait();
                for step in 0..OPERATIONS {
                    let number = (client * OPERATIONS + step) as u32;
                    let act = act(mix(seed) ^ u64::from(number), number);
                    let began = time.fetch_add(1, Ordering::SeqCst);
                    let saw = runtime.block_on(perform(&site, cookie, act));
                    let ended = time.fetch_add(1, Ordering::SeqCst);
                    history.lock().unwrap().push(Operation { act, saw, began, ended });
                }
            });
        }
    });
    history.into_inner().unwrap()
}

fn check<S: Store>(sessions: &StoredFactory<S>, histories: u64) {
    let (mut ends, mut overlaps) = (0, 0);
    for seed in 0..histories {
        let history = record(sessions, seed);
        ends += u64::from(history.iter().any(|it| it.saw == Saw::Nothing));
        overlaps += history.iter().filter(|one| one.ended - one.began > 1).count();
        assert!(is_linearizable(&history), "seed {seed}: {history:#?}");
    }
    assert!(ends > histories / 20, "only {ends} histories see an end");
    assert!(overlaps as u64 > histories / 20, "only {overlaps} operations overlapped");
}

#[test]
fn s63_what_requests_see_in_memory_is_linearizable() {
    check(&StoredFactory::new("shop", MemoryStore::new()), 1000);
}

#[cfg(feature = "sqlite")]
#[test]
fn s63_what_requests_see_in_sqlite_is_linearizable() {
    use cloakroom::store::{Durability, SqliteStore};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessions.db");
    let store = SqliteStore::options(file).durability(Durability::Fast).open().unwrap();
    // However busy the machine is, no call is given up.
    check(&StoredFactory::builder("shop", store).io_timeout(None).build().unwrap(), 400);
}

#[test]
fn s63_the_check_itself_finds_what_is_wrong() {
    let operation = |act, saw, began, ended| Operation { act, saw, began, ended };
    let lost_update = [
        operation(Act::Add, Saw::Done, 0, 1),
        operation(Act::Add, Saw::Done, 2, 3),
        operation(Act::Get, Saw::Values(1, None), 4, 5),
    ];
    let revived =
        [operation(Act::Logout, Saw::Done, 0, 1), operation(Act::Get, Saw::Values(0, None), 2, 3)];
    let shown_twice = [
        operation(Act::Push(7), Saw::Done, 0, 1),
        operation(Act::Pop, Saw::Messages(vec![7]), 2, 5),
        operation(Act::Pop, Saw::Messages(vec![7]), 3, 4),
    ];
    for wrong in [&lost_update[..], &revived, &shown_twice] {
        assert!(!is_linearizable(wrong), "{wrong:?}");
    }
    let overlapping = [
        operation(Act::Add, Saw::Done, 0, 3),
        operation(Act::Get, Saw::Values(0, None), 1, 2),
        operation(Act::Get, Saw::Values(1, None), 4, 5),
    ];
    assert!(is_linearizable(&overlapping));
}
