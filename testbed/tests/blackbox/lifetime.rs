//! The times of a signed cookie, to the second: each moment is a testbed whose clock stands still there.

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Visitor};

use crate::{NOW, payload, testbed};

/// Somebody whose session `{"a": 1}` was last used at [`NOW`].
fn visitor_since_now() -> Visitor<'static> {
    let mut visitor = Visitor::new(testbed(&format!("--now {NOW}")));
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor
}

/// Has the visitor read `a` so many seconds after [`NOW`].
fn read_after(visitor: &mut Visitor<'static>, seconds: f64, options: &str) -> Answer {
    // Written with its fraction, which is exact for the quarters that are used here.
    let now = NOW as f64 + seconds;
    visitor.at(testbed(&format!("--now {now} {options}"))).get("/get?key=a")
}

fn value(answer: &Answer) -> Value {
    answer.json()["value"].clone()
}

#[test]
fn r62_a_session_lives_at_exactly_the_timeout_and_not_beyond() {
    for (options, timeout) in [("", 1200.0), ("--idle 60", 60.0), ("--idle 1", 1.0)] {
        let alive = read_after(&mut visitor_since_now(), timeout, options);
        assert_eq!(value(&alive), json!(1), "{options}");
        let dead = read_after(&mut visitor_since_now(), timeout + 0.25, options);
        assert_eq!(value(&dead), json!(null), "{options}");
    }
}

#[test]
fn r62_without_a_timeout_it_lives_on() {
    let answer = read_after(&mut visitor_since_now(), 1e9, "--idle never");
    assert_eq!(value(&answer), json!(1));
    let mut visitor = Visitor::new(testbed("--idle never"));
    assert_eq!(visitor.get("/info").json()["expires_in"], json!(null));
}

#[test]
fn r62_the_time_left_is_told() {
    let mut visitor = visitor_since_now();
    visitor.at(testbed(&format!("--now {}", NOW + 1000)));
    assert_eq!(visitor.get("/info").json()["expires_in"], json!(200));
    visitor.forget_cookies();
    assert_eq!(visitor.get("/info").json()["expires_in"], json!(1200));
}

#[test]
fn r63_a_look_renews_after_the_reissue_time_in_whole_seconds() {
    for (options, seconds, renews) in [
        ("", 120.0, false),
        ("", 120.75, false),
        ("", 121.0, true),
        ("--renew-after 0", 0.75, false),
        ("--renew-after 0", 1.0, true),
        ("--renew-after 30", 30.0, false),
        ("--renew-after 30", 31.0, true),
        ("--idle 600", 60.0, false),
        ("--idle 600", 61.0, true),
    ] {
        let answer = read_after(&mut visitor_since_now(), seconds, options);
        assert_eq!(answer.set_cookie().is_some(), renews, "{options} after {seconds} s");
        assert_eq!(value(&answer), json!(1));
    }
}

#[test]
fn r63_a_renewed_cookie_says_when() {
    let mut visitor = visitor_since_now();
    read_after(&mut visitor, 300.75, "");
    let (renewed, created, _) = payload::triple(visitor.cookie().expect("there is a cookie"));
    assert_eq!((renewed, created), (json!(NOW + 300), json!(NOW as f64)));
}

#[test]
fn r67_looks_keep_a_session_alive_without_end() {
    let mut visitor = visitor_since_now();
    for step in 1..=10 {
        assert_eq!(value(&read_after(&mut visitor, f64::from(step) * 1200.0, "")), json!(1));
    }
}

#[test]
fn r67_a_time_in_the_future_is_accepted() {
    let mut visitor = visitor_since_now();
    assert_eq!(value(&read_after(&mut visitor, -5000.0, "")), json!(1));
}

#[test]
fn r68_without_a_reissue_time_only_writes_keep_it_alive() {
    let options = "--renew-after never";
    let mut visitor = visitor_since_now();
    for seconds in [400.0, 800.0, 1200.0] {
        let answer = read_after(&mut visitor, seconds, options);
        assert_eq!((value(&answer), answer.set_cookie()), (json!(1), None));
    }
    assert_eq!(value(&read_after(&mut visitor, 1201.0, options)), json!(null));

    let mut visitor = visitor_since_now();
    read_after(&mut visitor, 800.0, options);
    visitor.post("/set", &json!({"key": "b", "value": 2}));
    assert_eq!(value(&read_after(&mut visitor, 1201.0, options)), json!(1));
}

#[test]
fn r69_an_expired_session_that_is_looked_at_is_written_again_empty() {
    let mut visitor = visitor_since_now();
    let answer = read_after(&mut visitor, 5000.0, "");
    let cookie = answer.set_cookie().expect("a cookie was set");
    assert_eq!(payload::text(&cookie.value), "[1700005000, 1700000000.0, {}]");
    assert_eq!(visitor.get("/info").json()["expired"], json!(false), "from then on it lives");
}

#[test]
fn r17_an_expired_session_can_be_invalidated() {
    let mut visitor = visitor_since_now();
    visitor.at(testbed(&format!("--now {}", NOW + 5000)));
    let answer = visitor.post("/invalidate", &json!({}));
    assert!(answer.set_cookie().is_some_and(|cookie| cookie.has("Max-Age=0")));
}
