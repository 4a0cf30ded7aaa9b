//! Requests drawn from a seed: the same in every run, of every kind, with values that are hard to carry.

use serde_json::{Value, json};

/// One `POST` or `GET` of the testbed.
#[derive(Debug)]
pub struct Request {
    /// The route.
    pub path: &'static str,
    /// The body; none for a `GET`.
    pub body: Value,
}

impl Request {
    /// Whether it is a `GET`.
    #[must_use]
    pub fn is_get(&self) -> bool {
        self.body.is_null()
    }
}

/// How often each kind comes, in words of a lottery.
const KINDS: [&str; 24] = [
    "/set",
    "/set",
    "/set",
    "/set",
    "/set-default",
    "/set-default",
    "/update",
    "/update",
    "/add",
    "/add",
    "/remove",
    "/pop-item",
    "/changed",
    "/flash",
    "/flash",
    "/flash",
    "/flash",
    "/pop-flash",
    "/pop-flash",
    "/csrf/token",
    "/csrf/token",
    "/csrf/new",
    "/invalidate",
    "/clear",
];
const KEYS: [&str; 6] = ["name", "cart", "größe", "", "a.b", "😀"];
const QUEUES: [&str; 3] = ["", "warn", "лог"];
const TEXTS: [&str; 8] = [
    "",
    "plain",
    "Grüße",
    "東京",
    "😀𝄞",
    "\"\\/\u{8}\u{c}\n\r\t",
    "\0\u{1f}\u{7f}",
    "\u{2028}</b>",
];

/// An endless list of requests.
#[derive(Debug)]
pub struct Script {
    state: u64,
}

impl Script {
    /// The list of this number.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next request. Where there is not much `room` left in the cookie, one that makes room.
    pub fn next_request(&mut self, room: bool) -> Request {
        let path = if room { self.one_of(&KINDS) } else { "/clear" };
        let (key, queue) = (self.one_of(&KEYS), self.one_of(&QUEUES));
        let body = match path {
            "/set" | "/set-default" => json!({"key": key, "value": self.value(2)}),
            "/update" => {
                let other = self.one_of(&KEYS);
                json!({"values": {key: self.value(1), other: self.value(1)}})
            }
            "/add" => json!({"key": "count", "by": self.below(7)}),
            "/remove" => json!({"key": key}),
            "/flash" => {
                let (message, any) = (self.message(), self.below(2) == 0);
                json!({"message": message, "queue": queue, "allow_duplicate": any})
            }
            "/pop-flash" => json!({"queue": queue}),
            "/csrf/token" => Value::Null,
            _ => json!({}),
        };
        Request { path, body }
    }

    /// A text or an object: of these, equal is the same in Python and in JSON, unlike of `1`, `1.0` and `True`.
    fn message(&mut self) -> Value {
        let text = self.one_of(&TEXTS);
        if self.below(2) == 0 { json!(text) } else { json!({"level": "info", "text": text}) }
    }

    fn value(&mut self, depth: usize) -> Value {
        if depth > 0 {
            match self.below(4) {
                0 => return json!([self.value(depth - 1), self.value(depth - 1)]),
                1 => {
                    let (one, other) = (self.one_of(&KEYS), self.one_of(&KEYS));
                    return json!({one: self.value(depth - 1), other: self.value(depth - 1)});
                }
                _ => {}
            }
        }
        self.leaf()
    }

    fn leaf(&mut self) -> Value {
        match self.below(12) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(0),
            3 => json!((1_i64 << 53) + 1),
            4 => json!(i64::MIN),
            5 => json!(u64::MAX),
            6 => json!(0.1),
            7 => json!(1e22),
            8 => json!(-1e-7),
            9 => json!([]),
            _ => json!(self.one_of(&TEXTS)),
        }
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A number below `limit`, by splitmix64.
    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % limit as u64) as usize
    }
}
