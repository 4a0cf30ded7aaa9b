//! A store that fails: every answer says so, none is an empty session, and nothing is lost when it is back.

use std::time::Duration;

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Connection};

use super::start;
use crate::crowd::{assert_only, login, new_session, stat, ticket, until, values};

/// Long enough for a store that works, on a machine with much else to do; hanging calls are few for it. And each is to
/// reach the store.
const BUDGET: &str = "--io-timeout 2000 --fail-fast never";

fn fail(connection: &mut Connection, call: &str, fault: &str) {
    let answer = connection.post("/fault", "", &json!({"call": call, "fault": fault}));
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn heal(connection: &mut Connection) {
    connection.post("/fault", "", &json!({}));
}

/// 503 and nothing that could harm: no cookie, nothing for a cache, nothing of the session.
fn assert_refused(answer: &Answer, context: &str) {
    assert_eq!(answer.error(), (503, "store".into()), "{context}");
    assert_eq!(answer.set_cookie(), None, "{context}");
    assert!(!answer.text.contains("secret value"), "{context}: {}", answer.text);
}

/// What can be asked with a ticket, and leaves the session as it is when this call of the store fails.
fn requests(call: &str, fault: &str) -> Vec<(&'static str, Value)> {
    let removing = [("/logout", json!({}))];
    let replacing = [
        ("/set", json!({"key": "b", "value": "secret value"})),
        ("/add", json!({"key": "n", "by": 1})),
        ("/clear", json!({})),
        ("/renew", json!({})),
        ("/flash", json!({"message": "secret value"})),
        ("/login", json!({"user": "eve"})),
    ];
    let mut requests = match call {
        "remove" => removing.to_vec(),
        "replace" => replacing.to_vec(),
        // What is damaged can be left behind.
        "load" if fault == "garbage" => replacing[..5].to_vec(),
        _ => [&removing[..], &replacing[..]].concat(),
    };
    requests.truncate(if fault == "hang" { 2 } else { requests.len() });
    requests
}

#[test]
fn s73_a_session_that_cannot_be_read_is_an_error_and_stays_as_it_is() {
    let service = start(BUDGET);
    let connection = &mut Connection::to(&service);
    let ticket = new_session(&service);
    for fault in ["fail", "hang", "garbage"] {
        fail(connection, "load", fault);
        assert_refused(&connection.get("/all", &ticket), fault);
        for (path, body) in requests("load", fault) {
            assert_refused(&connection.post(path, &ticket, &body), &format!("{path} {fault}"));
        }
        heal(connection);
        assert_eq!(values(connection, &ticket), json!({"a": 1}), "{fault}");
    }
}

#[test]
fn s79_a_record_that_cannot_be_read_locks_nobody_out() {
    let service = start(BUDGET);
    let connection = &mut Connection::to(&service);
    let (one, two) = (new_session(&service), new_session(&service));
    fail(connection, "load", "garbage");
    let eve = ticket(&connection.post("/login", &one, &json!({"user": "eve"})));
    assert_ne!(eve[..21], one[..21], "a place of its own");
    let answer = connection.post("/logout", &two, &json!({}));
    assert_eq!((answer.status, answer.set_cookie().is_some()), (200, true), "{}", answer.text);
    heal(connection);
    assert_eq!(values(connection, &eve), json!({"user": "eve"}));
    assert_eq!(values(connection, &one), json!({"a": 1}), "a login leaves it as it is");
    assert_eq!(values(connection, &two), json!({}), "a logout ends it");
}

#[test]
fn s74_a_session_that_cannot_be_kept_is_an_error_and_stays_as_it_was() {
    let service = start(BUDGET);
    let connection = &mut Connection::to(&service);
    for fault in ["fail", "hang"] {
        for call in ["replace", "remove"] {
            let ticket = new_session(&service);
            fail(connection, call, fault);
            for (path, body) in requests(call, fault) {
                assert_refused(&connection.post(path, &ticket, &body), &format!("{path} {fault}"));
            }
            heal(connection);
            assert_eq!(values(connection, &ticket), json!({"a": 1}), "{call} {fault}");
        }
        fail(connection, "create", fault);
        for path in ["/set", "/login"] {
            let body = json!({"key": "b", "value": "secret value", "user": fault});
            assert_refused(&connection.post(path, "", &body), &format!("{path} {fault}"));
        }
        heal(connection);
        let again = login(connection, fault);
        assert_only(connection, &again, "nothing half-made is left");
    }
}

#[test]
fn s74_an_answer_that_got_lost_leaves_the_old_state_or_the_new_one() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let ticket = new_session(&service);
    fail(connection, "replace", "lost");
    let answer = connection.post("/set", &ticket, &json!({"key": "a", "value": 2}));
    assert_eq!(answer.status, 200, "what was kept is looked up");
    heal(connection);
    assert_eq!(values(connection, &ticket), json!({"a": 2}));
    fail(connection, "remove", "lost");
    assert_refused(&connection.post("/logout", &ticket, &json!({})), "logout");
    heal(connection);
    assert_eq!(values(connection, &ticket), json!({}));
}

#[test]
fn s75_a_store_that_hangs_holds_up_nobody_who_does_not_ask_for_it() {
    // From the start, and for longer than any test waits.
    let service = start("--io-timeout never --io-fault load=hang");
    let connection = &mut Connection::to(&service);
    let ticket = new_session(&service);
    let mut hanging = Connection::to(&service);
    let cookie = format!("cookie: session={ticket}\r\n");
    hanging.send("GET", "/all", &cookie, "").expect("sent");
    until("it hangs", || stat(connection, "store_calls/load") > 0);
    // With the ticket and without one, on routes that do not need the session, and for a new one.
    assert_eq!(connection.get("/none", &ticket).status, 200);
    assert_eq!(connection.get("/all", "").json(), json!({"values": {}}));
    new_session(&service);
    assert!(hanging.is_silent_for(Duration::from_millis(1)));
}
