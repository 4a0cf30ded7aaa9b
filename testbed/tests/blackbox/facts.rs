//! What a session in a signed cookie knows about its times.

use serde_json::{Value, json};

use cloakroom_testbed::Visitor;

use crate::{NOW, payload, testbed};

/// Members of `/info`.
fn facts(visitor: &mut Visitor<'_>) -> (Value, Value, Value) {
    let info = visitor.get("/info").json();
    (info["new"].clone(), info["expired"].clone(), info["created"].clone())
}

/// Somebody with a session that began at [`NOW`] and half a second.
fn visitor_since_now() -> Visitor<'static> {
    let mut visitor = Visitor::new(testbed(&format!("--now {NOW}.5")));
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor
}

fn created_on_the_wire(visitor: &Visitor<'_>) -> Value {
    payload::triple(visitor.cookie().expect("there is a cookie")).1
}

#[test]
fn r14_the_time_of_creation_stays() {
    let mut visitor = visitor_since_now();
    let (created, exact) = (json!(NOW), json!(1_700_000_000.5));
    visitor.at(testbed(&format!("--now {}", NOW + 900)));
    for (path, body) in [
        ("/set", json!({"key": "a", "value": 2})),
        ("/clear", json!({})),
        ("/changed", json!({})),
        (
            "/slow",
            json!({"sleep_ms": 0, "then": [
                {"route": "/invalidate"},
                {"route": "/set", "body": {"key": "b", "value": 1}},
            ]}),
        ),
    ] {
        let answer = visitor.post(path, &body);
        assert!(answer.set_cookie().is_some(), "{path}");
        assert_eq!(created_on_the_wire(&visitor), exact, "{path}");
        assert_eq!(facts(&mut visitor).2, created, "{path}");
    }
    // A renewal by a look, and the end of the idle time.
    for later in [1200, 5000] {
        visitor.at(testbed(&format!("--now {}", NOW + later)));
        assert!(visitor.get("/get?key=a").set_cookie().is_some(), "{later}");
        assert_eq!(created_on_the_wire(&visitor), exact, "{later}");
    }
}

#[test]
fn r15_an_expired_session_is_new_and_says_that_it_expired() {
    let mut visitor = visitor_since_now();
    let (new, expired, _) = facts(visitor.at(testbed(&format!("--now {}", NOW + 5000))));
    assert_eq!((new, expired), (json!(true), json!(true)));
}

#[test]
fn r14_r17_a_session_used_on_after_invalidate_keeps_its_beginning() {
    let mut visitor = visitor_since_now();
    let then = json!([
        {"route": "/set", "body": {"key": "before", "value": 1}},
        {"route": "/invalidate"},
        {"route": "/set", "body": {"key": "after", "value": 2}},
        {"route": "/all"},
    ]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert_eq!(answer.json(), json!({"values": {"after": 2}}));
    assert_eq!(visitor.get("/all").json(), json!({"values": {"after": 2}}));
    assert_eq!(created_on_the_wire(&visitor), json!(1_700_000_000.5));
}
