//! Every combination of what a request can say of itself, against an oracle that was written from the rules and knows
//! nothing of the code.

use std::convert::Infallible;

use axum::body::Body;
use cloakroom::store::MemoryStore;
use cloakroom::{CsrfLayer, Session, SessionLayer, StoredFactory};
use http::{Request, Response};
use http_body_util::Empty;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};

/// With what they ask their connection to become, if anything.
const METHODS: [&str; 11] = [
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "DELETE",
    "TRACE",
    "FOO",
    "GET + websocket",
    "GET + h2c",
    "CONNECT",
];
const SITES: [&[&str]; 8] = [
    &[],
    &["same-origin"],
    &["none"],
    &["same-site"],
    &["cross-site"],
    &["junk"],
    &["Same-Origin"],
    &["same-origin", "same-origin"],
];
const ORIGINS: [&[&str]; 9] = [
    &[],
    &["https://shop.example"],
    &["http://shop.example"],
    &["https://shop.example:8443"],
    &["https://blog.shop.example"],
    &["null"],
    &["https://"],
    &["https://shop.example", "https://shop.example"],
    &["https://partner.example"],
];
const REFERERS: [&[&str]; 7] = [
    &[],
    &[""],
    &["https://shop.example/", "https://shop.example/"],
    &["https://shop.example/basket?a=https://evil.example"],
    &["https://partner.example/"],
    &["https://evil.example/https://shop.example/"],
    &["shop.example"],
];
const CREDENTIALS: [&str; 3] = ["none", "cookie", "Authorization"];
const TOKENS: [&str; 4] = ["none", "good", "stale", "foreign"];
const SETTINGS: [&str; 3] = ["strict", "trusting the browser", "origin required"];

/// What one request says of itself.
#[derive(Debug, Clone, Copy)]
struct Row {
    method: &'static str,
    site: &'static [&'static str],
    origin: &'static [&'static str],
    referer: &'static [&'static str],
    credential: &'static str,
    token: &'static str,
    settings: &'static str,
}

/// Who caused it, by S46 and S47.
#[derive(PartialEq)]
enum Sender {
    Us,
    Them,
    Unknown,
}

fn sender(row: &Row) -> Sender {
    let of_page = |page: &[&str], names: &[&str]| match page {
        [] | [""] => Sender::Unknown,
        [page] if names.iter().any(|name| page.starts_with(name)) => Sender::Us,
        _ => Sender::Them,
    };
    let trusted = row.origin == ["https://partner.example"];
    match row.site {
        ["same-origin"] | ["none"] => Sender::Us,
        [] if row.origin.is_empty() => {
            of_page(row.referer, &["https://shop.example/", "https://partner.example/"])
        }
        [] if row.origin == ["https://shop.example"] => Sender::Us,
        _ if trusted => Sender::Us,
        _ => Sender::Them,
    }
}

/// The status that the rules S45 to S48, S56 and S57 ask for.
fn oracle(row: &Row) -> u16 {
    if ["GET", "HEAD", "OPTIONS", "GET + h2c"].contains(&row.method) {
        return 200;
    }
    let is_socket = ["GET + websocket", "CONNECT"].contains(&row.method);
    let sender = sender(row);
    if sender == Sender::Them || row.settings == "origin required" && sender == Sender::Unknown {
        return 403;
    }
    let has_rights = row.credential == "cookie";
    let is_known = sender == Sender::Us;
    let needs_token = has_rights
        && match row.settings {
            "trusting the browser" => !is_known,
            _ => !(is_known && is_socket),
        };
    if needs_token && row.token != "good" { 400 } else { 200 }
}

type Shop = BoxCloneService<Request<Body>, Response<String>, Infallible>;

fn shop(settings: &str, sessions: &SessionLayer) -> Shop {
    let layer = CsrfLayer::new().site("https://shop.example").unwrap();
    let layer = layer.trust_origin("https://partner.example").unwrap();
    let layer = match settings {
        "strict" => layer,
        "trusting the browser" => layer.trust_browser_headers(),
        _ => layer.require_origin(),
    };
    let sold = service_fn(async |_: Request<_>| Ok::<_, Infallible>(Response::new(String::new())));
    BoxCloneService::new(sessions.layer(layer.layer(sold)))
}

/// A visitor's cookie, their session's token, and the one it had before.
async fn visitor(sessions: &SessionLayer) -> (String, String, String) {
    let answer = async |request: Request<Empty<&'static [u8]>>| {
        let session = Session::of(&request).await.unwrap();
        let old = session.csrf_token().unwrap().plain().to_owned();
        let new = session.new_csrf_token().unwrap().plain().to_owned();
        Ok::<_, Infallible>(Response::new(format!("{new} {old}")))
    };
    let request = Request::new(Empty::new());
    let response = sessions.layer(service_fn(answer)).oneshot(request).await.unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let (new, old) = response.body().split_once(' ').unwrap();
    (cookie, new.to_owned(), old.to_owned())
}

fn request(row: &Row, cookie: &str, [good, stale, foreign]: [&str; 3]) -> Request<Body> {
    let (method, protocol) = row.method.split_once(" + ").unwrap_or((row.method, ""));
    let mut request = Request::builder().method(method).uri("/");
    if !protocol.is_empty() {
        request = request.header("connection", "upgrade").header("upgrade", protocol);
    }
    let fields = [("sec-fetch-site", row.site), ("origin", row.origin), ("referer", row.referer)];
    for (name, values) in fields {
        request = values.iter().fold(request, |request, value| request.header(name, *value));
    }
    request = match row.credential {
        "cookie" => request.header("cookie", cookie),
        "Authorization" => request.header("authorization", "Bearer abc"),
        _ => request,
    };
    request = match row.token {
        "good" => request.header("x-csrf-token", good),
        "stale" => request.header("x-csrf-token", stale),
        "foreign" => request.header("x-csrf-token", foreign),
        _ => request,
    };
    request.body(Body::empty()).unwrap()
}

fn rows() -> impl Iterator<Item = Row> {
    let count = SETTINGS.len()
        * METHODS.len()
        * SITES.len()
        * ORIGINS.len()
        * REFERERS.len()
        * CREDENTIALS.len()
        * TOKENS.len();
    (0..count).map(|mut number| {
        let mut digit = |base: usize| {
            let digit = number % base;
            number /= base;
            digit
        };
        Row {
            method: METHODS[digit(METHODS.len())],
            site: SITES[digit(SITES.len())],
            origin: ORIGINS[digit(ORIGINS.len())],
            referer: REFERERS[digit(REFERERS.len())],
            credential: CREDENTIALS[digit(CREDENTIALS.len())],
            token: TOKENS[digit(TOKENS.len())],
            settings: SETTINGS[digit(SETTINGS.len())],
        }
    })
}

#[tokio::test]
async fn s45_s46_s47_s48_s57_every_combination_is_judged_as_the_rules_say() {
    let sessions = SessionLayer::new(StoredFactory::new("shop", MemoryStore::default()));
    let (cookie, good, stale) = visitor(&sessions).await;
    let (_, foreign, _) = visitor(&sessions).await;
    let mut shops = SETTINGS.map(|settings| (settings, shop(settings, &sessions)));
    let mut counts = std::collections::BTreeMap::new();
    for row in rows() {
        let shop = &mut shops.iter_mut().find(|(name, _)| *name == row.settings).unwrap().1;
        let request = request(&row, &cookie, [&good, &stale, &foreign]);
        let status = shop.call(request).await.unwrap().status().as_u16();
        assert_eq!(status, oracle(&row), "{row:?}");
        *counts.entry(status).or_insert(0) += 1;
    }
    assert_eq!(counts.values().sum::<i32>(), 199_584);
    assert!(counts.len() == 3 && counts.values().all(|count| *count > 3_000), "{counts:?}");
}
