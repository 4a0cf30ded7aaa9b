//! What every page has: the layout with its links, who is signed in, and the flash messages of the default queue,
//! shown once.

use std::time::Duration;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Response};
use cloakroom::{Error, Session};

use crate::error::AppError;
use crate::pages::sign_in;
use crate::site::Site;

/// What a handler gets: the visitor's session, and the site. A session that cannot be opened is a page.
pub(crate) struct Visit {
    pub(crate) session: Session,
    pub(crate) site: Site,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, AppError> {
        let session = Session::from_request_parts(parts, site).await?;
        Ok(Self { session, site: site.clone() })
    }
}

/// The frame around each page.
pub(crate) struct Frame {
    /// The path of the page, so that its link can be marked.
    pub(crate) path: &'static str,
    /// What the default queue held; it is empty now.
    pub(crate) messages: Vec<String>,
    /// Whether sessions are on the server. Not known to the page of an error.
    pub(crate) is_stored: Option<bool>,
    /// Who is signed in.
    pub(crate) name: Option<String>,
}

impl Frame {
    /// Takes the waiting messages: they are shown by the page that this frame is for.
    pub(crate) async fn of(path: &'static str, visit: &Visit) -> Result<Self, Error> {
        let messages: Vec<serde_json::Value> = visit.session.pop_flash("").await?;
        Ok(Self {
            path,
            messages: messages.iter().map(plain).collect(),
            is_stored: Some(visit.site.is_stored()),
            name: sign_in::name(&visit.session),
        })
    }

    /// A frame for a page without a session.
    pub(crate) const fn without_session() -> Self {
        Self { path: "", messages: Vec::new(), is_stored: None, name: None }
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        const LINKS: [(&str, &str, bool); 9] = [
            ("/", "Start", false),
            ("/walk-through", "Walk-through", false),
            ("/values", "Values", false),
            ("/flash", "Flash", false),
            ("/cookie", "Cookie", false),
            ("/full", "Full cookie", false),
            ("/race", "Races", false),
            ("/csrf", "Forged requests", false),
            ("/devices", "Devices", true),
        ];
        let has_store = self.is_stored == Some(true);
        let links = LINKS.into_iter().filter(move |(_, _, needs_store)| has_store || !needs_store);
        links.map(|(path, name, _)| (path, name, path == self.path))
    }
}

/// Text without its quotes, anything else as JSON.
pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A span of time, roughly.
pub(crate) fn roughly(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => "less than a minute".into(),
        1..120 => format!("{minutes} min"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / (24 * 60)),
    }
}

/// Answers with a page.
pub(crate) fn show(page: &impl Template) -> askama::Result<Response> {
    Ok(Html(page.render()?).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_one_unit() {
        const DAY: u64 = 24 * 60 * 60;
        for (seconds, text) in [
            (59, "less than a minute"),
            (60, "1 min"),
            (119 * 60, "119 min"),
            (120 * 60, "2 hours"),
            (2 * DAY - 1, "47 hours"),
            (30 * DAY, "30 days"),
        ] {
            assert_eq!(roughly(Duration::from_secs(seconds)), text);
        }
    }
}
