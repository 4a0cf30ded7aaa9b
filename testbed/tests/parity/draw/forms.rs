//! What a guard stands before: forms with a token, without one, with another's, and handshakes of sockets.

use super::{Draw, get, post};
use crate::request::Request;

const PATHS: [&str; 9] = [
    "/csrf/guarded",
    "/csrf/guarded",
    "/csrf/guarded",
    "/csrf/guarded/7",
    "/csrf/exempt/7",
    "/csrf/exempt/%2e",
    "/csrf/predicate",
    "/csrf/check",
    "/csrf/check-chapter",
];

const TOKENS: [&str; 9] = [
    "<token>",
    "<token>",
    "<token>",
    "<token>",
    "<old token>",
    "<foreign token>",
    "junk",
    "",
    "<token>x",
];

const METHODS: [&str; 8] = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY"];

const URLENCODED: &str = "content-type: application/x-www-form-urlencoded";

const TYPES: [&str; 8] = [
    "",
    "content-type: text/plain",
    "content-type: application/json",
    "content-type: multipart/form-data",
    "content-type: multipart/form-data; boundary=",
    "content-type: Application/X-WWW-Form-URLEncoded; charset=utf-8",
    "content-type: multipart/form-data; boundary=other",
    "content-type: application/x-www-form-urlencoded\r\ncontent-type: text/plain",
];

/// How much there is before the token: forms are searched up to 64 KiB.
const PADDINGS: [usize; 6] = [0, 0, 0, 10, 1_000, 66_000];

/// A handshake, whole and with something amiss.
const HANDSHAKES: [[&str; 4]; 6] = [
    ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", WEBSOCKET_KEY],
    [
        "upgrade: WebSocket",
        "connection: keep-alive, Upgrade",
        "sec-websocket-version: 13",
        WEBSOCKET_KEY,
    ],
    ["", "connection: upgrade", "sec-websocket-version: 13", WEBSOCKET_KEY],
    ["upgrade: websocket", "", "sec-websocket-version: 13", WEBSOCKET_KEY],
    ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 12", WEBSOCKET_KEY],
    ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13", ""],
];
const WEBSOCKET_KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";

impl Draw {
    pub(super) fn form(&mut self) -> Request {
        match self.below(12) {
            0 => get("/csrf/token"),
            1 => get("/csrf/form"),
            2 => post("/csrf/new", "", ""),
            3 => self.handshake(),
            _ => self.submission(),
        }
    }

    fn submission(&mut self) -> Request {
        let (path, token) = (self.one_of(&PATHS), self.one_of(&TOKENS));
        let mut request = match self.below(5) {
            0 => {
                let form = post(path, URLENCODED, "a=b");
                Request {
                    lines: [form.lines, vec![format!("x-csrf-token: {token}")]].concat(),
                    ..form
                }
            }
            1 => post(format!("{path}?csrf_token={token}"), URLENCODED, "a=b"),
            2 => self.multipart(path, token),
            3 => post(path, URLENCODED, "a=%zz&&b=\u{ff}"),
            _ => self.urlencoded(path, token),
        };
        if self.is_one_in(8) {
            request.lines[0] = self.one_of(&TYPES).into();
        }
        if self.is_one_in(6) {
            request.method = self.one_of(&METHODS);
        }
        request
    }

    fn urlencoded(&mut self, path: &str, token: &str) -> Request {
        let padding = "p".repeat(self.one_of(&PADDINGS));
        let field =
            self.one_of(&["csrf_token", "csrf_token", "csrf_token", "CSRF_token", "csrf%5ftoken"]);
        let more = self.one_of(&["", "&csrf_token=junk", "&b=ж", "&"]);
        post(path, URLENCODED, format!("a={padding}&{field}={token}{more}"))
    }

    fn multipart(&mut self, path: &str, token: &str) -> Request {
        let padding = "p".repeat(self.one_of(&PADDINGS));
        let boundary = self.one_of(&["xYz", "\"x Yz\"", "xYz; charset=utf-8"]);
        let line = if boundary.starts_with('"') { "x Yz" } else { "xYz" };
        let disposition = "content-disposition: form-data";
        let token = self
            .one_of(&[
                "; name=\"csrf_token\"\r\n\r\n<>",
                "; name=\"csrf_token\"\r\n\r\n<>",
                "; name=csrf_token\r\ncontent-type: text/plain\r\n\r\n<>",
                "; name=\"csrf_token\"; filename=\"a.txt\"\r\n\r\n<>",
                "\r\n\r\n<>",
            ])
            .replace("<>", token);
        let end = self.one_of(&["--\r\n", "--\r\n", "--", "", "\r\n"]);
        let body = format!(
            "--{line}\r\n{disposition}; name=\"a\"\r\n\r\n{padding}\r\n--{line}\r\n{disposition}{token}\r\n--{line}{end}"
        );
        post(path, &format!("content-type: multipart/form-data; boundary={boundary}"), body)
    }

    fn handshake(&mut self) -> Request {
        let lines = self.one_of(&HANDSHAKES).map(str::to_owned).to_vec();
        let method = if self.is_one_in(8) { "POST" } else { "GET" };
        Request { method, lines, ..get("/csrf/socket") }
    }
}
