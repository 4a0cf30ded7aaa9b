//! What a session knows about itself, and its end by `invalidate`.

use serde_json::{Value, json};

use cloakroom_testbed::Visitor;

use super::visitor;

/// Members of `/info`.
fn facts(visitor: &mut Visitor<'_>) -> (Value, Value, Value) {
    let info = visitor.get("/info").json();
    (info["new"].clone(), info["expired"].clone(), info["created"].clone())
}

/// Somebody with a session that holds `a`.
fn visitor_with_a() -> Visitor<'static> {
    let mut visitor = visitor("");
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor
}

#[test]
fn r15_new_is_who_brought_no_usable_cookie() {
    let mut visitor = visitor_with_a();
    let good = visitor.cookie().expect("a cookie was set").to_owned();
    assert_eq!(facts(&mut visitor).0, json!(false));
    visitor.forget_cookies();
    assert_eq!(facts(&mut visitor).0, json!(true));
    let reversed: String = good.chars().rev().collect();
    for bad in ["", "x", "????", &good[1..], &format!("{good}AAAA"), &reversed] {
        let (new, expired, _) = facts(visitor.set_cookie(bad));
        assert_eq!((new, expired), (json!(true), json!(false)), "{bad}");
    }
}

#[test]
fn r15_new_does_not_change_during_the_request() {
    let mut visitor = visitor_with_a();
    let then = json!([{"route": "/invalidate"}, {"route": "/info"}]);
    let info = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then})).json();
    assert_eq!(info["new"], json!(false));
    let then = json!([{"route": "/set", "body": {"key": "a", "value": 1}}, {"route": "/info"}]);
    let info = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then})).json();
    assert_eq!(info["new"], json!(true));
}

#[test]
fn r17_r36_invalidate_empties_everything_and_removes_the_cookie() {
    let mut visitor = visitor_with_a();
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
    let mut visitor = visitor_with_a();
    let then = json!([
        {"route": "/set", "body": {"key": "before", "value": 1}},
        {"route": "/invalidate"},
        {"route": "/set", "body": {"key": "after", "value": 2}},
        {"route": "/all"},
    ]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert_eq!(answer.json(), json!({"values": {"after": 2}}));
    assert_eq!(visitor.get("/all").json(), json!({"values": {"after": 2}}));
}

#[test]
fn r17_the_order_matters_what_was_set_before_is_gone() {
    let mut visitor = visitor_with_a();
    let then = json!([
        {"route": "/set", "body": {"key": "before", "value": 1}},
        {"route": "/invalidate"},
    ]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert!(answer.set_cookie().is_some_and(|cookie| cookie.has("Max-Age=0")));
}
