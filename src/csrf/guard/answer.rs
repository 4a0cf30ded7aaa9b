//! What a guard adds to answers, and tells of refusals, whatever the framework.

use http::header::{ORIGIN, REFERER, VARY};
use http::{HeaderMap, HeaderValue};

use super::settings::Guard;
use crate::Error;
use crate::csrf::double_submit::Visitor;
use crate::csrf::refused::CsrfError;
use crate::error::{causes, tell_answered};
use crate::slot::{Head, InsteadOf, Outgoing};

impl Guard {
    /// Whether a request that was examined is let through, or refused for this error.
    pub(super) fn enforce(
        &self,
        examined: Result<(), Error>,
        headers: &HeaderMap,
    ) -> Result<(), Error> {
        let Err(error) = examined else { return Ok(()) };
        match &error {
            Error::Csrf(refused) => self.tell(refused, headers),
            _ if self.only_reports => {
                tracing::warn!(kind = error.kind(), %error, cause = causes(&error), "request not checked");
            }
            _ => tell_answered(&error),
        }
        if self.only_reports { Ok(()) } else { Err(error) }
    }

    fn tell(&self, refused: &CsrfError, headers: &HeaderMap) {
        let (rule, is_enforced) = (refused.rule().as_str(), !self.only_reports);
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let has_referer = headers.contains_key(REFERER);
        tracing::warn!(rule, is_enforced, origin, has_referer, "request refused by the CSRF guard");
        (self.on_refused)(refused);
    }
}

/// Makes of this response the one to a request that is refused.
pub(super) fn refuse(response: &mut impl Outgoing, error: &Error) {
    if let Error::Csrf(refused) = error {
        response.mark(*refused);
    }
    Head::refuse(response);
    response.append(VARY, HeaderValue::from_static("Origin, Sec-Fetch-Site"));
}

/// What a visitor's own cookie adds to the response, where there are no sessions.
pub(super) fn finish<R: Outgoing>(
    mut response: R,
    visitor: Option<&Visitor>,
    on_error: &impl InsteadOf<R>,
) -> R {
    match visitor.map(Visitor::close) {
        None => {}
        Some(Ok(sent)) => {
            Head::new(sent.cookies, sent.is_read, sent.has_token).apply(&mut response);
        }
        Some(Err(error)) => {
            tracing::error!(kind = error.kind(), %error, "CSRF cookie not sent");
            response = on_error.instead_of(response, &error);
            Head::refuse(&mut response);
        }
    }
    response
}
