//! A logout and a renewal take effect however their request ends; ordinary changes do not outlive a client that left.

use serde_json::{Value, json};

use cloakroom_testbed::{Connection, Service};

use super::start;
use crate::crowd::{assert_only, login, stat, ticket, until, values};

/// What ends a ticket.
const ENDS: [&str; 2] = ["/logout", "/renew"];

#[test]
fn s27_a_logout_and_a_renewal_outlast_an_error_and_a_panic() {
    for options in ["", "--keep-on-error false"] {
        let service = start(options);
        let connection = &mut Connection::to(&service);
        for (end, how) in ENDS.into_iter().flat_map(|end| {
            let hows = [json!({"status": 500}), json!({"status": 404}), json!({"panic": true})];
            hows.map(|how| (end, how))
        }) {
            let old = login(connection, "ada");
            let mut body = how.clone();
            body["then"] = json!({"route": end});
            let answer = connection.post("/fail", &old, &body);
            assert_ne!(answer.status, 200, "{how}");
            assert_eq!(values(connection, &old), json!({}), "{end} {how} {options}");
            if end == "/renew" {
                let new = ticket(&answer);
                assert_eq!(values(connection, &new), json!({"user": "ada"}), "{how} {options}");
                assert_only(connection, &new, options);
                connection.post("/logout", &new, &json!({}));
            } else {
                assert!(answer.set_cookie().is_some_and(|cookie| cookie.has("Max-Age=0")));
            }
        }
        let again = login(connection, "ada");
        assert_only(connection, &again, options);
    }
}

/// A client that leaves while its request sleeps, after it has done `first`.
fn leave_after(service: &Service, ticket: &str, first: &[Value]) {
    let (mut leaving, mut other) = (Connection::to(service), Connection::to(service));
    let done = stat(&mut other, "steps") + first.len() as u64;
    let body = json!({"sleep_ms": 600_000, "first": first}).to_string();
    leaving.send("POST", "/slow", &format!("cookie: session={ticket}\r\n"), &body).expect("sent");
    until("the first steps are done", || stat(&mut other, "steps") >= done);
}

#[test]
fn s27_a_logout_outlasts_a_client_that_left() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let old = login(connection, "ada");
    leave_after(&service, &old, &[json!({"route": "/logout"})]);
    // The client is gone at once; that it is gone is noticed a little later.
    until("the logout", || values(connection, &old) == json!({}));
    let again = login(connection, "ada");
    assert_only(connection, &again, "logout");
}

#[test]
fn s19_a_client_that_left_keeps_its_ticket() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let ticket = login(connection, "ada");
    connection.post("/flash", &ticket, &json!({"message": "m"}));
    leave_after(&service, &ticket, &[json!({"route": "/pop-flash"}), json!({"route": "/renew"})]);
    // That the message is back shows that its request is over.
    let back = json!({"messages": ["m"]});
    until("the message is back", || connection.get("/peek-flash", &ticket).json() == back);
    assert_eq!(values(connection, &ticket), json!({"user": "ada", "_f_": ["m"]}));
}

#[test]
fn s69_what_a_client_that_left_had_changed_is_not_kept_and_messages_come_back() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let ticket = login(connection, "ada");
    connection.post("/flash", &ticket, &json!({"message": "m"}));
    let set = json!({"route": "/set", "body": {"key": "late", "value": 1}});
    leave_after(&service, &ticket, &[set, json!({"route": "/pop-flash"})]);
    // That the message is back shows that its request is over.
    let back = json!({"messages": ["m"]});
    until("the message is back", || connection.get("/peek-flash", &ticket).json() == back);
    assert_eq!(values(connection, &ticket), json!({"user": "ada", "_f_": ["m"]}));
}
