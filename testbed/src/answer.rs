//! What an operation answers: JSON, text or a page, or a failure with its status. No framework in here.

use cloakroom::Error;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

/// A body with its content type and status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

/// What an operation comes to: both are answers, a failure's body is `{"error","detail"}`.
pub(crate) type Outcome = Result<Answer, Answer>;

impl Answer {
    /// 200 with JSON.
    pub(crate) fn json(body: &impl Serialize) -> Outcome {
        let body = serde_json::to_string(body)
            .map_err(|error| Self::failure(StatusCode::INTERNAL_SERVER_ERROR, "answer", error))?;
        Ok(Self { status: StatusCode::OK, content_type: "application/json", body })
    }

    /// 200 with `{}`.
    pub(crate) fn done() -> Outcome {
        Self::json(&json!({}))
    }

    /// 200 with plain text.
    pub(crate) fn text(body: impl Into<String>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { status: StatusCode::OK, content_type, body: body.into() }
    }

    /// 200 with a page.
    pub(crate) fn html(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: "text/html; charset=utf-8", body }
    }

    /// The same body with another status; none with 304, which not every server sees to.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        let body = if status == StatusCode::NOT_MODIFIED { String::new() } else { self.body };
        Self { status, body, ..self }
    }

    /// `{"error": kind, "detail": text}`.
    pub(crate) fn failure(status: StatusCode, kind: &str, detail: impl ToString) -> Self {
        let body = json!({"error": kind, "detail": detail.to_string()}).to_string();
        Self { status, content_type: "application/json", body }
    }

    /// A body that did not come whole, or is too long.
    pub(crate) fn unread(status: StatusCode) -> Self {
        Self::failure(status, "bad_request", "the body cannot be read")
    }

    /// A request that nobody could serve, with the reason.
    pub(crate) fn bad_request(detail: impl ToString) -> Self {
        Self::failure(StatusCode::BAD_REQUEST, "bad_request", detail)
    }
}

impl From<&Error> for Answer {
    fn from(error: &Error) -> Self {
        Self::failure(error.status(), error.kind(), error)
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
