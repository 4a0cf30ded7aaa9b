//! Any body of any form, in pieces: no panic, no junk taken for a token, no byte changed for the handler.

#![no_main]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use cloakroom::csrf::{Lookup, check_request};
use cloakroom::{Session, SessionLayer, SignedCookieFactory};
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};

struct Pieces(VecDeque<Vec<u8>>);

impl Body for Pieces {
    type Data = VecDeque<u8>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<VecDeque<u8>>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece.into()))))
    }
}

const TYPES: [&str; 4] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=\"--\"",
    "multipart/form-data; boundary=",
];

fuzz_target!(|input: (u8, u8, Vec<u8>)| {
    let (kind, size, body) = input;
    let pieces = body.chunks(usize::from(size).max(1)).map(<[u8]>::to_vec).collect();
    let content_type = TYPES[usize::from(kind) % TYPES.len()];
    let request = Request::post("/").header("content-type", content_type).body(Pieces(pieces));
    let service = service_fn(|request: Request<Pieces>| {
        let body = &body;
        async move {
            // There is a token, so that the body is looked into.
            Session::of(&request).await.expect("a session").csrf_token().expect("a token");
            let (request, checked) = check_request(request, &Lookup::default()).await;
            assert!(checked.is_err(), "junk was taken for a token");
            let replayed = request.into_body().collect().await.expect("a whole body").to_bytes();
            assert_eq!(&replayed[..], &body[..]);
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let sessions = SignedCookieFactory::new(cloakroom_fuzz::SECRET).expect("the settings are valid");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answered = SessionLayer::new(sessions).layer(service).oneshot(request.expect("a request"));
    let _ = runtime.block_on(answered);
});
