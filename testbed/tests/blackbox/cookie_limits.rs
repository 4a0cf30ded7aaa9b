//! How much fits into a cookie, and that nothing is lost when more is asked for.

use serde_json::json;

use cloakroom_testbed::{Answer, Visitor};

use crate::{NOW, payload, testbed};

/// The most JSON that fits, with SHA-512's signature: 4064 characters of base64.
const MOST_JSON: usize = 2984;
/// Of that, what stands around a text under the key `k`: `[1700000000, 1700000000.0, {"k": ""}]`.
const AROUND: usize = 37;

fn set_text(visitor: &mut Visitor<'_>, bytes: usize) -> Answer {
    visitor.post("/set", &json!({"key": "k", "value": "x".repeat(bytes)}))
}

fn visitor_now() -> Visitor<'static> {
    Visitor::new(testbed(&format!("--now {NOW}")))
}

#[test]
fn r8_a_cookie_of_4064_characters_is_kept() {
    let mut visitor = visitor_now();
    set_text(&mut visitor, MOST_JSON - AROUND);
    let cookie = visitor.cookie().expect("a cookie was set");
    assert_eq!((cookie.len(), payload::text(cookie).len()), (4064, MOST_JSON));
    let value = visitor.get("/get?key=k").json();
    assert_eq!(value["value"].as_str().map(str::len), Some(MOST_JSON - AROUND));
}

#[test]
fn r8_r9_one_byte_more_is_refused_and_nothing_is_lost() {
    let mut visitor = visitor_now();
    visitor.post("/set", &json!({"key": "old", "value": 1}));
    let before = visitor.cookie().map(str::to_owned);
    for more in [1, 2, 100, 100_000] {
        visitor.post("/remove", &json!({"key": "k"}));
        let beside_old = r#""old": 1, "#.len();
        let answer = set_text(&mut visitor, MOST_JSON - AROUND - beside_old + more);
        assert_eq!(answer.error(), (500, "too_large".into()), "{more} more");
        assert_eq!(answer.set_cookie(), None, "{more} more");
        assert!(answer.text.contains("Largest: \\\"k\\\""), "{}", answer.text);
        assert_eq!(visitor.cookie().map(str::to_owned), before);
        assert_eq!(visitor.get("/all").json(), json!({"values": {"old": 1}}));
    }
}

#[test]
fn r8_what_is_not_ascii_counts_six_for_each_utf16_unit() {
    let mut visitor = visitor_now();
    let units = (MOST_JSON - AROUND) / 6;
    let astral = |count| json!({"key": "k", "value": "😀".repeat(count)});
    assert_eq!(visitor.post("/set", &astral(units / 2)).status, 200);
    let answer = visitor.post("/set", &astral(units / 2 + 1));
    assert_eq!(answer.error(), (500, "too_large".into()));
}

#[test]
fn r9_a_session_too_large_can_be_made_smaller_in_the_same_request() {
    let mut visitor = visitor_now();
    let long = "x".repeat(5000);
    let then = json!([
        {"route": "/set", "body": {"key": "k", "value": long}},
        {"route": "/set", "body": {"key": "k", "value": "short"}},
    ]);
    assert_eq!(visitor.post("/slow", &json!({"sleep_ms": 0, "then": then})).status, 200);
    assert_eq!(visitor.get("/get?key=k").json(), json!({"value": "short"}));
}

#[test]
fn s84_a_value_nested_too_deeply_is_refused_and_the_session_goes_on() {
    let mut visitor = visitor_now();
    visitor.post("/set", &json!({"key": "old", "value": 1}));
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let set = |levels| format!(r#"{{"key": "k", "value": {}}}"#, nested(levels));
    assert_eq!(visitor.post_text("/set", &set(64)).status, 200);
    assert_eq!(visitor.post_text("/set", &set(65)).error(), (500, "too_deep".into()));
    let value = visitor.get("/get?key=k").text;
    assert_eq!(value, format!(r#"{{"value":{}}}"#, nested(64)));
}
