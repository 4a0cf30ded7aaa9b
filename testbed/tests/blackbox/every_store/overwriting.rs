//! A value that was read and then set, by many clients at once: what replaying cannot decide is refused or counted.

use std::collections::HashSet;

use serde_json::json;

use cloakroom_testbed::{Connection, Dice, Service};

use super::start;
use crate::crowd::{crowd, new_session, stat, values};

const CLIENTS: usize = 64;
const TIMES: usize = 25;

/// An addition by reading and setting: what was read, and what was set in its place if that was accepted.
struct Addition {
    base: u64,
    set: u64,
    is_accepted: bool,
}

/// Has all clients add numbers by reading and setting. No two sums are equal, so that each value names its write.
fn add(service: &Service, ticket: &str) -> Vec<Addition> {
    let additions = crowd(CLIENTS, |client, _| {
        let (mut connection, mut dice) = (Connection::to(service), Dice::new(client as u64));
        let mut add = || {
            let by = 1 + dice.below(1 << 50);
            let answer = connection.post("/get-then-set", ticket, &json!({"key": "n", "by": by}));
            match answer.status {
                409 => {
                    assert_eq!(answer.error().1, "overwrites");
                    Addition { base: 0, set: by, is_accepted: false }
                }
                _ => {
                    let set = answer.json()["value"].as_u64().expect("a sum");
                    Addition { base: set - by, set, is_accepted: true }
                }
            }
        };
        (0..TIMES).map(|_| add()).collect::<Vec<_>>()
    });
    additions.into_iter().flatten().collect()
}

#[test]
fn s62_a_refused_overwrite_loses_nothing() {
    let service = start("--overwrite refuse");
    let ticket = new_session(&service);
    let additions = add(&service, &ticket);
    let connection = &mut Connection::to(&service);
    let accepted = additions.iter().filter(|addition| addition.is_accepted);
    let sum: u64 = accepted.clone().map(|addition| addition.set - addition.base).sum();
    assert_eq!(values(connection, &ticket)["n"], json!(sum));
    let refused = (additions.len() - accepted.count()) as u64;
    assert!(refused > 0, "there was no race");
    assert_eq!(stat(connection, "overwrites_refused"), refused);
    assert_eq!(stat(connection, "overwritten"), 0);
}

#[test]
fn s62_the_last_one_wins_and_every_loss_is_counted() {
    let service = start("--overwrite last-wins --io-timeout never");
    let ticket = new_session(&service);
    let additions = add(&service, &ticket);
    let connection = &mut Connection::to(&service);
    assert!(additions.iter().all(|addition| addition.is_accepted));
    let last = values(connection, &ticket)["n"].as_u64().expect("a sum");
    assert!(additions.iter().any(|addition| addition.set == last), "the value is somebody's");
    // A value that was set, is not the last, and was nobody's base was written over by one that had not seen it.
    let bases: HashSet<u64> = additions.iter().map(|addition| addition.base).collect();
    let is_lost = |addition: &&Addition| addition.set != last && !bases.contains(&addition.set);
    let lost = additions.iter().filter(is_lost).count() as u64;
    let overwritten = stat(connection, "overwritten");
    assert!(lost > 0, "there was no race");
    assert!(lost <= overwritten, "{lost} lost, {overwritten} counted");
    // And nothing is counted that was none: the first write had nothing to write over.
    assert!(overwritten < additions.len() as u64, "{overwritten} counted");
}
