//! What counts as a look, what as a write, and which answers get a cookie for it.

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Visitor};

use crate::{NOW, testbed};

/// Reads of every kind.
const LOOKS: [&str; 5] = ["/get?key=a", "/get?key=nobody", "/all", "/info", "/peek-flash?queue=q"];

/// Writes of every kind, those included that make no difference to `{"a": 1}`.
fn writes() -> [(&'static str, Value); 14] {
    let none = json!({});
    [
        ("/set", json!({"key": "b", "value": 2})),
        ("/set", json!({"key": "a", "value": 1})),
        ("/set-default", json!({"key": "a", "value": 2})),
        ("/update", json!({"values": {"b": 2}})),
        ("/add", json!({"key": "n", "by": 0})),
        ("/remove", json!({"key": "a"})),
        ("/remove", json!({"key": "nobody"})),
        ("/pop-item", none.clone()),
        ("/clear", none.clone()),
        ("/changed", none.clone()),
        ("/flash", json!({"message": "m"})),
        ("/flash", json!({"message": "waits", "queue": "q", "allow_duplicate": false})),
        ("/pop-flash", json!({"queue": "q"})),
        ("/csrf/new", none),
    ]
}

/// Somebody with the session `{"a": 1, "_f_q": ["waits"]}` made at [`NOW`], now at a testbed with these options.
fn visitor_with_a(options: &str) -> Visitor<'static> {
    let mut visitor = Visitor::new(testbed(&format!("--now {NOW}")));
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    visitor.post("/flash", &json!({"message": "waits", "queue": "q"}));
    visitor.at(testbed(options));
    visitor
}

fn has_cookie(answer: &Answer) -> bool {
    answer.set_cookie().is_some()
}

#[test]
fn r13a_a_look_renews_when_it_is_time_and_writes_nothing() {
    for path in LOOKS {
        let later = format!("--now {} --renew-after 0", NOW + 1);
        assert!(has_cookie(&visitor_with_a(&later).get(path)), "{path}");
        let never = format!("--now {} --renew-after never", NOW + 1);
        assert!(!has_cookie(&visitor_with_a(&never).get(path)), "{path}");
    }
}

#[test]
fn r13b_r16_r64_every_write_sends_the_cookie() {
    for (path, body) in writes() {
        let never = format!("--now {NOW} --renew-after never");
        let answer = visitor_with_a(&never).post(path, &body);
        assert_eq!(answer.status, 200, "{path} {}", answer.text);
        assert!(has_cookie(&answer), "{path}");
    }
}

#[test]
fn r13d_setting_an_equal_value_renews_the_cookie() {
    let mut visitor = visitor_with_a(&format!("--now {} --renew-after never", NOW + 7));
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    let (renewed, ..) = crate::payload::triple(visitor.cookie().expect("a cookie was set"));
    assert_eq!(renewed, json!(NOW + 7));
}

#[test]
fn r13c_r57_r58_opening_a_session_is_no_look() {
    // The handler takes the session and does nothing with it.
    let mut visitor = visitor_with_a(&format!("--now {} --renew-after 0", NOW + 500));
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0}));
    assert!(!has_cookie(&answer));
    assert_eq!(answer.header("vary"), None);
}

#[test]
fn r57_s88_an_answer_that_depends_on_the_session_varies_by_cookie() {
    let never = format!("--now {NOW} --renew-after never");
    for path in LOOKS {
        let answer = visitor_with_a(&never).get(path);
        assert_eq!(answer.header("vary"), Some("Cookie"), "{path}");
        assert_eq!(answer.header("cache-control"), None, "{path}");
    }
    let answer = visitor_with_a(&never).post("/set", &json!({"key": "a", "value": 2}));
    assert_eq!(answer.header("vary"), Some("Cookie"));
    assert_eq!(answer.header("cache-control"), Some("no-store"), "it carries somebody's cookie");
}

#[test]
fn r57_r58_an_answer_that_does_not_depend_on_it_says_nothing() {
    for path in ["/none", "/stats", "/nowhere"] {
        let answer = visitor_with_a(&format!("--now {} --renew-after 0", NOW + 500)).get(path);
        assert!(!has_cookie(&answer), "{path}");
        assert_eq!(answer.header("vary"), None, "{path}");
    }
}

#[test]
fn r59_s15_a_new_session_that_is_only_read_is_not_written() {
    let mut visitor = Visitor::new(testbed(&format!("--now {NOW}.9 --renew-after 0")));
    for path in LOOKS {
        assert!(!has_cookie(&visitor.get(path)), "{path}");
    }
    // Nor one that a request wrote to without leaving anything there.
    for (path, body) in
        [("/clear", json!({})), ("/remove", json!({"key": "a"})), ("/pop-item", json!({}))]
    {
        assert!(!has_cookie(&visitor.post(path, &body)), "{path}");
    }
}

#[test]
fn r59_nor_when_the_clock_moves_during_the_request() {
    let mut visitor = crate::visitor("--renew-after 0");
    let then = json!({"route": "/info"});
    let answer = visitor.post("/slow", &json!({"sleep_ms": 1100, "then": then}));
    assert_eq!(answer.json()["len"], json!(0));
    assert!(!has_cookie(&answer));
}

#[test]
fn r16_changed_writes_once_and_even_an_empty_session() {
    let mut visitor = crate::visitor("");
    let twice = json!([{"route": "/changed"}, {"route": "/changed"}]);
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": twice}));
    assert!(answer.set_cookie().is_some(), "one, or it had panicked");
    assert_eq!(visitor.get("/info").json()["new"], json!(false));
}

#[test]
fn r65_s14_many_writes_send_one_cookie() {
    let mut visitor = visitor_with_a(&format!("--now {}", NOW + 500));
    let steps: Vec<Value> =
        writes().into_iter().map(|(route, body)| json!({"route": route, "body": body})).collect();
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": steps}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1);
}
