//! Makes up requests: what browsers send, what they never would, and what somebody tries who wants in.

mod forms;
mod hardship;
mod operations;

use cloakroom_testbed::Dice;

use crate::request::Request;

/// What a seed has in store.
pub(crate) struct Draw {
    dice: Dice,
}

/// The `Cookie` lines of somebody who does not just send back what there was.
const COOKIES: [&str; 20] = [
    "",
    "cookie: ",
    "cookie: session",
    "cookie: session=",
    "cookie: session=junk",
    "cookie: session=<ticket>x",
    "cookie: session=x<ticket>",
    "cookie: session=\"<ticket>\"",
    "cookie: session=<old ticket>",
    "cookie: session=<foreign ticket>",
    "cookie: session=<ticket>; session=junk",
    "cookie: session=junk; session=<ticket>",
    "cookie: session=<old ticket>; session=<ticket>",
    "cookie: session=<ticket>\r\ncookie: session=<foreign ticket>",
    "cookie: theme=dark\r\ncookie: session=<ticket>",
    "cookie: a=b;session=<ticket>  ;;c",
    "cookie: Session=<ticket>; session =<ticket>",
    "cookie: \u{ff}=\u{fe}; session=<ticket>",
    "cookie: session=<ticket>\u{e9}",
    "cookie: =; ;=; session==<ticket>",
];

/// What a browser, or somebody in its place, says of where a request comes from.
const PROVENANCES: [&str; 25] = [
    "origin: http://testbed",
    "origin: http://testbed:80",
    "origin: https://testbed",
    "origin: HTTP://TESTBED",
    "origin: http://evil.example",
    "origin: http://testbed.evil.example",
    "origin: http://testbed/",
    "origin: null",
    "origin: ",
    "origin: \u{e9}",
    "origin: http://testbed\r\norigin: http://evil.example",
    "sec-fetch-site: same-origin",
    "sec-fetch-site: same-site",
    "sec-fetch-site: cross-site",
    "sec-fetch-site: none",
    "sec-fetch-site: perhaps",
    "sec-fetch-site: same-origin\r\nsec-fetch-site: cross-site",
    "sec-fetch-site: same-origin\r\norigin: http://evil.example",
    "sec-fetch-site: cross-site\r\norigin: http://testbed",
    "referer: http://testbed/page?a=b",
    "referer: https://testbed/page",
    "referer: http://evil.example/http://testbed/",
    "referer: ",
    "referer: /page",
    "origin: null\r\nreferer: http://testbed/page",
];

/// What changes how an answer is to be taken, or must not.
const CIRCUMSTANCES: [&str; 12] = [
    "sec-purpose: prefetch",
    "sec-purpose: prefetch;prerender",
    "purpose: prefetch",
    "x-moz: prefetch",
    "x-purpose: preview",
    "x-requested-with: XMLHttpRequest",
    "x-http-method-override: GET",
    "x-forwarded-proto: https",
    "x-forwarded-host: evil.example",
    "accept: text/html",
    "if-none-match: *",
    "range: bytes=0-3",
];

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { dice: Dice::new(seed) }
    }

    /// Three to twelve requests of one to three visitors, to a store that works again. Looks at what is left, and the counts,
    /// show at their end what no answer did.
    pub(crate) fn sequence(&mut self) -> Vec<Request> {
        let (length, visitors) = (3 + self.below(10), 1 + self.below(3));
        let mut sequence = vec![plain(post("/fault", JSON, "{}"))];
        for _ in 0..length {
            let mut request = self.request();
            request.visitor = self.below(visitors);
            sequence.push(request);
        }
        for visitor in 0..visitors {
            let mut look = plain(get(self.one_of(&["/all", "/peek-flash"])));
            look.lines.push("<cookies>".into());
            sequence.push(Request { visitor, ..look });
        }
        sequence.push(plain(get("/stats")));
        sequence
    }

    fn request(&mut self) -> Request {
        let mut request = match self.below(20) {
            0..=9 => self.operation(),
            10..=15 => self.form(),
            16..=18 => self.hardship(),
            _ => self.astray(),
        };
        request.lines.insert(0, "host: testbed".into());
        let cookies = if self.is_one_in(8) { self.one_of(&COOKIES) } else { "<cookies>" };
        request.lines.push(cookies.into());
        if self.is_one_in(3) {
            request.lines.push(self.one_of(&PROVENANCES).into());
        }
        if self.is_one_in(5) {
            request.lines.push(self.one_of(&CIRCUMSTANCES).into());
        }
        request.is_chunked = request.method != "GET" && self.is_one_in(10);
        request
    }

    /// To where nothing is, or nothing that takes this method.
    fn astray(&mut self) -> Request {
        const METHODS: [&str; 9] =
            ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
        const TARGETS: [&str; 24] = [
            "/",
            "/none",
            "/stats",
            "/nowhere",
            "/none/",
            "//none",
            "/none?",
            "/n%2fne",
            "/%zz",
            "/None",
            "/all/",
            "/set/",
            "/get?key=a",
            "/csrf",
            "/csrf/",
            "/csrf/nowhere",
            "/csrf/guarded/",
            "/csrf/guarded/1/2",
            "/csrf/exempt",
            "/csrf/predicate/",
            "/csrf/predicate/1",
            "/csrf/guarded/%2F",
            "/csrf/../none",
            "/csrf//guarded",
        ];
        Request { method: self.one_of(&METHODS), ..get(self.one_of(&TARGETS)) }
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn is_one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice.below(end as u64) as usize
    }
}

fn get(target: impl Into<String>) -> Request {
    Request {
        visitor: 0,
        method: "GET",
        target: target.into(),
        lines: Vec::new(),
        body: String::new(),
        is_chunked: false,
    }
}

fn post(target: impl Into<String>, content_type: &str, body: impl Into<String>) -> Request {
    let lines = vec![content_type.into()];
    Request { method: "POST", lines, body: body.into(), ..get(target) }
}

/// As it is, without cookies.
fn plain(mut request: Request) -> Request {
    request.lines.push("host: testbed".into());
    request
}

const JSON: &str = "content-type: application/json";
