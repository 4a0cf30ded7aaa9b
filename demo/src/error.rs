//! Errors as pages that a visitor can read.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use cloakroom::Error;

use crate::page::Frame;

/// What a handler fails with.
#[derive(Debug)]
pub(crate) enum AppError {
    Session(Error),
    Page(askama::Error),
}

impl From<Error> for AppError {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

impl From<askama::Error> for AppError {
    fn from(error: askama::Error) -> Self {
        Self::Page(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => page("That did not work", &error.to_string(), error.status()),
            Self::Page(error) => {
                page("That did not work", &error.to_string(), StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

/// The page for a session that could not be kept: the browser still has the cookie it had before.
pub(crate) fn refused(error: &Error) -> impl IntoResponse {
    page("This session was not kept", &error.to_string(), error.status())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    frame: Frame,
    title: &'a str,
    detail: &'a str,
}

fn page(title: &str, detail: &str, status: StatusCode) -> Response {
    let page = ErrorPage { frame: Frame::without_messages(), title, detail };
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(_) => (status, detail.to_owned()).into_response(),
    }
}
