//! Many clients write one session at once, and nothing is lost.

use serde_json::json;

use cloakroom_testbed::Connection;

use super::start;
use crate::crowd::{crowd, new_session, values};

const CLIENTS: usize = 64;
const TIMES: u64 = 1000;

#[test]
fn s62_no_addition_is_lost() {
    // However busy the machine is, no call is given up.
    let service = start("--io-timeout never");
    let ticket = new_session(&service);
    crowd(CLIENTS, |client, _| {
        let mut connection = Connection::to(&service);
        for _ in 0..TIMES {
            let answer = connection.post("/add", &ticket, &json!({"key": "sum", "by": client}));
            assert_eq!((answer.status, answer.set_cookie()), (200, None), "{}", answer.text);
        }
    });
    let each: u64 = (0..CLIENTS as u64).sum();
    let kept = values(&mut Connection::to(&service), &ticket);
    assert_eq!(kept, json!({"a": 1, "sum": each * TIMES}));
}

#[test]
fn s62_no_key_is_lost_to_a_write_of_another() {
    // However busy the machine is, no call is given up.
    let service = start("--io-timeout never");
    let ticket = new_session(&service);
    crowd(CLIENTS, |client, _| {
        let mut connection = Connection::to(&service);
        for time in 0..20 {
            let body = json!({"key": format!("k{client}"), "value": time});
            let answer = connection.post("/set", &ticket, &body);
            let before = if time == 0 { json!(null) } else { json!(time - 1) };
            assert_eq!(answer.json(), json!({"previous": before}), "client {client}");
        }
    });
    let kept = values(&mut Connection::to(&service), &ticket);
    for client in 0..CLIENTS {
        assert_eq!(kept[format!("k{client}")], json!(19), "client {client}");
    }
}
