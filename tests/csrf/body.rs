//! Bodies that the guard looks into: not a byte changed for the handler, long ones streamed.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post};
use bytes::Bytes;
use cloakroom::{CsrfLayer, Session};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt;
use proptest::prelude::*;

use crate::shop::{Shop, with};

/// A body of these pieces, as it comes off a wire; then perhaps a failure, or trailers.
struct Pieces {
    left: VecDeque<Result<Frame<Bytes>, &'static str>>,
    /// How many were asked for.
    read: Arc<AtomicUsize>,
}

impl Pieces {
    fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let left = pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect();
        Self { left, read: Arc::default() }
    }

    fn then(mut self, last: Result<Frame<Bytes>, &'static str>) -> Self {
        self.left.push_back(last);
        self
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.read.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(self.left.pop_front().map(|piece| piece.map_err(Into::into)))
    }
}

fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let (mut rest, mut pieces, mut sizes) = (bytes, Vec::new(), sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| (*size).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        pieces.push(Bytes::copy_from_slice(piece));
        rest = after;
    }
    pieces
}

async fn token(session: Session) -> String {
    session.csrf_token().unwrap().to_string()
}

fn request(content_type: &str, cookie: &str, body: Pieces) -> Request {
    let request = Request::post("/buy").header("content-type", content_type);
    request.header("cookie", cookie).body(Body::new(body)).unwrap()
}

const MULTIPART: &str = "multipart/form-data; boundary=----xYz";

fn part(name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("------xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
    [head.as_bytes(), value, b"\r\n"].concat()
}

fn file(name: &str, value: &[u8]) -> Vec<u8> {
    let head = format!(
        "------xYz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.png\"\r\n\
         Content-Type: image/png\r\n\r\n"
    );
    [head.as_bytes(), value, b"\r\n"].concat()
}

const END: &[u8] = b"------xYz--\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn s55_however_a_form_is_cut_its_token_is_found_and_no_byte_is_changed(
        before in proptest::collection::vec(any::<u8>(), 0..300),
        after in proptest::collection::vec(any::<u8>(), 0..300),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
        is_multipart: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let shop = Shop::new(CsrfLayer::new());
            let (cookie, token) = shop.enter().await;
            let (content_type, body) = if is_multipart {
                let body = [&file("a", &before)[..], &part("csrf_token", token.as_bytes()), &file("b", &after), END];
                (MULTIPART, body.concat())
            } else {
                let encode = |bytes: &[u8]| form_urlencoded::byte_serialize(bytes).collect::<String>();
                let form = format!("a={}&csrf_token={token}&b={}", encode(&before), encode(&after));
                ("application/x-www-form-urlencoded", form.into_bytes())
            };
            let reply = shop.send(request(content_type, &cookie, Pieces::of(cut(&body, &sizes)))).await;
            prop_assert!(reply.is_sold(), "{:?}", reply.rule());
            prop_assert_eq!(reply.body, body);
            Ok(())
        })?;
    }

    #[test]
    fn s55_any_body_of_any_kind_is_refused_or_reaches_the_handler_unchanged(
        body in proptest::collection::vec(any::<u8>(), 0..600),
        sizes in proptest::collection::vec(1_usize..40, 1..8),
        kind in 0_usize..5,
    ) {
        let kinds = [MULTIPART, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let shop = Shop::new(CsrfLayer::new());
            let (cookie, token) = shop.enter().await;
            let send = || request(kinds[kind], &cookie, Pieces::of(cut(&body, &sizes)));
            prop_assert!(!shop.send(send()).await.is_sold());
            let reply = shop.send(with(send(), "x-csrf-token", &token)).await;
            prop_assert_eq!(reply.body, body);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn s55_twenty_megabytes_are_streamed_and_not_gathered() {
    const MEGABYTE: usize = 1024 * 1024;
    // The handler asks how far the guard has read before it reads anything itself.
    let (seen, at_handler) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
    let (read, noted) = (seen.clone(), at_handler.clone());
    let take = async move |request: Request| {
        noted.lock().unwrap().get_or_insert(read.load(Ordering::SeqCst));
        let mut body = request.into_body();
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            bytes += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        bytes.to_string()
    };
    let routes = Router::new()
        .route("/buy", post(take).layer(DefaultBodyLimit::disable()))
        .route("/token", get(token));
    let shop = Shop::open(routes, CsrfLayer::new(), |it| it);
    let (cookie, token) = shop.enter().await;
    let first = Bytes::from([part("csrf_token", token.as_bytes()), file("b", b"")].concat());
    let rest = std::iter::repeat_n(Bytes::from(vec![7; MEGABYTE]), 20);
    let mut body = Pieces::of([first.clone()].into_iter().chain(rest));
    body.read = seen;
    let reply = shop.send(request(MULTIPART, &cookie, body)).await;
    assert_eq!(reply.text(), (first.len() + 20 * MEGABYTE).to_string());
    assert_eq!(*at_handler.lock().unwrap(), Some(1), "only what held the token was read ahead");
}

#[tokio::test]
async fn s55_a_field_that_comes_too_late_is_not_waited_for() {
    let shop = Shop::new(CsrfLayer::new().form_limit(1000));
    let (cookie, token) = shop.enter().await;
    for (size, rule) in [(500, None), (1000, Some("token_too_late"))] {
        let late = [&part("a", &vec![b'a'; size])[..], &part("csrf_token", token.as_bytes()), END];
        let body = Pieces::of(cut(&late.concat(), &[100]));
        let read = body.read.clone();
        let reply = shop.send(request(MULTIPART, &cookie, body)).await;
        assert_eq!(reply.rule(), rule, "{size}");
        assert!(read.load(Ordering::SeqCst) <= 13, "{size}");
    }
}

#[tokio::test]
async fn s55_a_file_or_a_longer_name_is_not_the_field() {
    let shop = Shop::new(CsrfLayer::new());
    let (cookie, token) = shop.enter().await;
    let token = token.as_bytes();
    for body in [
        [&file("csrf_token", token)[..], END].concat(),
        [&part("xcsrf_token", token)[..], END].concat(),
        [&part("a", &part("csrf_token", token)[7..])[..], END].concat(),
        [END, &part("csrf_token", token)[..], END].concat(),
        part("csrf_token", token)[..60].to_vec(),
    ] {
        let reply = shop.send(request(MULTIPART, &cookie, Pieces::of([body.clone().into()]))).await;
        assert_eq!(reply.rule(), Some("token_missing"), "{}", body.escape_ascii());
    }
}

#[tokio::test]
async fn r78_the_first_of_several_fields_decides() {
    let shop = Shop::new(CsrfLayer::new());
    let (cookie, token) = shop.enter().await;
    let [good, bad] = [part("csrf_token", token.as_bytes()), part("csrf_token", b"junk")];
    for (first, second, rule) in [(&good, &bad, None), (&bad, &good, Some("token_wrong"))] {
        let body = [&first[..], second, END].concat();
        let reply = shop.send(request(MULTIPART, &cookie, Pieces::of([body.into()]))).await;
        assert_eq!(reply.rule(), rule);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_off_for_the_handler_too() {
    let shop = Shop::new(CsrfLayer::new().report_only());
    let (cookie, _) = shop.enter().await;
    let body = Pieces::of([Bytes::from("a=1&b")]).then(Err("the line went dead"));
    let form = "application/x-www-form-urlencoded";
    let reply = shop.send(request(form, &cookie, body)).await;
    assert!(!reply.is_sold());
    assert!(String::from_utf8(reply.body).unwrap().contains("the line went dead"));
}

#[tokio::test]
async fn trailers_reach_the_handler() {
    let take = async |request: Request| {
        let collected = request.into_body().collect().await.unwrap();
        collected.trailers().unwrap()["x-sum"].to_str().unwrap().to_owned()
    };
    let routes = Router::new().route("/buy", post(take)).route("/token", get(token));
    let shop = Shop::open(routes, CsrfLayer::new(), |it| it);
    let (cookie, token) = shop.enter().await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "42".parse().unwrap());
    let form = format!("a=1&csrf_token={token}");
    let body = Pieces::of(cut(form.as_bytes(), &[7])).then(Ok(Frame::trailers(trailers)));
    let request = request("application/x-www-form-urlencoded", &cookie, body);
    assert_eq!(shop.send(request).await.text(), "42");
}
