//! Flash messages: queued, shown once, in order.

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Visitor};

use super::visitor;

fn flash(visitor: &mut Visitor<'_>, message: Value, queue: &str) {
    let answer = visitor.post("/flash", &json!({"message": message, "queue": queue}));
    assert_eq!(answer.json(), json!({}));
}

fn pop(visitor: &mut Visitor<'_>, queue: &str) -> Value {
    visitor.post("/pop-flash", &json!({"queue": queue})).json()["messages"].clone()
}

fn peek(visitor: &mut Visitor<'_>, queue: &str) -> Value {
    visitor.get(&format!("/peek-flash?queue={queue}")).json()["messages"].clone()
}

#[test]
fn r28_r32_messages_come_out_in_the_order_they_went_in() {
    let mut visitor = visitor("");
    for number in 1..=3 {
        flash(&mut visitor, json!(number), "");
    }
    assert_eq!(pop(&mut visitor, ""), json!([1, 2, 3]));
}

#[test]
fn r29_any_value_can_be_a_message_and_is_kept_as_it_is() {
    let messages =
        json!(["<b>&\"'", 1, 1.5, true, null, {"level": "warn", "args": [1]}, "東京 😀", "", []]);
    let mut visitor = visitor("");
    for message in messages.as_array().expect("a list") {
        flash(&mut visitor, message.clone(), "q");
    }
    assert_eq!(pop(&mut visitor, "q"), messages);
}

#[test]
fn r30_queues_do_not_touch_each_other() {
    let mut visitor = visitor("");
    for queue in ["", "a", "b"] {
        flash(&mut visitor, json!(format!("for {queue}")), queue);
    }
    assert_eq!(pop(&mut visitor, "a"), json!(["for a"]));
    assert_eq!(pop(&mut visitor, ""), json!(["for "]));
    assert_eq!(pop(&mut visitor, "b"), json!(["for b"]));
}

#[test]
fn r30_no_queue_at_all_is_the_default_one() {
    let mut visitor = visitor("");
    visitor.post("/flash", &json!({"message": "m"}));
    assert_eq!(pop(&mut visitor, ""), json!(["m"]));
    flash(&mut visitor, json!("n"), "");
    assert_eq!(visitor.get("/peek-flash").json(), json!({"messages": ["n"]}));
}

#[test]
fn r30_a_queue_named_by_something_else_is_refused() {
    let answer = visitor("").post("/flash", &json!({"message": "m", "queue": 1}));
    assert_eq!(answer.error(), (400, "bad_request".into()));
}

#[test]
fn r31_a_unique_message_is_refused_only_while_an_equal_one_waits_there() {
    let mut visitor = visitor("");
    let mut unique = |message: Value, queue: &str| {
        let body = json!({"message": message, "queue": queue, "allow_duplicate": false});
        visitor.post("/flash", &body);
        peek(&mut visitor, queue)
    };
    assert_eq!(unique(json!({"a": 1, "b": 2}), ""), json!([{"a": 1, "b": 2}]));
    assert_eq!(unique(json!({"b": 2, "a": 1}), ""), json!([{"a": 1, "b": 2}]), "equal as JSON");
    assert_eq!(unique(json!({"b": 2, "a": 1}), "q"), json!([{"a": 1, "b": 2}]), "another queue");
    assert_eq!(unique(json!("1"), "r"), json!(["1"]));
    assert_eq!(unique(json!(1), "r"), json!(["1", 1]), "a number is no text");
    pop(&mut visitor, "r");
    let body = json!({"message": 1, "queue": "r", "allow_duplicate": false});
    visitor.post("/flash", &body);
    assert_eq!(peek(&mut visitor, "r"), json!([1]), "the one before was popped");
}

#[test]
fn r31_otherwise_duplicates_wait_side_by_side() {
    let mut visitor = visitor("");
    flash(&mut visitor, json!("m"), "");
    flash(&mut visitor, json!("m"), "");
    assert_eq!(pop(&mut visitor, ""), json!(["m", "m"]));
}

#[test]
fn r32_popping_takes_the_queue_away() {
    let mut visitor = visitor("");
    flash(&mut visitor, json!("m"), "q");
    assert_eq!(visitor.get("/info").json()["keys"], json!(["_f_q"]));
    pop(&mut visitor, "q");
    assert_eq!(visitor.get("/info").json()["keys"], json!([]));
}

#[test]
fn r32_popping_nothing_writes_nothing() {
    let answer = visitor("").post("/pop-flash", &json!({}));
    assert_eq!((answer.json(), answer.set_cookie()), (json!({"messages": []}), None));
    let mut with_session = visitor("");
    with_session.post("/set", &json!({"key": "a", "value": 1}));
    for page in [with_session.post("/pop-flash", &json!({})), with_session.get("/page")] {
        assert_eq!(page.set_cookie(), None, "{}", page.text);
    }
}

#[test]
fn r33_a_second_pop_finds_nothing() {
    let mut visitor = visitor("");
    flash(&mut visitor, json!("m"), "");
    pop(&mut visitor, "");
    assert_eq!(pop(&mut visitor, ""), json!([]));
}

#[test]
fn r34_r35_push_peek_peek_pop_peek() {
    let mut visitor = visitor("");
    assert_eq!(peek(&mut visitor, ""), json!([]));
    flash(&mut visitor, json!("m"), "");
    assert_eq!(peek(&mut visitor, ""), json!(["m"]));
    assert_eq!(peek(&mut visitor, ""), json!(["m"]));
    assert_eq!(pop(&mut visitor, ""), json!(["m"]));
    assert_eq!(peek(&mut visitor, ""), json!([]));
}

#[test]
fn r35_the_same_within_one_request() {
    let mut visitor = visitor("");
    let mut steps = vec![json!({"route": "/flash", "body": {"message": "m"}})];
    let mut last = |route: &str| -> Answer {
        steps.push(json!({"route": route}));
        visitor.post("/slow", &json!({"sleep_ms": 0, "then": steps}))
    };
    assert_eq!(last("/peek-flash").json(), json!({"messages": ["m"]}));
    visitor.forget_cookies();
    let steps = ["/peek-flash", "/pop-flash", "/peek-flash"].map(|route| json!({"route": route}));
    let answer = visitor.post("/slow", &json!({"sleep_ms": 0, "then": steps}));
    assert_eq!(answer.json(), json!({"messages": []}));
}

#[test]
fn r36_a_message_survives_a_redirect_and_is_shown_once_escaped() {
    let mut visitor = visitor("");
    let then = json!({"route": "/flash", "body": {"message": "<script>alert('&')</script>"}});
    assert_eq!(visitor.post("/fail", &json!({"status": 303, "then": then})).status, 303);
    let page = visitor.get("/page");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let shown = "<li>&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</li>";
    assert!(page.text.contains(shown), "{}", page.text);
    assert!(!visitor.get("/page").text.contains("<li>"));
}

#[test]
fn r37_something_else_under_a_queues_key_is_an_empty_queue() {
    for value in [json!(1), json!("text"), json!({"a": 1}), json!(null), json!(true)] {
        let mut visitor = visitor("");
        visitor.post("/set", &json!({"key": "_f_x", "value": value}));
        let none = json!({"messages": []});
        assert_eq!(visitor.post("/pop-flash", &json!({"queue": "x"})).json(), none, "{value}");
        assert_eq!(visitor.get("/peek-flash?queue=x").json(), none, "{value}");
        assert_eq!(visitor.get("/get?key=_f_x").json(), json!({"value": value}), "it stays");
        visitor.post("/flash", &json!({"message": "m", "queue": "x"}));
        let one = json!({"messages": ["m"]});
        assert_eq!(visitor.post("/pop-flash", &json!({"queue": "x"})).json(), one, "{value}");
    }
}
