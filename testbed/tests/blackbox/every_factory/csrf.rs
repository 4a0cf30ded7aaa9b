//! The session's CSRF token, and every way of checking it.

use serde_json::{Value, json};

use super::visitor;

fn token(answer: &cloakroom_testbed::Answer) -> String {
    let Value::String(token) = answer.json()["token"].clone() else { panic!("{}", answer.text) };
    token
}

#[test]
fn the_token_is_each_sessions_own() {
    let tokens = [(); 8].map(|()| token(&visitor("").get("/csrf/token")));
    for (at, token) in tokens.iter().enumerate() {
        assert!(token.len() >= 40, "{token}");
        assert!(!tokens[..at].contains(token), "{token} twice");
    }
}

#[test]
fn the_token_stays_until_a_new_one_is_made() {
    let mut visitor = visitor("");
    let first = token(&visitor.get("/csrf/token"));
    assert_eq!(token(&visitor.get("/csrf/token")), first);
    let second = token(&visitor.post("/csrf/new", &json!({})));
    assert_ne!(second, first);
    assert_eq!(token(&visitor.get("/csrf/token")), second);
}

#[test]
fn reading_the_token_again_writes_nothing() {
    let mut visitor = visitor("");
    assert!(visitor.get("/csrf/token").set_cookie().is_some());
    assert_eq!(visitor.get("/csrf/token").set_cookie(), None);
}

#[test]
fn the_token_goes_with_invalidate() {
    let mut visitor = visitor("");
    let first = token(&visitor.get("/csrf/token"));
    visitor.post("/invalidate", &json!({}));
    assert_ne!(token(&visitor.get("/csrf/token")), first);
}

/// A visitor with a token, which lives as long as the test run.
fn with_token(options: &str) -> (cloakroom_testbed::Visitor<'static>, &'static str) {
    let mut visitor = visitor(options);
    let token = token(&visitor.get("/csrf/token")).leak();
    (visitor, token)
}

const REFUSED: (u16, &str) = (400, "csrf");

fn refused(answer: &cloakroom_testbed::Answer) -> (u16, String) {
    let (status, kind) = answer.error();
    assert_eq!(kind, "csrf");
    (status, answer.text.clone())
}

#[test]
fn r44_r78_the_manual_check_takes_the_header_first_and_then_the_form() {
    let (mut visitor, token) = with_token("");
    let valid = json!({"valid": true});
    let header = |value| [("X-CSRF-Token", value)];
    let good = [("a", "b"), ("csrf_token", token)];
    let bad = [("csrf_token", "junk")];
    assert_eq!(visitor.post_form("/csrf/check", &good, &[]).json(), valid);
    assert_eq!(visitor.post_form("/csrf/check", &[], &header(token)).json(), valid);
    assert_eq!(visitor.post_form("/csrf/check", &bad, &header(token)).json(), valid);
    assert_eq!(visitor.post_form("/csrf/check", &good, &header("")).json(), valid);
    for (fields, header) in [(&good[..], &header("junk")[..]), (&bad, &[]), (&[], &[])] {
        let answer = visitor.post_form("/csrf/check", fields, header);
        assert_eq!((answer.error().0, answer.error().1.as_str()), REFUSED);
    }
    let in_query = format!("/csrf/check?csrf_token={token}");
    assert_eq!(visitor.post_form(&in_query, &[], &[]).error().0, 400, "the query is no place");
}

#[test]
fn r47_by_the_chapter_the_first_that_is_there_decides() {
    let (mut visitor, token) = with_token("");
    let with = |value: &str| format!("/csrf/check-chapter?csrf_token={value}");
    let (good, bad) = ([("csrf_token", token)], [("csrf_token", "junk")]);
    let header = [("X-CSRF-Token", token)];
    for (path, fields, headers, status) in [
        (with(token), &bad[..], &[][..], 200),
        (with("junk"), &good, &header, 400),
        (with(""), &good, &header, 400),
        ("/csrf/check-chapter".into(), &good, &[("X-CSRF-Token", "junk")], 200),
        ("/csrf/check-chapter".into(), &bad, &header, 400),
        ("/csrf/check-chapter".into(), &[], &header, 200),
        ("/csrf/check-chapter".into(), &[], &[], 400),
    ] {
        let answer = visitor.post_form(&path, fields, headers);
        assert_eq!(answer.status, status, "{path} {fields:?} {headers:?}");
    }
    assert_eq!(visitor.get(&with(token)).status, 200, "any method");
}

#[test]
fn r41_r51_a_token_dies_with_its_successor_and_with_its_session() {
    for end in ["/csrf/new", "/invalidate", "/renew"] {
        let (mut visitor, token) = with_token("");
        visitor.post("/set", &json!({"key": "a", "value": 1}));
        visitor.post(end, &json!({}));
        let answer = visitor.post_form("/csrf/check", &[("csrf_token", token)], &[]);
        assert_eq!(answer.error().0, 400, "{end}");
    }
}

#[test]
fn s51_a_token_of_another_session_is_none() {
    let ((_, foreign), (mut visitor, _)) = (with_token(""), with_token(""));
    for path in ["/csrf/check", "/csrf/guarded"] {
        let answer = visitor.post_form(path, &[("csrf_token", foreign)], &[]);
        assert_eq!(refused(&answer).0, 400, "{path}");
    }
}

#[test]
fn s54_twenty_tabs_share_one_token() {
    let (mut visitor, _) = with_token("");
    let tabs: Vec<String> = (0..20).map(|_| token(&visitor.get("/csrf/token"))).collect();
    for tab in tabs {
        assert_eq!(visitor.post_form("/csrf/guarded", &[("csrf_token", &tab)], &[]).status, 200);
    }
}

#[test]
fn r49_r50_the_predicate_makes_a_miss_a_404() {
    let (mut visitor, token) = with_token("");
    let answer = visitor.post_form("/csrf/predicate", &[("csrf_token", token)], &[]);
    assert_eq!(answer.json(), json!({"matched": true}));
    let answer = visitor.post_form("/csrf/predicate", &[], &[("X-CSRF-Token", token)]);
    assert_eq!(answer.json(), json!({"matched": true}));
    for fields in [&[][..], &[("csrf_token", "junk")]] {
        assert_eq!(visitor.post_form("/csrf/predicate", fields, &[]).status, 404);
    }
}

#[test]
fn r48_s59_a_refusal_is_inert() {
    // Options that no other test has, so that the counts are this one's.
    let mut visitor = visitor("--idle 1199");
    let answer = visitor.post_form("/csrf/check", &[("csrf_token", "junk")], &[]);
    assert_eq!((answer.status, answer.set_cookie()), (400, None), "no token is made");
    visitor.post("/set", &json!({"key": "a", "value": 1}));
    let before = visitor.get("/stats").json();
    for headers in
        [&[][..], &[("Sec-Fetch-Site", "cross-site")], &[("Origin", "https://evil.example")]]
    {
        let answer = visitor.post_form("/csrf/guarded", &[("csrf_token", "junk")], headers);
        assert!([400, 403].contains(&answer.status), "{headers:?}");
        assert_eq!(answer.set_cookie(), None);
        let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert!(vary.iter().any(|vary| *vary == "Origin, Sec-Fetch-Site"), "{vary:?}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    let after = visitor.get("/stats").json();
    assert_eq!(after["steps"], before["steps"], "the handler did not run");
    let writes = |stats: &Value| {
        ["create", "replace", "touch", "remove"].map(|call| stats["store_calls"][call].clone())
    };
    assert_eq!(writes(&after), writes(&before));
}

#[test]
fn s46_s47_the_guard_asks_where_a_request_comes_from() {
    let (mut visitor, token) = with_token("--origin https://shop.example");
    let site = |value| ("Sec-Fetch-Site", value);
    let origin = |value| ("Origin", value);
    for (headers, status) in [
        (&[site("same-origin")][..], 200),
        (&[site("none")], 200),
        (&[site("same-site")], 403),
        (&[site("cross-site")], 403),
        (&[site("Same-Origin")], 403),
        (&[origin("https://shop.example")], 200),
        (&[origin("http://shop.example")], 403),
        (&[origin("https://shop.example:444")], 403),
        (&[origin("null")], 403),
        (&[("Referer", "https://shop.example/a/b")], 200),
        (&[("Referer", "https://evil.example/https://shop.example/")], 403),
        (&[], 200),
    ] {
        let answer = visitor.post_form("/csrf/guarded", &[("csrf_token", token)], headers);
        assert_eq!(answer.status, status, "{headers:?}");
        let answer = visitor.post_form("/csrf/guarded", &[], headers);
        assert!(answer.status >= 400, "the token is needed in any case: {headers:?}");
    }
}

#[test]
fn s48_s57_what_the_guard_lets_through_without_a_token() {
    let mut nobody = visitor("");
    assert_eq!(nobody.post_form("/csrf/guarded", &[], &[]).status, 200, "no cookie, no rights");
    let (mut visitor, _) = with_token("");
    assert_eq!(visitor.get("/csrf/guarded").status, 200);
    for method in ["POST", "PUT", "DELETE"] {
        let overriding = [("X-HTTP-Method-Override", "GET")];
        assert_eq!(visitor.send(method, "/csrf/guarded", &overriding, "").status, 400, "{method}");
    }
}

#[test]
fn s55_the_body_reaches_the_handler_whole() {
    let (mut visitor, token) = with_token("");
    let boundary = "multipart/form-data; boundary=xYz";
    let part = |name: &str, value: &str| {
        format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let end = "--xYz--\r\n";
    let first = format!("{}{}{end}", part("csrf_token", token), part("rest", &"ü".repeat(200_000)));
    let last = format!("{}{}{end}", part("rest", "a\r\n--xY"), part("csrf_token", token));
    for body in [&first, &last] {
        let answer = visitor.send("POST", "/csrf/guarded", &[("Content-Type", boundary)], body);
        assert_eq!(answer.json()["body"], **body);
        assert_eq!(answer.json()["content_type"], boundary);
    }
    let late = format!("{}{}{end}", part("rest", &"a".repeat(65_536)), part("csrf_token", token));
    let answer = visitor.send("POST", "/csrf/guarded", &[("Content-Type", boundary)], &late);
    assert!(refused(&answer).1.contains("token_too_late"), "{}", answer.text);
    // What is no form carries its token in the header.
    for content_type in ["text/plain", "application/json", "application/octet-stream"] {
        let body = format!("csrf_token={token}");
        let headers = [("Content-Type", content_type)];
        let answer = visitor.send("POST", "/csrf/guarded", &headers, &body);
        assert!(refused(&answer).1.contains("token_missing"), "{}", answer.text);
        let headers = [headers[0], ("X-CSRF-Token", token)];
        assert_eq!(visitor.send("POST", "/csrf/guarded", &headers, &body).status, 200);
    }
}

#[test]
fn s58_only_the_route_itself_is_exempt() {
    let (mut visitor, _) = with_token("");
    let answer = visitor.post_form("/csrf/exempt/github", &[], &[("Sec-Fetch-Site", "cross-site")]);
    assert_eq!(answer.status, 200);
    for path in ["/csrf/guarded", "/csrf/guarded/exempt"] {
        assert_eq!(visitor.post_form(path, &[], &[]).status, 400, "{path}");
    }
    for path in [
        "//csrf/exempt/github",
        "/csrf/exempt/github/",
        "/csrf/exempt/a/b",
        "/csrf/Exempt/github",
        "/csrf/%65xempt/../guarded",
        "/csrf/exempt/..%2fguarded/x",
        "/csrf/exempt;x/github",
    ] {
        let status = visitor.post_form(path, &[], &[]).status;
        assert!(status >= 400, "{path} was let through: {status}");
    }
}

#[test]
fn s56_a_websocket_from_elsewhere_is_refused() {
    let (mut visitor, token) = with_token("--origin http://shop.example");
    let handshake = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut shake = |header: (&str, &str)| {
        visitor.send("GET", "/csrf/socket", &[&handshake[..], &[header]].concat(), "").status
    };
    assert_eq!(shake(("Origin", "http://shop.example")), 101);
    assert_eq!(shake(("Sec-Fetch-Site", "same-origin")), 101);
    assert_eq!(shake(("Origin", "https://evil.example")), 403);
    assert_eq!(shake(("Sec-Fetch-Site", "same-site")), 403);
    assert_eq!(shake(("X-Nothing", "said")), 400);
    assert_eq!(shake(("X-CSRF-Token", token)), 101, "a program has said so");
}

#[test]
fn r79_the_guard_can_be_told_what_to_ask_for() {
    let cross = [("Sec-Fetch-Site", "cross-site")];
    let own = [("Sec-Fetch-Site", "same-origin")];
    for (options, headers, has_token, status) in [
        ("--csrf off", &cross, false, 200),
        ("--csrf token", &cross, true, 200),
        ("--csrf token", &own, false, 400),
        ("--csrf origin", &own, false, 200),
        ("--csrf origin", &cross, true, 403),
        ("--csrf all", &own, true, 200),
    ] {
        let (mut visitor, token) = with_token(options);
        let fields: &[_] = if has_token { &[("csrf_token", token)] } else { &[] };
        let answer = visitor.post_form("/csrf/guarded", fields, headers);
        assert_eq!(answer.status, status, "{options} {headers:?} {has_token}");
    }
}
