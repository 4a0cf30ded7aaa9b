//! A flash message is shown once, however many ask for it at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use cloakroom_testbed::Connection;

use super::start;
use crate::crowd::{crowd, new_session, until, values};

const READERS: usize = 32;
const ROUNDS: usize = 1000;

#[test]
fn s67_one_of_32_readers_shows_the_message() {
    let service = start("");
    let ticket = new_session(&service);
    let shown: Vec<AtomicUsize> = (0..ROUNDS).map(|_| AtomicUsize::new(0)).collect();
    crowd(READERS, |reader, together| {
        let mut connection = Connection::to(&service);
        for (round, shown) in shown.iter().enumerate() {
            if reader == 0 {
                connection.post("/flash", &ticket, &json!({"message": round}));
            }
            together.wait();
            let messages = connection.post("/pop-flash", &ticket, &json!({})).text;
            // What is wrong is said in the end: a reader that failed here would have the others wait for ever.
            let is_shown = messages != r#"{"messages":[]}"#;
            let is_right = messages == format!(r#"{{"messages":[{round}]}}"#);
            shown.fetch_add(
                usize::from(is_shown) + 100 * usize::from(is_shown && !is_right),
                Ordering::Relaxed,
            );
            together.wait();
        }
    });
    let shown = shown.into_iter().map(AtomicUsize::into_inner).enumerate();
    let wrong: Vec<_> = shown.filter(|(_, shown)| *shown != 1).collect();
    assert!(
        wrong.is_empty(),
        "round and how often it was shown, or 100 for something else: {wrong:?}"
    );
    assert_eq!(values(&mut Connection::to(&service), &ticket), json!({"a": 1}));
}

#[test]
fn s67_a_message_whose_reader_never_answers_waits_for_the_lease_and_is_shown_again() {
    let service = start(&format!("--now {} --flash-lease 30", crate::NOW));
    let ticket = new_session(&service);
    let connection = &mut Connection::to(&service);
    connection.post("/flash", &ticket, &json!({"message": "m"}));
    let mut reader = Connection::to(&service);
    let body = json!({"sleep_ms": 60_000, "first": {"route": "/pop-flash"}}).to_string();
    reader.send("POST", "/slow", &format!("cookie: session={ticket}\r\n"), &body).expect("sent");
    let taken = json!({"messages": []});
    until("it is taken", || connection.get("/peek-flash", &ticket).json() == taken);
    connection.post("/clock", "", &json!({"advance": 29}));
    assert_eq!(connection.get("/peek-flash", &ticket).json(), json!({"messages": []}));
    connection.post("/clock", "", &json!({"advance": 1}));
    assert_eq!(
        connection.post("/pop-flash", &ticket, &json!({})).json(),
        json!({"messages": ["m"]})
    );
}
