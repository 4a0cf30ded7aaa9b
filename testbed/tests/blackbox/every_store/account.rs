//! Logins and the sessions of one owner.

use serde_json::{Value, json};

use cloakroom_testbed::Connection;

use super::start;
use crate::NOW;
use crate::crowd::{login, new_session, sessions, ticket, values};

#[test]
fn s19_s66_a_login_kills_the_old_ticket_at_once_and_keeps_the_data() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let old = new_session(&service);
    let new = ticket(&connection.post("/login", &old, &json!({"user": "ada"})));
    assert_eq!(values(connection, &new), json!({"a": 1, "user": "ada"}));
    assert_eq!(values(connection, &old), json!({}));
    let late = connection.post("/set", &old, &json!({"key": "late", "value": 1}));
    assert_eq!((late.status, late.set_cookie()), (200, None), "it keeps nothing and sends nothing");
    assert_eq!(values(connection, &new), json!({"a": 1, "user": "ada"}), "a write to the old one");
    // And so does every further login, of the same user too.
    let newer = ticket(&connection.post("/login", &new, &json!({"user": "ada"})));
    assert_eq!(values(connection, &new), json!({}));
    assert_eq!(sessions(connection, &newer), 1);
}

#[test]
fn s19_s66_a_renewal_kills_the_old_ticket_at_once_and_keeps_the_data() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let old = login(connection, "ada");
    let then = json!([{"route": "/set", "body": {"key": "b", "value": 2}}, {"route": "/renew"}]);
    let new = ticket(&connection.post("/slow", &old, &json!({"sleep_ms": 0, "then": then})));
    assert_eq!(values(connection, &new), json!({"user": "ada", "b": 2}));
    assert_eq!(values(connection, &old), json!({}));
    assert_eq!(connection.get("/info", &new).json()["owner"], json!("ada"));
}

#[test]
fn s20_a_ticket_that_was_planted_is_never_signed_in() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    // The attacker's own session, as the victim's cookie, before the login and between two.
    let planted = new_session(&service);
    let victims = ticket(&connection.post("/login", &planted, &json!({"user": "ada"})));
    assert_eq!(values(connection, &planted), json!({}));
    assert_eq!(values(connection, &victims)["user"], json!("ada"));
    // One that never was a session.
    let made_up = "A".repeat(64);
    let victims = ticket(&connection.post("/login", &made_up, &json!({"user": "ada"})));
    assert_eq!(values(connection, &made_up), json!({}));
    assert_eq!(values(connection, &victims), json!({"user": "ada"}));
    // Beside the victim's own: neither is taken, and the login is another session.
    let tossed = new_session(&service);
    let both = format!("cookie: session={tossed}; session={victims}\r\n");
    let body = json!({"user": "ada"}).to_string();
    let answer = connection.ask("POST", "/login", &both, &body).expect("an answer");
    assert_eq!(values(connection, &ticket(&answer)), json!({"user": "ada"}));
    assert_eq!(values(connection, &tossed), json!({"a": 1}));
}

#[test]
fn s29_an_owner_sees_his_live_sessions_and_no_others() {
    let service = start(&format!("--now {NOW} --idle 100"));
    let connection = &mut Connection::to(&service);
    login(connection, "ada");
    connection.post("/clock", "", &json!({"advance": 50}));
    let (phone, here) = (login(connection, "ada"), login(connection, "ada"));
    login(connection, "adam");
    login(connection, "");
    let id = |connection: &mut Connection, ticket: &str| -> Value {
        connection.get("/info", ticket).json()["id"].clone()
    };
    let (phone_id, here_id) = (id(connection, &phone), id(connection, &here));
    assert_eq!(sessions(connection, &here), 3);
    connection.post("/clock", "", &json!({"advance": 50}));
    let mine = connection.get("/mine", &here).json()["sessions"].clone();
    let mut mine = mine.as_array().expect("a list").clone();
    mine.sort_by_key(|session| session["current"] == json!(true));
    let times = |id: Value, current: bool, end: u64| json!({"id": id, "created": NOW + 50, "expires_at": end, "current": current});
    let expected = [times(phone_id, false, NOW + 150), times(here_id, true, NOW + 150)];
    assert_eq!(mine[0], expected[0]);
    assert_eq!((&mine[1]["id"], &mine[1]["current"]), (&expected[1]["id"], &json!(true)));
    assert_eq!(mine.len(), 2, "the first one has expired");
    let anonymous = new_session(&service);
    assert_eq!(sessions(connection, &anonymous), 0);
}

#[test]
fn s29_the_others_are_revoked_and_this_one_stays() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let tickets: Vec<_> = (0..3).map(|_| login(connection, "ada")).collect();
    let bob = login(connection, "bob");
    let answer = connection.post("/revoke-others", &tickets[1], &json!({}));
    assert_eq!(answer.json(), json!({"revoked": 2}));
    for (at, ticket) in tickets.iter().enumerate() {
        let left = if at == 1 { json!({"user": "ada"}) } else { json!({}) };
        assert_eq!(values(connection, ticket), left, "{at}");
    }
    assert_eq!(values(connection, &bob), json!({"user": "bob"}));
    let anonymous = connection.post("/revoke-others", "", &json!({}));
    assert_eq!(anonymous.error(), (403, "no_owner".into()));
}

#[test]
fn s29_all_are_revoked_and_a_login_begins_anew() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let mut tickets: Vec<_> = (0..3).map(|_| login(connection, "ada")).collect();
    let bob = login(connection, "bob");
    // One that was nobody's at first, and one that was bob's.
    let anonymous = new_session(&service);
    tickets.push(ticket(&connection.post("/login", &anonymous, &json!({"user": "ada"}))));
    let changed = login(connection, "bob");
    tickets.push(ticket(&connection.post("/login", &changed, &json!({"user": "ada"}))));
    let answer = connection.post("/revoke-all", &bob, &json!({"user": "ada"}));
    assert_eq!(answer.json(), json!({"revoked": 5}));
    for ticket in &tickets {
        assert_eq!(values(connection, ticket), json!({}));
    }
    assert_eq!(sessions(connection, &bob), 1);
    let again = login(connection, "ada");
    assert_eq!(sessions(connection, &again), 1);
    let nobodys = connection.post("/revoke-all", &bob, &json!({"user": "nobody"}));
    assert_eq!(nobodys.json(), json!({"revoked": 0}));
}
