//! Many clients at once: threads that start together, and the small things that races need.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Connection, Service};

/// Has so many clients act at the same time, and gives what each came to.
pub(crate) fn crowd<T: Send>(clients: usize, act: impl Fn(usize, &Barrier) -> T + Sync) -> Vec<T> {
    let (together, act) = (&Barrier::new(clients), &act);
    thread::scope(|scope| {
        let start = |client| {
            scope.spawn(move || {
                together.wait();
                act(client, together)
            })
        };
        let clients: Vec<_> = (0..clients).map(start).collect();
        clients.into_iter().map(|client| client.join().expect("no client fails")).collect()
    })
}

/// The ticket that an answer brings.
pub(crate) fn ticket(answer: &Answer) -> String {
    let cookie = answer.set_cookie().unwrap_or_else(|| panic!("no ticket: {}", answer.text));
    assert!(!cookie.has("Max-Age=0"), "a removal: {}", answer.text);
    cookie.value
}

/// A ticket to a new session that holds `{"a": 1}`.
pub(crate) fn new_session(service: &Service) -> String {
    let body = json!({"key": "a", "value": 1});
    ticket(&Connection::to(service).post("/set", "", &body))
}

/// A ticket to a new session of this owner.
pub(crate) fn login(connection: &mut Connection, owner: &str) -> String {
    ticket(&connection.post("/login", "", &json!({"user": owner})))
}

/// All that the session of this ticket holds.
pub(crate) fn values(connection: &mut Connection, ticket: &str) -> Value {
    connection.get("/all", ticket).json()["values"].clone()
}

/// How many live sessions the owner of this one has, this one included.
pub(crate) fn sessions(connection: &mut Connection, ticket: &str) -> usize {
    connection.get("/mine", ticket).json()["sessions"].as_array().expect("a list").len()
}

/// Whether the store can list and end an owner's sessions.
pub(crate) fn has_index(service: &Service) -> bool {
    Connection::to(service).get("/mine", "").status != 501
}

/// The owner of this session has no other, as far as its store can tell.
pub(crate) fn assert_only(connection: &mut Connection, ticket: &str, context: &str) {
    if connection.get("/mine", ticket).status != 501 {
        assert_eq!(sessions(connection, ticket), 1, "{context}");
    }
}

/// A count of `/stats`, such as `gone` or `store_calls/load`; of two processes, both together.
pub(crate) fn stat(connection: &mut Connection, name: &str) -> u64 {
    let own = |connection: &mut Connection| {
        let stats = connection.get("/stats", "").json();
        let count = name.split('/').fold(&stats, |value, member| &value[member]);
        count.as_u64().unwrap_or_else(|| panic!("{name}: {stats}"))
    };
    own(connection) + connection.beside().as_mut().map_or(0, own)
}

/// Asks again and again until it is so. What never comes about is a failed test, after half a minute at the least.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}
