//! What applications write by hand on the cookie crate 0.18: a map as JSON in a signed or private cookie.

use std::collections::HashMap;
use std::convert::Infallible;

use cookie::{Cookie, CookieJar, Key};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tower::service_fn;

use crate::measure::{Request, ask};
use crate::session::{Body, NUMBER, Op, Size, answer, next_number, request};

pub const SIGNED: &str = "cookie 0.18.2 by hand, signed";
pub const PRIVATE: &str = "cookie 0.18.2 by hand, private";
const COOKIE_NAME: &str = "session";

type Map = HashMap<String, Value>;

#[must_use]
pub fn signed(size: Option<Size>, op: Op) -> Request {
    handling(size, op, false)
}

#[must_use]
pub fn private(size: Option<Size>, op: Op) -> Request {
    handling(size, op, true)
}

fn handling(size: Option<Size>, op: Op, is_private: bool) -> Request {
    let key = Key::from(&[7; 64]);
    let cookie = size.map(|size| {
        let mut map = Map::from([(NUMBER.to_owned(), next_number().into())]);
        map.extend(size.texts().into_iter().map(|(key, text)| (key, text.into())));
        let (set, _) = write(&map, &key, is_private).split_once(';').map(own).expect("attributes");
        HeaderValue::try_from(set).expect("a header's value")
    });
    let mut service = service_fn(move |request: http::Request<Body>| {
        let mut response = answer();
        match op {
            Op::Leave => {}
            Op::Read => {
                let map = read(request.headers(), &key, is_private);
                std::hint::black_box(map.get(NUMBER).and_then(Value::as_u64));
            }
            Op::Write => {
                let mut map = read(request.headers(), &key, is_private);
                map.insert(NUMBER.to_owned(), next_number().into());
                let set = HeaderValue::try_from(write(&map, &key, is_private));
                response.headers_mut().append(SET_COOKIE, set.expect("a header's value"));
            }
        }
        async { Ok::<_, Infallible>(response) }
    });
    Box::new(move || drop(ask(&mut service, request(cookie.as_ref()))))
}

fn read(headers: &HeaderMap, key: &Key, is_private: bool) -> Map {
    let mut jar = CookieJar::new();
    let Some(text) = headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok()) else {
        return Map::new();
    };
    for cookie in Cookie::split_parse_encoded(text.to_owned()).flatten() {
        jar.add_original(cookie);
    }
    let cookie = if is_private {
        jar.private(key).get(COOKIE_NAME)
    } else {
        jar.signed(key).get(COOKIE_NAME)
    };
    cookie.and_then(|cookie| serde_json::from_str(cookie.value()).ok()).unwrap_or_default()
}

fn write(map: &Map, key: &Key, is_private: bool) -> String {
    let json = serde_json::to_string(map).expect("JSON");
    let cookie = Cookie::build((COOKIE_NAME, json)).path("/").http_only(true).secure(true);
    let mut jar = CookieJar::new();
    if is_private {
        jar.private_mut(key).add(cookie);
    } else {
        jar.signed_mut(key).add(cookie);
    }
    jar.delta().next().expect("a cookie").encoded().to_string()
}

fn own((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
