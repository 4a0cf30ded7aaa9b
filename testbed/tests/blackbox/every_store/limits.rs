//! When a session ends by itself, to the second: the service's clock is moved by hand.

use serde_json::{Value, json};

use cloakroom_testbed::{Connection, Service};

use super::start;
use crate::NOW;
use crate::crowd::{new_session, stat, values};

/// A service whose clock stands still, and a connection to it.
fn service(options: &str) -> (Service, Connection) {
    let service = start(&format!("--now {NOW} {options}"));
    let connection = Connection::to(&service);
    (service, connection)
}

fn advance(connection: &mut Connection, seconds: u64) {
    let answer = connection.post("/clock", "", &json!({"advance": seconds}));
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// What `/info` says of a ticket under this name.
fn fact(connection: &mut Connection, ticket: &str, name: &str) -> Value {
    connection.get("/info", ticket).json()[name].clone()
}

#[test]
fn s22_a_session_that_is_not_used_ends_at_the_idle_limit() {
    for (options, idle) in [("", 1200), ("--idle 60", 60), ("--idle 2", 2)] {
        let (service, mut connection) = service(options);
        for (seconds, left) in
            [(idle - 1, json!({"a": 1})), (idle, json!({})), (idle + 1, json!({}))]
        {
            let ticket = new_session(&service);
            advance(&mut connection, seconds);
            assert_eq!(values(&mut connection, &ticket), left, "{options} after {seconds} s");
        }
    }
}

#[test]
fn s22_s24_a_session_that_is_used_ends_at_the_absolute_limit() {
    for write in [false, true] {
        let (service, mut connection) = service("--idle 100 --absolute 250");
        let ticket = new_session(&service);
        // Used at 90, 180 and 249 seconds, the last time one second before the end.
        for (seconds, left) in [(90, 100), (90, 70), (69, 1)] {
            advance(&mut connection, seconds);
            if write {
                connection.post("/add", &ticket, &json!({"key": "n", "by": 1}));
            }
            assert_eq!(fact(&mut connection, &ticket, "len"), json!(1 + u64::from(write)));
            assert_eq!(fact(&mut connection, &ticket, "expires_in"), json!(left));
            assert_eq!(fact(&mut connection, &ticket, "created"), json!(NOW));
        }
        advance(&mut connection, 1);
        assert_eq!(values(&mut connection, &ticket), json!({}));
    }
}

#[test]
fn s24_neither_a_renewal_nor_a_login_moves_the_beginning_or_the_end() {
    let (service, mut connection) = service("--idle 100 --absolute 150");
    let mut ticket = new_session(&service);
    for (path, seconds) in [("/renew", 60), ("/login", 60)] {
        advance(&mut connection, seconds);
        let answer = connection.post(path, &ticket, &json!({"user": "ada"}));
        ticket = crate::crowd::ticket(&answer);
        assert_eq!(fact(&mut connection, &ticket, "created"), json!(NOW), "{path}");
    }
    advance(&mut connection, 29);
    assert_eq!(fact(&mut connection, &ticket, "len"), json!(2));
    advance(&mut connection, 1);
    assert_eq!(fact(&mut connection, &ticket, "len"), json!(0));
}

#[test]
fn s22_an_expired_session_says_so_and_its_cookie_is_left_alone() {
    let (service, mut connection) = service("--idle 60");
    let ticket = new_session(&service);
    advance(&mut connection, 60);
    let answer = connection.get("/info", &ticket);
    let info = answer.json();
    assert_eq!((&info["new"], &info["expired"]), (&json!(true), &json!(true)));
    assert_eq!(answer.set_cookie(), None);
}

#[test]
fn s22_a_write_to_an_expired_session_begins_another() {
    let (service, mut connection) = service("--idle 60");
    let old = new_session(&service);
    advance(&mut connection, 60);
    let new =
        crate::crowd::ticket(&connection.post("/set", &old, &json!({"key": "b", "value": 2})));
    assert_ne!(new, old);
    assert_eq!(values(&mut connection, &new), json!({"b": 2}));
    assert_eq!(fact(&mut connection, &new, "created"), json!(NOW + 60));
    assert_eq!(values(&mut connection, &old), json!({}));
}

#[test]
fn s22_without_limits_it_lives_on() {
    let (service, mut connection) = service("--idle never --absolute never");
    let ticket = new_session(&service);
    assert_eq!(fact(&mut connection, &ticket, "expires_in"), json!(null));
    advance(&mut connection, 1_000_000_000);
    assert_eq!(values(&mut connection, &ticket), json!({"a": 1}));
}

#[test]
fn s15_a_look_moves_the_end_after_a_tenth_of_the_idle_limit_and_sends_no_cookie() {
    for (options, quiet) in [("--idle 100", 10), ("--idle 100 --renew-after 30", 30)] {
        let (service, mut connection) = service(options);
        let ticket = new_session(&service);
        advance(&mut connection, quiet);
        assert_eq!(connection.get("/all", &ticket).set_cookie(), None);
        assert_eq!(stat(&mut connection, "store_calls/touch"), 0, "{options}");
        advance(&mut connection, 1);
        assert_eq!(connection.get("/all", &ticket).set_cookie(), None);
        assert_eq!(connection.get("/all", &ticket).set_cookie(), None);
        assert_eq!(stat(&mut connection, "store_calls/touch"), 1, "{options}");
        assert_eq!(stat(&mut connection, "store_calls/replace"), 0, "{options}");
        // It is the touch that keeps it alive.
        advance(&mut connection, 99);
        assert_eq!(values(&mut connection, &ticket), json!({"a": 1}), "{options}");
    }
}

#[test]
fn s25_far_times_end_nothing_early_and_nothing_late() {
    for now in ["0", "253402300798"] {
        let service = start(&format!("--now {now} --idle 100 --absolute 200"));
        let ticket = new_session(&service);
        assert_eq!(values(&mut Connection::to(&service), &ticket), json!({"a": 1}), "{now}");
    }
    let longest = u64::MAX;
    let (service, mut connection) = service(&format!("--idle {longest} --absolute {longest}"));
    let ticket = new_session(&service);
    assert_eq!(values(&mut connection, &ticket), json!({"a": 1}));
    assert_eq!(fact(&mut connection, &ticket, "created"), json!(NOW));
}
