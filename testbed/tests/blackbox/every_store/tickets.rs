//! What is shown as a ticket and is none: never adopted, and no reason to ask the store where that can be seen.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use cloakroom_testbed::Connection;

use super::start;
use crate::crowd::{login, new_session, stat, ticket, values};

/// A ticket with a secret that is not the session's.
fn with_another_secret(ticket: &str) -> String {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(ticket).expect("base64");
    bytes[47] ^= 1;
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn s2_a_ticket_to_nothing_is_never_adopted() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let live = new_session(&service);
    let ended = new_session(&service);
    connection.post("/logout", &ended, &json!({}));
    let unknown = BASE64_URL_SAFE_NO_PAD.encode([7; 48]);
    for shown in [unknown, ended, with_another_secret(&live)] {
        assert_eq!(values(connection, &shown), json!({}));
        let answer = connection.post("/set", &shown, &json!({"key": "b", "value": 2}));
        let new = ticket(&answer);
        assert_ne!(new[..21], shown[..21], "another place, not only another secret");
        assert_eq!(values(connection, &new), json!({"b": 2}));
        assert_eq!(values(connection, &shown), json!({}));
    }
    assert_eq!(values(connection, &live), json!({"a": 1}), "whose secret was guessed at");
    let refused = connection.get("/stats", "").json()["refused"].clone();
    assert_eq!(refused, json!({"unknown": 6, "forged": 3}));
}

#[test]
fn s8_what_cannot_be_a_ticket_costs_no_store_call() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let live = new_session(&service);
    let padded = format!("{}==", &live[..62]);
    let plus = format!("+{}", &live[1..]);
    let long = "A".repeat(30_000);
    let bad = [
        "x",
        "../x",
        "../../etc/passwd",
        "*",
        "{tag}",
        "%00",
        "null",
        "' or 1=1 --",
        &live[..63],
        &live[1..],
        &format!("{live}A"),
        &format!("{live}="),
        &padded,
        &plus,
        &long,
    ];
    for shown in bad {
        assert_eq!(values(connection, shown), json!({}), "{shown:.80}");
    }
    let lines = format!("cookie: session={live}\u{1}\r\n");
    let _ = connection.ask("GET", "/all", &lines, "");
    let connection = &mut Connection::to(&service);
    assert_eq!(stat(connection, "store_calls/load"), 0);
    assert_eq!(values(connection, &live), json!({"a": 1}));
    assert_eq!(stat(connection, "store_calls/load"), 1);
}

#[test]
fn s7_a_ticket_counts_in_its_cookie_only() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let live = new_session(&service);
    let body = json!({"session": live, "sid": live}).to_string();
    for (path, line, body) in [
        (format!("/all?sid={live}"), String::new(), ""),
        (format!("/all?session={live}"), String::new(), ""),
        ("/all".into(), format!("session: {live}\r\n"), ""),
        ("/all".into(), format!("authorization: Bearer {live}\r\n"), ""),
        ("/all".into(), format!("x-session: session={live}\r\n"), ""),
        ("/all".into(), format!("cookie: sid={live}; __Host-Http-session={live}\r\n"), ""),
        ("/all".into(), String::new(), body.as_str()),
    ] {
        let answer = connection.ask("GET", &path, &line, body).expect("an answer");
        assert_eq!(answer.json(), json!({"values": {}}), "{path} {line} {body}");
    }
    assert_eq!(stat(connection, "store_calls/load"), 0);
}

#[test]
fn s13_two_live_tickets_are_nobodys() {
    let service = start("");
    let connection = &mut Connection::to(&service);
    let (ada, eve) = (login(connection, "ada"), login(connection, "eve"));
    let ended = new_session(&service);
    connection.post("/logout", &ended, &json!({}));
    let mut user = |cookies: &str| -> Value {
        let answer = connection.ask("GET", "/all", &format!("cookie: {cookies}\r\n"), "");
        answer.expect("an answer").json()["values"]["user"].clone()
    };
    assert_eq!(user(&format!("session={ada}; session={eve}")), json!(null));
    assert_eq!(user(&format!("session={eve}; session={ada}")), json!(null));
    assert_eq!(user(&format!("session={ada}; session={ada}")), json!("ada"));
    assert_eq!(user(&format!("session={ended}; session={ada}")), json!("ada"));
    assert_eq!(user(&format!("session={ada}; session=rubbish")), json!("ada"));
    assert_eq!(stat(connection, "refused/ambiguous"), 2);
    assert_eq!(values(connection, &eve), json!({"user": "eve"}), "nothing was changed");
}
