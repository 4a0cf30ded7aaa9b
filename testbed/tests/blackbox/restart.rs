//! Sessions in a file outlive the process, and end on time although nobody was there.

use serde_json::json;

use cloakroom_testbed::{Connection, Service};

use crate::NOW;
use crate::crowd::{login, new_session, sessions, values};

/// A service over this file whose clock stands still so many seconds after [`NOW`].
fn service(file: &str, seconds: u64) -> Service {
    crate::start(&format!(
        "--factory sqlite:{file} --now {} --idle 100 --absolute 250",
        NOW + seconds
    ))
}

#[test]
fn s22_s24_a_session_in_a_file_ends_at_the_idle_limit() {
    let file = crate::new_file().display().to_string();
    let begun = service(&file, 0);
    let tickets = [(); 3].map(|()| new_session(&begun));
    drop(begun);
    for (ticket, (seconds, left)) in
        tickets.iter().zip([(99, json!({"a": 1})), (100, json!({})), (101, json!({}))])
    {
        let service = service(&file, seconds);
        assert_eq!(values(&mut Connection::to(&service), ticket), left, "after {seconds} s");
    }
}

#[test]
fn s22_s24_a_session_in_a_file_ends_at_the_absolute_limit() {
    let file = crate::new_file().display().to_string();
    let ticket = new_session(&service(&file, 0));
    for (seconds, len) in [(90, 1), (180, 1), (249, 1), (250, 0), (251, 0)] {
        let service = service(&file, seconds);
        let info = Connection::to(&service).get("/info", &ticket).json();
        assert_eq!(info["len"], json!(len), "after {seconds} s");
        let created = if len == 1 { NOW } else { NOW + seconds };
        assert_eq!(info["created"], json!(created), "after {seconds} s");
    }
}

#[test]
fn s26_what_was_ended_or_renewed_before_a_restart_is_so_after_it() {
    let file = crate::new_file().display().to_string();
    let first = service(&file, 0);
    let connection = &mut Connection::to(&first);
    let (ended, old) = (login(connection, "ada"), login(connection, "ada"));
    connection.post("/logout", &ended, &json!({}));
    let new = crate::crowd::ticket(&connection.post("/renew", &old, &json!({})));
    drop(first);
    let second = service(&file, 1);
    let connection = &mut Connection::to(&second);
    assert_eq!(values(connection, &ended), json!({}));
    assert_eq!(values(connection, &old), json!({}));
    assert_eq!(values(connection, &new), json!({"user": "ada"}));
    assert_eq!(sessions(connection, &new), 1);
}

#[test]
fn s62_two_processes_over_one_file_lose_nothing() {
    let file = crate::new_file().display().to_string();
    let services = [service(&file, 0), service(&file, 0)];
    let ticket = new_session(&services[0]);
    crate::crowd::crowd(8, |client, _| {
        let mut connection = Connection::to(&services[client % 2]);
        for _ in 0..50 {
            let answer = connection.post("/add", &ticket, &json!({"key": "n", "by": 1}));
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    });
    let kept = values(&mut Connection::to(&services[1]), &ticket);
    assert_eq!(kept, json!({"a": 1, "n": 400}));
}

#[test]
fn s33_two_applications_over_one_file_know_nobody_of_each_other() {
    let file = crate::new_file().display().to_string();
    let start = |name| crate::start(&format!("--factory sqlite:{file} --namespace {name}"));
    let (shop, forum) = (start("shop"), start("forum"));
    for (home, away) in [(&shop, &forum), (&forum, &shop)] {
        let (home, away) = (&mut Connection::to(home), &mut Connection::to(away));
        let ada = login(home, "ada");
        assert_eq!(values(away, &ada), json!({}));
        let answer = away.post("/set", &ada, &json!({"key": "b", "value": 2}));
        let other = crate::crowd::ticket(&answer);
        assert_ne!(other[..21], ada[..21], "a place of its own");
        away.post("/logout", &ada, &json!({}));
        assert_eq!(values(away, &other), json!({"b": 2}));
        assert_eq!(values(home, &other), json!({}));
        assert_eq!(values(home, &ada), json!({"user": "ada"}), "nobody touched it");
        home.post("/logout", &ada, &json!({}));
    }
}

#[test]
fn s19_s25_a_renewed_ticket_is_dead_on_a_node_whose_clock_is_behind() {
    // The old ticket was let in by a request that had asked an earlier clock than the renewal, be it another node's or
    // its own a moment before it read the record: into the session as it was after the login.
    let file = crate::new_file().display().to_string();
    let (ahead, behind) = (service(&file, 60), service(&file, 0));
    let planted = new_session(&behind);
    let body = json!({"user": "ada"});
    let signed_in = crate::crowd::ticket(&Connection::to(&ahead).post("/login", &planted, &body));
    let connection = &mut Connection::to(&behind);
    assert_eq!(values(connection, &planted), json!({}));
    assert_eq!(values(connection, &signed_in), json!({"a": 1, "user": "ada"}));
}
