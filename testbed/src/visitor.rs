//! A visitor: a browser without a screen, that keeps the cookies it is given and sends them back.

use std::collections::BTreeMap;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response};
use serde_json::Value;
use ureq::{Agent, Body};

use crate::{Connection, Service};

/// The name of the session's cookie.
const SESSION: &str = "session";

/// Somebody who visits a service, or several that share a cookie.
#[derive(Debug)]
pub struct Visitor<'a> {
    service: &'a Service,
    agent: Agent,
    cookies: BTreeMap<String, String>,
}

impl<'a> Visitor<'a> {
    /// Somebody without cookies.
    #[must_use]
    pub fn new(service: &'a Service) -> Self {
        Self { service, agent: agent(), cookies: BTreeMap::new() }
    }

    /// Goes to another service and takes the cookies along.
    pub fn at(&mut self, service: &'a Service) -> &mut Self {
        self.service = service;
        self
    }

    /// A connection to the same service.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::to(self.service)
    }

    /// The session cookie, if there is one.
    #[must_use]
    pub fn cookie(&self) -> Option<&str> {
        self.cookies.get(SESSION).map(String::as_str)
    }

    /// Has this session cookie from now on.
    pub fn set_cookie(&mut self, value: impl Into<String>) -> &mut Self {
        self.cookies.insert(SESSION.into(), value.into());
        self
    }

    /// Forgets all cookies.
    pub fn forget_cookies(&mut self) {
        self.cookies.clear();
    }

    /// `GET` with the cookies that are there.
    pub fn get(&mut self, path: &str) -> Answer {
        let cookies = self.cookie_header();
        let answer = self.get_with_cookie_header(path, cookies.as_bytes());
        self.keep_cookies(&answer);
        answer
    }

    /// `POST` with a body of JSON.
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string())
    }

    /// `POST` with a body that is text already.
    ///
    /// # Panics
    /// If the service cannot be reached.
    pub fn post_text(&mut self, path: &str, body: &str) -> Answer {
        let request = self.agent.post(self.url(path)).header(COOKIE, self.cookie_header());
        let response = request.header("Content-Type", "application/json").send(body);
        let answer = Answer::read(response.unwrap_or_else(|error| panic!("{path}: {error}")));
        self.keep_cookies(&answer);
        answer
    }

    /// `POST` of a form, with the cookies that are there and these headers.
    pub fn post_form(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        self.send("POST", path, &[&[form], headers].concat(), &body)
    }

    /// Any request, with the cookies that are there.
    ///
    /// # Panics
    /// If the service cannot be reached, or this is no request.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(self.url(path));
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, self.cookie_header());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_owned()).expect("a request");
        // A connection of its own: a server that refuses a request without reading its body closes the connection.
        let response = agent().run(request);
        let answer = Answer::read(response.unwrap_or_else(|error| panic!("{path}: {error}")));
        self.keep_cookies(&answer);
        answer
    }

    /// `GET` with exactly these `Cookie` bytes; the answer's cookies are not kept.
    ///
    /// # Panics
    /// If the service cannot be reached, or the bytes are none that a header can hold.
    #[must_use]
    pub fn get_with_cookie_header(&self, path: &str, cookies: &[u8]) -> Answer {
        let cookies = HeaderValue::from_bytes(cookies).expect("bytes that a header can hold");
        let response = self.agent.get(self.url(path)).header(COOKIE, cookies).call();
        Answer::read(response.unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.service.url())
    }

    fn cookie_header(&self) -> String {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.set_cookies() {
            if cookie.has("Max-Age=0") {
                self.cookies.remove(&cookie.name);
            } else {
                self.cookies.insert(cookie.name, cookie.value);
            }
        }
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    fn read(mut response: Response<Body>) -> Self {
        let text = response.body_mut().read_to_string().expect("a whole body of text");
        Self { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }

    /// The body as JSON; it must have come with status 200.
    ///
    /// # Panics
    /// If it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Status and kind of an error, such as `(500, "too_large")`.
    ///
    /// # Panics
    /// If the body is not that of an error.
    #[must_use]
    pub fn error(&self) -> (u16, String) {
        let body: BTreeMap<String, String> = serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text));
        assert!(!body["detail"].is_empty(), "{}", self.text);
        (self.status, body["error"].clone())
    }

    /// The text of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The one cookie that is set, if any.
    ///
    /// # Panics
    /// If there are several.
    #[must_use]
    pub fn set_cookie(&self) -> Option<SetCookie> {
        let mut cookies = self.set_cookies();
        assert!(cookies.len() < 2, "{cookies:?}");
        cookies.pop()
    }

    /// All cookies that are set, in their order.
    #[must_use]
    pub fn set_cookies(&self) -> Vec<SetCookie> {
        self.headers.get_all(SET_COOKIE).iter().map(SetCookie::parse).collect()
    }
}

/// A `Set-Cookie` header in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCookie {
    /// The cookie's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What follows, such as `Path=/`.
    pub attributes: Vec<String>,
}

impl SetCookie {
    fn parse(header: &HeaderValue) -> Self {
        let text = header.to_str().expect("a cookie of text");
        let mut parts = text.split("; ").map(str::to_owned);
        let pair = parts.next().unwrap_or_default();
        let (name, value) = pair.split_once('=').expect("a name and a value");
        Self { name: name.into(), value: value.into(), attributes: parts.collect() }
    }

    /// Whether it has this attribute.
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|other| other == attribute)
    }
}
