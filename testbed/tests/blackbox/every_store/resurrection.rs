//! What has ended stays ended: a request that is under way with a session when another one logs out, renews or
//! revokes it brings nothing back.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Connection, Dice};

use super::start;
use crate::crowd::{assert_only, crowd, has_index, login, stat, ticket, values};

const WORKERS: usize = 16;
const ROUNDS: usize = 105;
/// Each worker has so many rounds for each of the three ends: 5040 in all. The last needs an index.
const ENDS: [&str; 3] = ["/logout", "/renew", "/revoke-all"];
/// Time is varied up to this, in microseconds: about what a request takes here.
const SPREAD: u64 = 4000;

/// One request that writes late, and one that ends the session meanwhile.
struct Race<'a> {
    late: &'a mut Connection,
    other: &'a mut Connection,
    dice: &'a mut Dice,
}

/// What came of it.
struct Outcome {
    late: Answer,
    end: Answer,
    /// What the renewed session held when the renewal had been acknowledged.
    renewed: Value,
}

impl Race<'_> {
    fn run(&mut self, ticket: &str, end: &str, owner: &str) -> Outcome {
        let then =
            json!([{"route": "/set", "body": {"key": "late", "value": 1}}, {"route": "/info"}]);
        let body = json!({"sleep_ms": self.dice.below(4), "then": then}).to_string();
        let cookie = format!("cookie: session={ticket}\r\n");
        self.late.send("POST", "/slow", &cookie, &body).expect("sent");
        // Not to wait for something, but to meet the late request at another point each time.
        thread::sleep(Duration::from_micros(self.dice.below(SPREAD)));
        let end = match end {
            "/revoke-all" => self.other.post(end, "", &json!({"user": owner})),
            _ => self.other.post(end, ticket, &json!({})),
        };
        let renewed = new_ticket(&end).map(|new| values(self.other, &new));
        let late = self.late.receive("POST").expect("an answer");
        Outcome { late, end, renewed: renewed.unwrap_or_default() }
    }
}

/// The ticket that an answer brings, if it does.
fn new_ticket(answer: &Answer) -> Option<String> {
    let cookie = answer.set_cookie().filter(|cookie| !cookie.has("Max-Age=0"));
    cookie.map(|cookie| cookie.value)
}

/// One schedule. Says whether the late request was under way when the session ended.
fn round(race: &mut Race<'_>, end: &str, owner: &str) -> bool {
    let old = login(race.other, owner);
    let Outcome { late, end: ended, renewed } = race.run(&old, end, owner);
    let context = format!("{end} of {owner}: {} {}", late.status, late.text);
    assert_eq!(values(race.other, &old), json!({}), "the old ticket: {context}");

    let was_under_way = late.json()["new"] == json!(false);
    match late.set_cookie() {
        Some(cookie) => {
            // It came after the end: somebody new, with nothing of the old session.
            assert!(!was_under_way && end != "/renew", "{context}");
            assert_ne!(cookie.value[..20], old[..20], "{context}");
            assert_eq!(values(race.other, &cookie.value), json!({"late": 1}), "{context}");
        }
        // It was under way, or came just after a renewal.
        None => assert!(was_under_way || end == "/renew", "{context}"),
    }
    assert_eq!(ended.status, 200, "{}", ended.text);
    if end == "/renew" {
        // What the late request wrote was there when the renewal was done, or it is lost.
        assert_eq!(values(race.other, &ticket(&ended)), renewed, "{context}");
        assert_eq!(renewed["user"], json!(owner), "{context}");
        assert_only(race.other, &ticket(&ended), &context);
    } else {
        let removal = ended.set_cookie().map(|cookie| cookie.has("Max-Age=0"));
        assert_eq!(removal, (end == "/logout").then_some(true), "{context}");
        // Nothing else of this owner is there.
        let again = login(race.other, owner);
        assert_only(race.other, &again, &context);
    }
    was_under_way
}

#[test]
fn s64_nothing_that_ended_comes_back() {
    let service = start("");
    let ends = if has_index(&service) { &ENDS[..] } else { &ENDS[..2] };
    let under_way = crowd(WORKERS, |worker, _| {
        let mut dice = Dice::new(worker as u64);
        let (late, other) = (&mut Connection::to(&service), &mut Connection::to(&service));
        let mut race = Race { late, other, dice: &mut dice };
        let mut under_way = 0;
        for number in 0..ROUNDS {
            for end in ends {
                let owner = format!("owner-{worker}-{number}-{end}");
                under_way += usize::from(round(&mut race, end, &owner));
            }
        }
        under_way
    });
    let under_way: usize = under_way.into_iter().sum();
    assert!(under_way > ends.len() * WORKERS * ROUNDS / 3, "only {under_way} raced");
    assert!(stat(&mut Connection::to(&service), "gone") > 0, "no write was late");
}
