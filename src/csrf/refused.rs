//! Why a request was refused: one rule, its status, and words for a person.

use std::fmt;

use http::StatusCode;

/// The rule by which a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// `Sec-Fetch-Site` says that another site caused it (S46).
    FetchSite,
    /// `Origin` is none of this site (S47).
    Origin,
    /// There is no `Origin`, and `Referer` is none of this site.
    Referer,
    /// Nothing says where it comes from, and the [layer](crate::CsrfLayer::require_origin) demands it.
    NoOrigin,
    /// It has no token, neither in the header nor in the form.
    TokenMissing,
    /// Its form is long, and has no token at its beginning.
    TokenTooLate,
    /// Its token is not that of its session.
    TokenWrong,
}

impl Rule {
    /// The rule in one word, for logs and metrics, stable across releases.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FetchSite => "fetch_site",
            Self::Origin => "origin",
            Self::Referer => "referer",
            Self::NoOrigin => "no_origin",
            Self::TokenMissing => "token_missing",
            Self::TokenTooLate => "token_too_late",
            Self::TokenWrong => "token_wrong",
        }
    }

    /// What a visitor is told (S90).
    pub(crate) const fn for_visitors(self) -> &'static str {
        match self {
            Self::FetchSite | Self::Origin | Self::Referer | Self::NoOrigin => {
                "This was not done, because it seems to have been sent from another site. Please open our \
                 page itself and try again."
            }
            Self::TokenMissing | Self::TokenTooLate | Self::TokenWrong => {
                "This was not done, because the page it was sent from is out of date. Please load the page \
                 again and try once more."
            }
        }
    }

    /// 403 where the request came from elsewhere, 400 where its token is not right (R45).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::FetchSite | Self::Origin | Self::Referer | Self::NoOrigin => {
                StatusCode::FORBIDDEN
            }
            Self::TokenMissing | Self::TokenTooLate | Self::TokenWrong => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FetchSite | Self::Origin | Self::Referer => "it was sent from another site",
            Self::NoOrigin => "nothing in it says which site it was sent from",
            Self::TokenMissing => "it carries no CSRF token",
            Self::TokenTooLate => {
                "its form carries no CSRF token at its beginning; the token's field has to come first"
            }
            Self::TokenWrong => {
                "its CSRF token is not the one of this session; load the page again and send it once more"
            }
        })
    }
}

/// A request that was refused, because it may have come from somewhere else. Nothing was done.
///
/// In the [extensions](http::Response::extensions) of the layer's response, and in
/// [`Error::Csrf`](crate::Error::Csrf).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request was refused: {rule} (rule {})", rule.as_str())]
pub struct CsrfError {
    rule: Rule,
}

impl CsrfError {
    pub(crate) const fn new(rule: Rule) -> Self {
        Self { rule }
    }

    /// By which rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }
}
