//! What a session knows about itself, and its end by `invalidate`.

use serde_json::{Value, json};

use cloakroom_testbed::Visitor;

use crate::{NOW, payload, testbed, visitor};

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
fn r15_new_is_who_brought_no_usable_cookie() {
    let mut visitor = visitor_since_now();
    let good = visitor.cookie().expect("a cookie was set").to_owned();
    assert_eq!(facts(&mut visitor).0, json!(false));
    visitor.forget_cookies();
    assert_eq!(facts(&mut visitor).0, json!(true));
    for bad in ["", "x", "????", &good[1..], &format!("{good}AAAA"), &good.replace('a', "b")] {
        let (new, expired, _) = facts(visitor.set_cookie(bad));
        assert_eq!((new, expired), (json!(true), json!(false)), "{bad}");
    }
}

#[test]
fn r15_an_expired_session_is_new_and_says_that_it_expired() {
    let mut visitor = visitor_since_now();
    let (new, expired, _) = facts(visitor.at(testbed(&format!("--now {}", NOW + 5000))));
    assert_eq!((new, expired), (json!(true), json!(true)));
}

#[test]
fn r15_new_does_not_change_during_the_request() {
    let mut visitor = visitor_since_now();
    let then = json!([{"route": "/invalidate"}, {"route": "/info"}]);
    let info = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then})).json();
    assert_eq!(info["new"], json!(false));
    let then = json!([{"route": "/set", "body": {"key": "a", "value": 1}}, {"route": "/info"}]);
    let info = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then})).json();
    assert_eq!(info["new"], json!(true));
}

#[test]
fn r17_r36_invalidate_empties_everything_and_removes_the_cookie() {
    let mut visitor = visitor_since_now();
    visitor.post("/flash", &json!({"message": "m"}));
    visitor.get("/csrf/token");
    let cookie = visitor.post("/invalidate", &json!({})).set_cookie().expect("a removal");
    assert_eq!((cookie.name.as_str(), cookie.value.as_str()), ("session", ""));
    assert!(cookie.has("Max-Age=0") && cookie.has("Path=/"), "{cookie:?}");
    assert_eq!(visitor.cookie(), None);
    assert_eq!(visitor.get("/info").json()["len"], json!(0));
}

#[test]
fn r17_without_a_cookie_there_is_none_to_remove() {
    let answer = visitor("").post("/invalidate", &json!({}));
    assert_eq!((answer.status, answer.set_cookie()), (200, None));
}

#[test]
fn r17_the_session_can_be_used_on() {
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

#[test]
fn r17_the_order_matters_what_was_set_before_is_gone() {
    let mut visitor = visitor_since_now();
    let then = json!([
        {"route": "/set", "body": {"key": "before", "value": 1}},
        {"route": "/invalidate"},
    ]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert!(answer.set_cookie().is_some_and(|cookie| cookie.has("Max-Age=0")));
}
