//! The service on actix-web: routes, the input of a request, the session as an extractor, and answers as responses.

mod csrf;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes, Data, PayloadConfig, ServiceConfig};
use actix_web::{App, FromRequest, HttpRequest, HttpResponse, HttpServer, Route, guard};
use cloakroom::{ConfigError, CsrfLayer, Error, Session, SessionFactory, SessionLayer};
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, TryFutureExt, stream};
use http::Method;

use crate::answer::{Answer, Outcome};
use crate::guarded;
use crate::operation::{self, Operation, ROUTES};
use crate::options::CsrfOptions;
use crate::setup::Setup;

/// As much as axum takes, in bytes.
const LARGEST_BODY: usize = 2 * 1024 * 1024;

type OnError = fn(&Error) -> HttpResponse;

/// All that each worker makes its routes of.
#[derive(Clone)]
pub(crate) struct Site {
    sessions: SessionLayer<OnError>,
    guard: Option<CsrfLayer<OnError>>,
    setup: Setup,
}

impl Site {
    pub(crate) fn new(
        factory: impl SessionFactory,
        setup: Setup,
        csrf: &CsrfOptions,
    ) -> Result<Self, ConfigError> {
        let sessions = SessionLayer::new(factory).on_error(answer_error as OnError);
        let guard = guarded::layer(csrf, &setup)?;
        let guard = guard.map(|layer| layer.on_error(answer_error as OnError));
        Ok(Self { sessions, guard, setup })
    }

    /// Serves until `stop` is there, then finishes the requests in flight.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let make = move || {
            let site = self.clone();
            App::new()
                .configure(|routes| site.add_routes(routes))
                .default_service(web::to(|| async { respond(Err(not_found())) }))
                .wrap(site.sessions.clone())
                .wrap(from_fn(count))
                .app_data(Data::new(site.setup))
                .app_data(PayloadConfig::new(LARGEST_BODY))
        };
        let server = HttpServer::new(make)
            .workers(2)
            // A client that hangs up is taken for gone, and its handler is dropped.
            .h1_allow_half_closed(false)
            .disable_signals()
            .listen(listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(async move {
            stop.await;
            handle.stop(true).await;
        });
        server.await
    }

    fn add_routes(&self, routes: &mut ServiceConfig) {
        let stats = |setup: Data<Setup>| async move { respond(setup.stats()) };
        routes
            .service(
                web::resource("/none").route(reading().to(|| async { respond(Answer::done()) })),
            )
            .service(web::resource("/slow").route(web::post().to(slow)))
            .service(web::resource("/fail").route(web::post().to(fail)))
            .service(web::resource("/stream").route(reading().to(stream_slowly)))
            .service(web::resource("/stats").route(reading().to(stats)))
            .service(web::resource("/clock").route(web::post().to(move_clock)))
            .service(web::resource("/fault").route(web::post().to(set_fault)));
        for (method, path, operation) in ROUTES {
            let route = if method == Method::GET { reading() } else { web::post() };
            routes.service(web::resource(path).route(perform(operation, route)));
        }
        csrf::add_routes(routes, self.guard.as_ref());
    }
}

/// `GET`, and `HEAD` as its answer without the body.
fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn perform(operation: Operation, route: Route) -> Route {
    route.to(move |Visitor(session): Visitor, setup: Data<Setup>, input: Input| async move {
        let outcome = async { operation.perform(&session, &setup, &input.0?).await };
        respond(caught(outcome).await)
    })
}

async fn count(
    setup: Data<Setup>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    setup.stats.count_request();
    next.call(request).await
}

async fn slow(Visitor(session): Visitor, setup: Data<Setup>, input: Input) -> HttpResponse {
    respond(caught(async { operation::slow(&session, &setup, &input.0?).await }).await)
}

async fn fail(Visitor(session): Visitor, setup: Data<Setup>, input: Input) -> HttpResponse {
    respond(caught(async { operation::fail(&session, &setup, &input.0?).await }).await)
}

async fn move_clock(setup: Data<Setup>, Input(input): Input) -> HttpResponse {
    respond(input.and_then(|input| setup.move_clock(&input)))
}

async fn set_fault(setup: Data<Setup>, Input(input): Input) -> HttpResponse {
    respond(input.and_then(|input| setup.set_fault(&input)))
}

/// Writes to the session, then answers piece by piece for 200 ms.
async fn stream_slowly(Visitor(session): Visitor) -> HttpResponse {
    if let Err(error) = session.modify("streamed", |times: &mut u64| *times += 1) {
        return answer_error(&error);
    }
    let pieces = stream::unfold(1..=4, |mut numbers| async move {
        let number = numbers.next()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>(Bytes::from(format!("piece {number}\n"))), numbers))
    });
    let text = (CONTENT_TYPE, "text/plain; charset=utf-8");
    HttpResponse::Ok().insert_header(text).streaming(Box::pin(pieces))
}

/// The library's extractor, with a rejection in JSON like all other errors here.
struct Visitor(Session);

impl FromRequest for Visitor {
    type Error = Refused;
    type Future = LocalBoxFuture<'static, Result<Self, Refused>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let session = Session::from_request(request, payload);
        Box::pin(session.map_ok(Self).map_err(|error| Refused(error.into())))
    }
}

/// An operation's input: the body, or for `GET` the query as a JSON object of texts. What is wrong with it waits for the
/// session, because actix-web extracts both at the same time.
struct Input(Result<String, Answer>);

impl FromRequest for Input {
    type Error = Infallible;
    type Future = LocalBoxFuture<'static, Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_reading = ["GET", "HEAD"].contains(&request.method().as_str());
        if !is_reading {
            let body = Bytes::from_request(request, payload).map(|body| {
                let body = body.map_err(|error| unread(&error))?;
                operation::text(&body).map(str::to_owned)
            });
            return Box::pin(body.map(|text| Ok(Self(text))));
        }
        let query = web::Query::<BTreeMap<String, String>>::from_query(request.query_string());
        let query = query.map(|query| serde_json::json!(query.0).to_string());
        Box::pin(ready(Ok(Self(query.map_err(Answer::bad_request)))))
    }
}

fn unread(error: &actix_web::Error) -> Answer {
    let status = error.as_response_error().status_code().as_u16();
    Answer::unread(http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST))
}

/// An extractor's failure.
#[derive(Debug)]
struct Refused(Answer);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.body)
    }
}

impl actix_web::ResponseError for Refused {
    fn error_response(&self) -> HttpResponse {
        respond(Err(self.0.clone()))
    }
}

fn not_found() -> Answer {
    Answer::failure(http::StatusCode::NOT_FOUND, "not_found", "no such route")
}

/// A panic as an answer of 500, which the session layer then gets to see.
async fn caught(outcome: impl Future<Output = Outcome>) -> Outcome {
    let status = http::StatusCode::INTERNAL_SERVER_ERROR;
    let panicked = |_| Err(Answer::failure(status, "panic", "the handler panicked"));
    AssertUnwindSafe(outcome).catch_unwind().await.unwrap_or_else(panicked)
}

fn answer_error(error: &Error) -> HttpResponse {
    respond(Err(error.into()))
}

fn respond(outcome: Outcome) -> HttpResponse {
    let Answer { status, content_type, body } = outcome.unwrap_or_else(|failure| failure);
    let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).insert_header((CONTENT_TYPE, content_type)).body(body)
}
