//! Responses that nobody gets to see: flash messages that went into them wait for another.

use serde_json::{Value, json};

use super::visitor;

/// Pops in a request of this kind that nobody looks at, then in one that somebody does. Gives what that one shows.
fn shown_after(method: &str, path: &str, lines: &str, body: &str) -> Value {
    let mut visitor = visitor("");
    visitor.post("/flash", &json!({"message": "m"}));
    let cookie = format!("cookie: session={}\r\n", visitor.cookie().expect("a cookie was set"));
    let unseen = visitor.connection().ask(method, path, &format!("{cookie}{lines}"), body);
    // Where the session is a cookie, the response has one with the messages still in it, or none at all.
    if let Some(cookie) = unseen.expect("an answer").set_cookie() {
        visitor.set_cookie(cookie.value);
    }
    visitor.post("/pop-flash", &json!({})).json()
}

/// Pops, then answers like this.
fn popping(how: &Value) -> String {
    let mut body = json!({"then": {"route": "/pop-flash"}});
    body[how[0].as_str().expect("a name")] = how[1].clone();
    body.to_string()
}

#[test]
fn s67_a_head_request_shows_nothing() {
    assert_eq!(shown_after("HEAD", "/page", "", ""), json!({"messages": ["m"]}));
}

#[test]
fn s67_a_prefetch_shows_nothing_yet() {
    for purpose in ["prefetch", "prefetch;prerender", "x, Prefetch"] {
        let shown = shown_after("GET", "/page", &format!("sec-purpose: {purpose}\r\n"), "");
        assert_eq!(shown, json!({"messages": ["m"]}), "{purpose}");
    }
}

#[test]
fn s67_a_page_that_is_elsewhere_or_unchanged_shows_nothing_new() {
    for status in [301, 302, 303, 304, 307] {
        let body = popping(&json!(["status", status]));
        let shown = shown_after("POST", "/fail", "", &body);
        assert_eq!(shown, json!({"messages": ["m"]}), "{status}");
    }
}

#[test]
fn s67_an_error_page_shows_no_message() {
    for how in [json!(["status", 500]), json!(["status", 503]), json!(["panic", true])] {
        let shown = shown_after("POST", "/fail", "", &popping(&how));
        assert_eq!(shown, json!({"messages": ["m"]}), "{how}");
    }
}

#[test]
fn s67_a_page_that_is_seen_shows_it_once() {
    assert_eq!(shown_after("GET", "/page", "", ""), json!({"messages": []}));
    for status in [200, 404] {
        let body = popping(&json!(["status", status]));
        assert_eq!(shown_after("POST", "/fail", "", &body), json!({"messages": []}), "{status}");
    }
}
