//! A site without a network, for the fuzz targets: who does it think brought this cookie?

use cloakroom::{Session, SessionLayer, SignedCookieFactory, testing::FakeClock};
use http::{HeaderValue, Request, Response, header::COOKIE};
use tower::{Layer, ServiceExt, service_fn};

/// What the site signs with.
pub const SECRET: &str = "a-secret-for-fuzzing-0123456789-ABCDEFGHIJ";

/// Whether this `Cookie` header brings a live session; everything in it is read and written again.
pub fn brings_a_session(header: &[u8], lenient: bool) -> bool {
    let Ok(value) = HeaderValue::from_bytes(header) else { return false };
    let builder = SignedCookieFactory::builder(SECRET).clock(FakeClock::at(1_700_000_000.0));
    let builder = if lenient { builder.lenient() } else { builder };
    let layer = SessionLayer::new(builder.build().expect("the settings are valid"));
    let mut request = Request::new(());
    request.headers_mut().insert(COOKIE, value);
    let live = std::cell::Cell::new(false);
    let service = service_fn(|request: Request<()>| {
        let live = &live;
        async move {
            let session = Session::of(&request).await.expect("there is a layer");
            live.set(!session.is_new() || session.was_expired());
            for queue in session.flash_queues() {
                let _ = session.pop_flash::<String>(&queue).await;
            }
            session.changed().expect("still open");
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _ = runtime.block_on(layer.layer(service).oneshot(request));
    live.get()
}
