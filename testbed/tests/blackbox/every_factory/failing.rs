//! Requests that end badly: which changes are kept.

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Visitor};

use super::visitor;

/// Sets `a` in a request that then fails in this way.
fn set_and(visitor: &mut Visitor<'_>, failure: &str, how: Value) -> Answer {
    let then = json!({"route": "/set", "body": {"key": "a", "value": 1}});
    visitor.post("/fail", &json!({failure: how, "then": then}))
}

fn value(visitor: &mut Visitor<'_>) -> Value {
    visitor.get("/get?key=a").json()["value"].clone()
}

#[test]
fn r24_what_was_changed_before_an_error_is_kept() {
    for options in ["", "--keep-on-error true"] {
        for status in [303, 400, 403, 500, 503] {
            let mut visitor = visitor(options);
            let answer = set_and(&mut visitor, "status", json!(status));
            assert_eq!(answer.status, status);
            assert_eq!(value(&mut visitor), json!(1), "{options} {status}");
        }
    }
}

#[test]
fn r24_unless_the_factory_is_told_otherwise() {
    for status in [500, 503, 599] {
        let mut visitor = visitor("--keep-on-error false");
        let answer = set_and(&mut visitor, "status", json!(status));
        assert_eq!((answer.status, answer.set_cookie()), (status, None));
        assert_eq!(value(&mut visitor), json!(null));
    }
}

#[test]
fn r24_and_then_a_refusal_that_was_returned_still_keeps_it() {
    for status in [403, 404, 499] {
        let mut visitor = visitor("--keep-on-error false");
        assert_eq!(set_and(&mut visitor, "status", json!(status)).status, status);
        assert_eq!(value(&mut visitor), json!(1));
    }
}

#[test]
fn r24_a_panic_is_an_error_like_others() {
    for (options, kept) in [("", json!(1)), ("--keep-on-error false", json!(null))] {
        let mut visitor = visitor(options);
        let answer = set_and(&mut visitor, "panic", json!(true));
        assert_eq!(answer.error(), (500, "panic".into()));
        assert_eq!(value(&mut visitor), kept, "{options}");
    }
}

#[test]
fn r24_a_logout_is_kept_whatever_happens() {
    let set = json!({"route": "/set", "body": {"key": "after", "value": 1}});
    for (options, then, left) in [
        ("--keep-on-error false", json!([{"route": "/logout"}]), json!({})),
        ("--keep-on-error false", json!([{"route": "/logout"}, set]), json!({})), // an ordinary change
        ("", json!([{"route": "/logout"}, set]), json!({"after": 1})),
    ] {
        let mut visitor = visitor(options);
        visitor.post("/set", &json!({"key": "user", "value": "ada"}));
        assert_eq!(visitor.post("/fail", &json!({"status": 500, "then": then})).status, 500);
        assert_eq!(visitor.get("/all").json(), json!({"values": left}), "{options}");
    }
}

#[test]
fn r24_a_failing_step_ends_the_request_and_keeps_what_was_before_it() {
    let mut visitor = visitor("");
    let then = json!([
        {"route": "/set", "body": {"key": "a", "value": 1}},
        {"route": "/set", "body": {"key": "text", "value": "x"}},
        {"route": "/add", "body": {"key": "text", "by": 1}},
        {"route": "/clear"},
    ]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": then}));
    assert_eq!(answer.error(), (500, "wrong_type".into()));
    assert_eq!(visitor.get("/all").json(), json!({"values": {"a": 1, "text": "x"}}));
}
