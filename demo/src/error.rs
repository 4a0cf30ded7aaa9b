//! Errors as pages that a visitor can read.

use std::error::Error as StdError;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use cloakroom::Error;

use crate::page::Frame;

/// What a handler fails with.
#[derive(Debug)]
pub(crate) enum AppError {
    Session(Error),
    /// A template could not be filled in.
    Page(String),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<askama::Error> for AppError {
    fn from(error: askama::Error) -> Self {
        Self::Page(error.to_string())
    }
}

impl From<minijinja::Error> for AppError {
    fn from(error: minijinja::Error) -> Self {
        Self::Page(error.to_string())
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => page("That did not work", &told(&error), error.status()),
            Self::Page(detail) => {
                page("That did not work", &detail, StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The page for a session that could not be kept: the browser still has the cookie it had before.
pub(crate) fn not_kept(error: &Error) -> Response {
    page("This session was not kept", &told(error), error.status())
}

/// The page for a request that another site may have caused.
pub(crate) fn refused(error: &Error) -> Response {
    page("This request was refused", &told(error), error.status())
}

/// The error with all that caused it. None of it holds session data.
pub(crate) fn told(error: &dyn StdError) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
    advice: Option<&'static str>,
}

fn page(title: &str, detail: &str, status: StatusCode) -> Response {
    let advice = match status {
        StatusCode::SERVICE_UNAVAILABLE => Some("Try again in a moment: it may well succeed then."),
        StatusCode::CONFLICT => {
            Some("Look at what is there now, and do it again if it still fits.")
        }
        _ => None,
    };
    let page = ErrorPage { frame: Frame::without_session(), title, detail, advice };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (status, detail.to_owned()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use cloakroom::store::{StoreError, StoreErrorKind};

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_store_that_fails_is_a_503_that_says_what_to_do() {
        let source = StoreError::from(StoreErrorKind::TimedOut);
        let response = AppError::Session(Error::Store { action: "opened", source }).into_response();
        assert_eq!(response.status(), 503);
        let text = text(response).await;
        assert!(text.contains("could not be opened: session store: it did not answer in time"));
        assert!(text.contains("Try again in a moment"), "{text}");
    }

    #[tokio::test]
    async fn a_refused_overwrite_is_a_409_that_says_what_to_do() {
        let response = not_kept(&Error::Overwrites { key: "<cart>".into() });
        assert_eq!(response.status(), 409);
        let text = text(response).await;
        assert!(text.contains("Look at what is there now") && !text.contains("<cart>"), "{text}");
    }
}
