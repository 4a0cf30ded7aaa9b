//! A request as it is drawn, with names in place of what only a process can give: `<cookies>`, `<ticket>`, `<token>`.

use std::fmt;

use cloakroom_testbed::Answer;

/// A request of one of a sequence's visitors.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) visitor: usize,
    pub(crate) method: &'static str,
    pub(crate) target: String,
    /// Header lines without their ends. Those that are empty once they are filled in are left out.
    pub(crate) lines: Vec<String>,
    pub(crate) body: String,
    pub(crate) is_chunked: bool,
}

/// What one process gave one visitor.
#[derive(Debug, Default)]
pub(crate) struct Jar {
    cookies: Vec<(String, String)>,
    /// The last ticket that was replaced or tossed.
    old_ticket: String,
    token: String,
    old_token: String,
}

/// What no server reads just to keep the connection, in bytes.
const LONG: usize = 16_000;

impl Request {
    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The bytes to send for a visitor with this jar, where somebody else has the other.
    pub(crate) fn bytes(&self, own: &Jar, other: &Jar) -> Vec<u8> {
        let fill = |text: &str| {
            text.replace("<cookies>", &own.line())
                .replace("<ticket>", own.ticket())
                .replace("<old ticket>", &own.old_ticket)
                .replace("<foreign ticket>", other.ticket())
                .replace("<token>", &own.token)
                .replace("<old token>", &own.old_token)
                .replace("<foreign token>", &other.token)
        };
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, fill(&self.target));
        let body = raw(&fill(&self.body));
        let framing = match (self.is_chunked, body.len()) {
            (true, _) => "transfer-encoding: chunked".into(),
            // Most browsers' GET says nothing of a body.
            (false, 0) if self.method == "GET" => String::new(),
            (false, length) => format!("content-length: {length}"),
        };
        // A server that leaves a long body unread hangs up, and not each says so.
        let end = if body.len() > LONG { "connection: close".into() } else { String::new() };
        let lines = self.lines.iter().map(|line| fill(line)).chain([framing, end]);
        for line in lines.filter(|line| !line.is_empty()) {
            head += &format!("{line}\r\n");
        }
        let mut bytes = raw(&(head + "\r\n"));
        if !self.is_chunked {
            bytes.extend(body);
            return bytes;
        }
        for chunk in body.chunks(700) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }
}

/// The bytes of a text, in which a letter up to U+00FF is that byte: no UTF-8 from U+0080 on.
fn raw(text: &str) -> Vec<u8> {
    if text.is_ascii() {
        return text.into();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match u8::try_from(letter) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

/// How much of a body is shown, in letters.
const SHOWN: usize = 400;

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visitor, method, target, lines, body, is_chunked } = self;
        let framing = if *is_chunked { "in chunks" } else { "as a whole" };
        // Long bodies are long because of one letter.
        let body: String = body.chars().take(SHOWN).collect();
        write!(f, "visitor {visitor}: {method} {target} {lines:?} {body:?} {framing}")
    }
}

impl Jar {
    /// Keeps what came with this answer.
    pub(crate) fn keep(&mut self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            if cookie.name == "session" && !self.ticket().is_empty() {
                self.old_ticket = self.ticket().to_owned();
            }
            self.cookies.retain(|(name, _)| *name != cookie.name);
            if !cookie.has("Max-Age=0") {
                self.cookies.push((cookie.name, cookie.value));
            }
        }
        let token =
            answer.text.strip_prefix(r#"{"token":""#).and_then(|rest| rest.strip_suffix(r#""}"#));
        if let Some(token) = token.filter(|token| *token != self.token) {
            self.old_token = std::mem::replace(&mut self.token, token.to_owned());
        }
    }

    fn ticket(&self) -> &str {
        let ticket = self.cookies.iter().find(|(name, _)| name == "session");
        ticket.map_or("", |(_, value)| value)
    }

    fn line(&self) -> String {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { String::new() } else { format!("cookie: {}", pairs.join("; ")) }
    }
}
