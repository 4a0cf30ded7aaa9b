//! The service on axum: routes, the input of a request, the session as an extractor, and answers as responses.

mod csrf;

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use ::axum::Extension;
use ::axum::Router;
use ::axum::body::{Body, Bytes};
use ::axum::extract::rejection::{BytesRejection, QueryRejection};
use ::axum::extract::{FromRequest, FromRequestParts, Query, Request};
use ::axum::middleware::map_request;
use ::axum::response::{IntoResponse, Response};
use ::axum::routing::{MethodFilter, get, on, post};
use cloakroom::{ConfigError, Error, Session, SessionFactory, SessionLayer};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;

use crate::answer::{Answer, Outcome};
use crate::operation::{self, Operation, ROUTES};
use crate::options::CsrfOptions;
use crate::setup::Setup;

/// All routes behind a session layer with this factory.
pub(crate) fn app(
    factory: impl SessionFactory,
    setup: Setup,
    csrf: &CsrfOptions,
) -> Result<Router, ConfigError> {
    let stats = setup.stats.clone();
    let count = move |request: Request| {
        stats.count_request();
        async { request }
    };
    let app =
        Router::new()
            .route("/none", get(|| async { respond(Answer::done()) }))
            .route("/slow", post(slow))
            .route("/fail", post(fail))
            .route("/stream", get(stream_slowly))
            .route("/stats", get(stats_of))
            .route(
                "/clock",
                post(|setup: Around, Input(input): Input| async move {
                    respond(setup.move_clock(&input))
                }),
            )
            .route(
                "/fault",
                post(|setup: Around, Input(input): Input| async move {
                    respond(setup.set_fault(&input))
                }),
            );
    let app = ROUTES
        .into_iter()
        .fold(app, with_operation)
        .merge(csrf::routes(csrf, &setup)?)
        .fallback(nowhere)
        // Inside of the session layer, which so gets to see a panic as a response of 500.
        .layer(CatchPanicLayer::custom(panicked))
        .layer(SessionLayer::new(factory).on_error(|error: &Error| respond(Err(error.into()))))
        .layer(map_request(count))
        .layer(Extension(setup));
    Ok(app)
}

type Around = Extension<Setup>;

fn with_operation(app: Router, (method, path, operation): (Method, &str, Operation)) -> Router {
    let only = if method == Method::GET { MethodFilter::GET } else { MethodFilter::POST };
    let handler = move |Visitor(session): Visitor, setup: Around, Input(input): Input| async move {
        respond(operation.perform(&session, &setup, &input).await)
    };
    app.route(path, on(only, handler))
}

async fn slow(Visitor(session): Visitor, setup: Around, Input(input): Input) -> Response {
    respond(operation::slow(&session, &setup, &input).await)
}

async fn fail(Visitor(session): Visitor, setup: Around, Input(input): Input) -> Response {
    respond(operation::fail(&session, &setup, &input).await)
}

async fn stats_of(setup: Around) -> Response {
    respond(setup.stats())
}

/// Writes to the session, then answers piece by piece for 200 ms.
async fn stream_slowly(Visitor(session): Visitor) -> Response {
    if let Err(error) = session.modify("streamed", |times: &mut u64| *times += 1) {
        return respond(Err(error.into()));
    }
    let pieces = stream::unfold(1..=4, |mut numbers| async move {
        let number = numbers.next()?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, Infallible>(format!("piece {number}\n")), numbers))
    });
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(pieces)).into_response()
}

/// The library's extractor, with a rejection in JSON like all other errors here.
struct Visitor(Session);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, state).await;
        session.map(Self).map_err(|error: Error| respond(Err(error.into())))
    }
}

/// An operation's input: the body, or for `GET` the query as a JSON object of texts.
struct Input(String);

impl<S: Send + Sync> FromRequest<S> for Input {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let body = Bytes::from_request(request, state).await;
            let refuse = |error: BytesRejection| respond(Err(Answer::unread(error.status())));
            let text = operation::text(&body.map_err(refuse)?).map(str::to_owned);
            return text.map(Self).map_err(|failure| respond(Err(failure)));
        }
        let query = Query::<BTreeMap<String, String>>::from_request(request, state).await;
        let refuse = |error: QueryRejection| respond(Err(Answer::bad_request(error.body_text())));
        let Query(query) = query.map_err(refuse)?;
        Ok(Self(serde_json::json!(query).to_string()))
    }
}

async fn nowhere() -> Response {
    respond(Err(Answer::failure(StatusCode::NOT_FOUND, "not_found", "no such route")))
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    respond(Err(Answer::failure(status, "panic", "the handler panicked")))
}

fn respond(outcome: Outcome) -> Response {
    let Answer { status, content_type, body } = outcome.unwrap_or_else(|failure| failure);
    (status, [(CONTENT_TYPE, content_type)], body).into_response()
}
