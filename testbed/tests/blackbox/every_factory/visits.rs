//! One session per visitor, from one request to the next.

use serde_json::json;

use super::visitor;

#[test]
fn r1_two_visitors_never_share_a_session() {
    let (mut ada, mut bob) = (visitor(""), visitor(""));
    ada.post("/set", &json!({"key": "name", "value": "ada"}));
    bob.post("/set", &json!({"key": "name", "value": "bob"}));
    assert_eq!(ada.get("/get?key=name").json(), json!({"value": "ada"}));
    assert_eq!(bob.get("/get?key=name").json(), json!({"value": "bob"}));
    assert_eq!(visitor("").get("/get?key=name").json(), json!({"value": null}));
}

#[test]
fn r12_the_walk_through_for_a_client_with_cookies() {
    let mut visitor = visitor("");
    assert_eq!(visitor.get("/fred").text, "Fred was not in the session");
    for _ in 0..3 {
        assert_eq!(visitor.get("/fred").text, "Fred was in the session");
    }
}

#[test]
fn r12_a_client_without_cookies_starts_anew_each_time() {
    let mut visitor = visitor("");
    for _ in 0..3 {
        assert_eq!(visitor.get("/fred").text, "Fred was not in the session");
        visitor.forget_cookies();
    }
}

#[test]
fn r72_what_is_written_before_a_stream_is_kept_although_the_body_comes_later() {
    let mut visitor = visitor("");
    let answer = visitor.get("/stream");
    assert_eq!(answer.text, "piece 1\npiece 2\npiece 3\npiece 4\n");
    assert!(answer.set_cookie().is_some());
    assert_eq!(visitor.get("/get?key=streamed").json(), json!({"value": 1}));
}

#[test]
fn what_a_slow_request_does_is_kept() {
    let mut visitor = visitor("");
    let then = json!({"route": "/set", "body": {"key": "a", "value": 1}});
    let answer = visitor.post("/slow", &json!({"sleep_ms": 20, "then": then}));
    assert_eq!(answer.json(), json!({"previous": null}));
    assert_eq!(visitor.get("/get?key=a").json(), json!({"value": 1}));
}
