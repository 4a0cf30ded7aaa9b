//! What every page has: the layout with its links, and the flash messages of the default queue, shown once.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use cloakroom::{Error, Session};

/// The frame around each page.
pub(crate) struct Frame {
    /// The path of the page, so that its link can be marked.
    pub(crate) path: &'static str,
    /// What the default queue held; it is empty now.
    pub(crate) messages: Vec<String>,
}

impl Frame {
    /// Takes the waiting messages: they are shown by the page that this frame is for.
    pub(crate) async fn of(path: &'static str, session: &Session) -> Result<Self, Error> {
        let messages: Vec<serde_json::Value> = session.pop_flash("").await?;
        Ok(Self { path, messages: messages.iter().map(plain).collect() })
    }

    /// A frame for a page without a session.
    pub(crate) const fn without_messages() -> Self {
        Self { path: "", messages: Vec::new() }
    }

    pub(crate) fn links(&self) -> [(&'static str, &'static str, bool); 6] {
        let link = |path, name| (path, name, path == self.path);
        [
            link("/", "Start"),
            link("/walk-through", "Walk-through"),
            link("/values", "Values"),
            link("/flash", "Flash messages"),
            link("/cookie", "The cookie"),
            link("/full", "A full cookie"),
        ]
    }
}

/// Text without its quotes, anything else as JSON.
pub(crate) fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Answers with a page.
pub(crate) fn show(page: &impl Template) -> askama::Result<Response> {
    Ok(Html(page.render()?).into_response())
}
