//! Every operation, with input that fits it and input that does not.

use super::{Draw, JSON, get, post};
use crate::request::Request;

const READINGS: [&str; 12] = [
    "/fred",
    "/info",
    "/get?key=<key>",
    "/all",
    "/peek-flash",
    "/peek-flash?queue=<queue>",
    "/page",
    "/page",
    "/page",
    "/csrf/token",
    "/mine",
    "/none",
];

/// Those that write, with the members of their input.
const WRITINGS: [(&str, &str); 21] = [
    ("/set", r#""key": <key>, "value": <value>"#),
    ("/set", r#""key": <key>, "value": <value>"#),
    ("/set-default", r#""key": <key>, "value": <value>"#),
    ("/update", r#""values": {<key>: <value>, <key>: <value>}"#),
    ("/add", r#""key": <key>, "by": <number>"#),
    ("/get-then-set", r#""key": <key>, "by": <number>"#),
    ("/remove", r#""key": <key>"#),
    ("/pop-item", ""),
    ("/clear", ""),
    ("/changed", ""),
    ("/invalidate", ""),
    ("/logout", ""),
    ("/renew", ""),
    ("/login", r#""user": <user>"#),
    ("/revoke-others", ""),
    ("/revoke-all", r#""user": <user>"#),
    ("/flash", r#""message": <value>, "queue": <queue>, "allow_duplicate": false"#),
    ("/flash", r#""message": <value>"#),
    ("/flash", r#""message": <value>"#),
    ("/flash", r#""message": <value>"#),
    ("/pop-flash", r#""queue": <queue>"#),
];

/// Input that no operation asks for.
const MISFITS: [&str; 14] = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    "{\"key\": 1, \"value\": 1}",
    "{\"key\": \"a\"}",
    "{\"key\": \"a\", \"by\": 0.5}",
    "{\"key\": \"a\", \"key\": \"b\", \"value\": 1}",
    "{\"key\": \"a\", \"value\": nul}",
    "{} {}",
    "\u{ff}",
    "{\"key\": \"\u{e9}\", \"value\": \"\u{e9}\"}",
    "\u{feff}{}",
];

const QUERIES: [&str; 12] = [
    "",
    "?",
    "?key",
    "?key=",
    "?key=a&key=b",
    "?key=%zz",
    "?key=%ff",
    "?key=a+b%20c",
    "?a=1;key=a",
    "?&&key=a&",
    "?key=%D0%B6",
    "?queue=&key=a#x",
];

const TYPES: [&str; 6] = [
    "",
    "content-type: text/plain",
    "content-type: application/json; charset=iso-8859-1",
    "content-type: application/json; charset=\"utf-8\"",
    "content-type: junk",
    "content-type: application/json\r\ncontent-type: text/html",
];

const KEYS: [&str; 7] = ["a", "b", "abc", "fred", "ж", "", "_csrft_"];
const QUEUES: [&str; 4] = ["", "news", "ж", "_"];
const USERS: [&str; 4] = ["ada", "bob", "ж", ""];
const NUMBERS: [&str; 5] = ["1", "-7", "9223372036854775807", "9223372036854775808", "0.5"];
const VALUES: [&str; 14] = [
    "null",
    "true",
    "0",
    "1",
    "-7",
    "0.1",
    "1e400",
    "18446744073709551615",
    r#""ж<b>&\"'""#,
    r#""\ud800""#,
    "[]",
    r#"[1, {"a": 0.10}]"#,
    r#"{"b": 1, "a": {"c": [null]}}"#,
    "<long>",
];

impl Draw {
    pub(super) fn operation(&mut self) -> Request {
        let mut request = if self.is_one_in(3) {
            let path = self.one_of(&READINGS);
            let path =
                if self.is_one_in(8) { path.split('?').next().unwrap_or(path) } else { path };
            let extra = if path.contains('?') { "" } else { self.one_of(&QUERIES) };
            let method = if self.is_one_in(4) { "HEAD" } else { "GET" };
            let target = self.fill(&format!("{path}{extra}"), |text| match text {
                "ж" => "%D0%B6".into(),
                text => text.into(),
            });
            Request { method, ..get(target) }
        } else {
            let (path, body) = self.writing();
            let content_type = if self.is_one_in(10) { self.one_of(&TYPES) } else { JSON };
            post(path, content_type, body)
        };
        if self.is_one_in(25) {
            request.method = self.one_of(&["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);
        }
        request
    }

    /// A route that writes, and its input.
    pub(super) fn writing(&mut self) -> (&'static str, String) {
        let (path, members) = self.one_of(&WRITINGS);
        if self.is_one_in(12) {
            return (path, self.one_of(&MISFITS).into());
        }
        (path, self.fill(&format!("{{{members}}}"), |text| format!("\"{text}\"")))
    }

    /// Puts something into each gap, and between quotes what stands for text.
    fn fill(&mut self, template: &str, quoted: impl Fn(&str) -> String) -> String {
        let mut filled = String::new();
        let mut parts = template.split_inclusive(['<', '>']);
        while let Some(part) = parts.next() {
            let Some(before) = part.strip_suffix('<') else {
                filled += part;
                continue;
            };
            filled += before;
            filled += &match parts.next() {
                Some("key>") => quoted(self.one_of(&KEYS)),
                Some("queue>") => quoted(self.one_of(&QUEUES)),
                Some("user>") => quoted(self.one_of(&USERS)),
                Some("number>") => self.one_of(&NUMBERS).into(),
                Some("value>") => self.value(),
                other => panic!("{template}: {other:?}"),
            };
        }
        filled
    }

    fn value(&mut self) -> String {
        match self.one_of(&VALUES) {
            // More than one cookie holds, three times of four.
            "<long>" => format!("\"{}\"", "long ".repeat(300 + self.below(4) * 300)),
            value => value.into(),
        }
    }
}
