//! The layer: lazy, once a request, before the head leaves; on axum and on bare hyper.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::routing::get;
use axum::{Extension, Router};
use cloakroom::cookie::{CookieHeader, SetCookies};
use cloakroom::factory::{Commit, Opened};
use cloakroom::{Error, Session, SessionFactory, SessionLayer, SignedCookieFactory, Timestamp};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, VARY};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceExt, service_fn};

use crate::log::Log;
use crate::shown::{Case, Noting};
use crate::site::{Site, builder};

fn sessions() -> SessionLayer {
    SessionLayer::new(builder().build().unwrap())
}

async fn ask(app: Router, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (head, body) = app.oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// Counts its calls, and fails where it is told to.
#[derive(Clone, Default)]
struct Counting {
    opened: Arc<AtomicUsize>,
    committed: Arc<AtomicUsize>,
    fail_open: bool,
}

impl SessionFactory for Counting {
    type Base = ();

    async fn open(&self, _: CookieHeader<'_>) -> Result<Opened<()>, Error> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        if self.fail_open {
            return Err(Error::opening("the store does not answer"));
        }
        Ok(Opened::absent(Timestamp::from_secs(0), ()))
    }

    async fn commit(&self, (): &(), _: Commit) -> Result<SetCookies, Error> {
        self.committed.fetch_add(1, Ordering::Relaxed);
        Ok(SetCookies::none())
    }
}

#[tokio::test]
async fn r4_r11_opened_lazily_and_at_most_once_and_every_handle_is_the_same_session() {
    async fn twice(one: Session, Extension(()): Extension<()>, two: Session) -> String {
        one.insert("k", 1).unwrap();
        format!("{:?}", two.get::<u32>("k").unwrap())
    }
    let counting = Counting::default();
    let app = Router::new()
        .route("/twice", get(twice))
        .route("/none", get(|| async { "none" }))
        .layer(Extension(()))
        .layer(SessionLayer::new(counting.clone()));
    let (_, _, body) = ask(app.clone(), "/twice").await;
    assert_eq!(body, "Some(1)");
    assert_eq!(counting.opened.load(Ordering::Relaxed), 1);
    assert_eq!(counting.committed.load(Ordering::Relaxed), 1);
    ask(app, "/none").await;
    assert_eq!(counting.opened.load(Ordering::Relaxed), 1, "R58: not opened where nobody asks");
    assert_eq!(counting.committed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn r2_a_session_without_a_layer_is_an_error_that_says_so() {
    let log = Log::default();
    let _guard = log.listen();
    let app = Router::new()
        .route("/", get(async |_: Session| "unreachable"))
        .route("/none", get(async || "fine"));
    let (status, _, body) = ask(app.clone(), "/").await;
    assert_eq!(status, 500);
    assert_eq!(body, Error::NoLayer.for_visitors(), "S90");
    let said = log.take().join("");
    assert!(said.contains("this route has no SessionLayer"), "{said}");
    assert_eq!(ask(app, "/none").await.2, "fine");
}

#[tokio::test]
async fn s73_a_factory_that_cannot_open_is_a_503_and_no_empty_session() {
    let app = Router::new()
        .route("/", get(async |session: Session| session.len().to_string()))
        .layer(SessionLayer::new(Counting { fail_open: true, ..Counting::default() }));
    let (status, headers, body) = ask(app, "/").await;
    assert_eq!(status, 503);
    assert_eq!(body, "We cannot show you this page right now. Please try again in a moment.");
    assert!(!headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn r23_a_write_after_the_head_has_left_is_an_error_at_that_line() {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let visit = site
        .visit(None, async |session: Session| {
            session.insert("k", 1).unwrap();
            session
        })
        .await;
    let late = visit.result;
    let errors = [
        late.insert("k", 2).map(drop).unwrap_err(),
        late.remove("k").map(drop).unwrap_err(),
        late.clear().unwrap_err(),
        late.changed().unwrap_err(),
        late.invalidate().unwrap_err(),
        late.flash("x").unwrap_err(),
        late.modify("k", |n: &mut u32| *n += 1).unwrap_err(),
        late.new_csrf_token().map(drop).unwrap_err(),
        late.extend([("a", 1)]).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == "closed"), "{errors:?}");
    assert_eq!(late.get::<u32>("k").unwrap(), Some(1), "reading goes on");
}

#[tokio::test]
async fn r23_a_session_first_asked_for_after_the_head_has_left_cannot_be_written() {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = kept.clone();
    let service = service_fn(move |request: Request<()>| {
        *keep.lock().unwrap() = Some(request);
        async { Ok::<_, Infallible>(Response::new(String::new())) }
    });
    tower::Layer::layer(&sessions(), service).oneshot(Request::new(())).await.unwrap();
    let request = kept.lock().unwrap().take().unwrap();
    let late = Session::of(&request).await.unwrap();
    assert_eq!(late.insert("k", 1).unwrap_err().kind(), "closed");
}

#[tokio::test]
async fn s71_a_streamed_response_carries_what_was_written_before_its_first_byte() {
    async fn stream(session: Session) -> Response<Body> {
        session.insert("k", 1).unwrap();
        let late = session.clone();
        let (sender, receiver) = tokio::sync::mpsc::channel::<String>(1);
        tokio::spawn(async move {
            let _ = sender.send("first;".into()).await;
            let refused = late.insert("late", 1).unwrap_err().kind();
            let _ = sender.send(refused.into()).await;
        });
        Response::new(Body::new(Chunks(receiver)))
    }
    let (_, headers, body) =
        ask(Router::new().route("/", get(stream)).layer(sessions()), "/").await;
    assert_eq!(headers.get_all(SET_COOKIE).iter().count(), 1);
    assert_eq!(body, "first;closed");
}

/// A body of whatever comes through a channel.
struct Chunks(tokio::sync::mpsc::Receiver<String>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let chunk = self.0.poll_recv(context);
        chunk.map(|chunk| chunk.map(|text| Ok(hyper::body::Frame::data(text.into()))))
    }
}

/// `Vary` and `Cache-Control` of a response whose handler did this.
async fn caching<T>(
    before: &[(&str, &str)],
    handler: impl AsyncFnOnce(Session) -> Result<T, Error>,
) -> (String, String) {
    let mut response = Response::new(String::new());
    for (name, value) in before {
        response
            .headers_mut()
            .append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    let site = Site::new(builder().build().unwrap());
    let visit =
        site.respond(None, response, async |s: Session| handler(s).await.map(drop).unwrap()).await;
    let joined = |name| {
        let fields = visit.response.headers().get_all(name).into_iter();
        fields.map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
    };
    (joined(VARY), joined(CACHE_CONTROL))
}

fn is(vary: &str, cache_control: &str) -> (String, String) {
    (vary.to_owned(), cache_control.to_owned())
}

#[tokio::test]
async fn s88_every_look_varies_by_cookie_and_every_cookie_forbids_storing() {
    assert_eq!(caching(&[], async |_| Ok(())).await, is("", ""), "opened but not looked at");
    assert_eq!(caching(&[], async |s| s.get::<u32>("k").map(drop)).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.contains_key("k"))).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.len())).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.entries())).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.is_new())).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.created())).await, is("Cookie", ""));
    assert_eq!(caching(&[], async |s| Ok(s.expires_in())).await, is("Cookie", ""));
    assert_eq!(
        caching(&[], async |s| s.peek_flash::<String>("").map(drop)).await,
        is("Cookie", "")
    );
    assert_eq!(caching(&[], async |s| s.csrf_token().map(drop)).await, is("Cookie", "no-store"));
    let write = async |s: Session| s.insert("k", 1).map(drop);
    assert_eq!(caching(&[], write).await, is("Cookie", "no-store"));
    assert_eq!(
        caching(&[("vary", "accept, cookie")], write).await,
        is("accept, cookie", "no-store")
    );
    assert_eq!(caching(&[("vary", "*")], write).await, is("*", "no-store"));
    assert_eq!(caching(&[("vary", "accept")], write).await, is("accept, Cookie", "no-store"));
    let private = "private, max-age=60";
    assert_eq!(caching(&[("cache-control", private)], write).await, is("Cookie", private));
    let no_cache = [("cache-control", "no-cache")];
    assert_eq!(caching(&no_cache, write).await, is("Cookie", "no-store"), "it may be stored");
    let public = "public, max-age=60";
    assert_eq!(caching(&[("cache-control", public)], write).await, is("Cookie", "no-store"));
    let read = async |s: Session| s.get::<u32>("k").map(drop);
    assert_eq!(caching(&[("cache-control", public)], read).await, is("Cookie", public));
}

#[tokio::test]
async fn s14_cookies_of_the_application_stay_beside_the_only_one_of_ours() {
    let site = Site::new(builder().build().unwrap());
    let mut response = Response::new(String::new());
    response.headers_mut().append(SET_COOKIE, "theirs=1".parse().unwrap());
    let visit = site
        .respond(None, response, async |session: Session| {
            session.insert("a", 1).unwrap();
            session.insert("b", 2).unwrap();
            session.changed().unwrap();
        })
        .await;
    let cookies = visit.set_cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert!(cookies[0] == "theirs=1" && cookies[1].starts_with("session="));
}

#[tokio::test]
async fn r9_what_cannot_be_kept_replaces_the_response_and_leaves_the_old_cookie() {
    async fn fill(session: Session) -> &'static str {
        session.insert("d", "x".repeat(5000)).unwrap();
        "all is well"
    }
    let app = || Router::new().route("/", get(fill));
    let (status, headers, body) = ask(app().layer(sessions()), "/").await;
    assert_eq!(status, 500);
    assert!(body.starts_with("That was more than we can keep for you"), "{body}");
    assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
    assert!(!headers.contains_key(SET_COOKIE));
    let page =
        |error: &Error| Response::builder().status(413).body(Body::from(error.kind())).unwrap();
    let (status, headers, body) = ask(app().layer(sessions().on_error(page)), "/").await;
    assert_eq!((status.as_u16(), &*body), (413, "too_large"));
    assert_eq!(
        (&headers[VARY], &headers[CACHE_CONTROL]),
        (&"Cookie".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert!(!headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn s15_nothing_goes_out_where_nothing_was_touched() {
    let app = Router::new().route("/", get(|| async { "none" })).layer(sessions());
    let (_, headers, _) = ask(app, "/").await;
    for name in [SET_COOKIE, VARY, CACHE_CONTROL] {
        assert!(!headers.contains_key(&name), "{name}");
    }
}

#[tokio::test]
async fn it_works_on_bare_hyper() {
    async fn page(
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let session = Session::of(&request).await.unwrap();
        let count = session.modify("n", |n: &mut u32| {
            *n += 1;
            *n
        });
        Ok(Response::new(Full::from(count.unwrap().to_string())))
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = tower::Layer::layer(&sessions(), service_fn(page));
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service);
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    });
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut cookie = String::from("theirs=1");
    for expected in ["1", "2", "3"] {
        let request = Request::get("/").header("host", "x").header(COOKIE, &cookie);
        let response =
            client.send_request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
        let set = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        cookie = set.split(';').next().unwrap().to_owned();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), expected);
    }
    drop(client);
    connection.await.unwrap().unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn s67_who_sees_a_response_is_decided_by_its_head_and_the_request_s() {
    let noting = Noting::default();
    let layer = SessionLayer::new(noting.clone());
    for case in Case::all() {
        let service = service_fn(async |request: Request<()>| {
            Session::of(&request).await?;
            let mut response = Response::builder().status(case.status);
            if case.has_location {
                response = response.header(LOCATION, "/next");
            }
            Ok::<_, Error>(response.body(String::new()).unwrap())
        });
        let method = if case.is_head { Method::HEAD } else { Method::GET };
        let mut request = Request::builder().method(method);
        if case.is_prefetch {
            let name = ["sec-purpose", "purpose", "x-moz"][usize::from(case.status % 3)];
            request = request.header(name, "prefetch");
        }
        let request = request.body(()).unwrap();
        tower::Layer::layer(&layer, service).oneshot(request).await.unwrap();
        assert_eq!(noting.ending(), Some(case.ending()), "{case:?}");
    }
}

#[test]
fn what_users_share_between_tasks_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Session>();
    shared::<SessionLayer>();
    shared::<SignedCookieFactory>();
    shared::<Error>();
    fn extractor<T: FromRequestParts<()>>() {}
    extractor::<Session>();
}
