//! The other site: what somebody would put up who wants visitors of the demo to do what they never meant.

use askama::Template;
use axum::Router;
use axum::response::Html;
use axum::routing::get;

#[derive(Template)]
#[template(path = "twin.html")]
struct Prize {
    /// Where the demo is, as the visitor reached it.
    demo: String,
}

/// The whole site.
pub(crate) fn router(demo: String) -> Router {
    Router::new().route("/", get(move || prize(demo.clone())))
}

async fn prize(demo: String) -> Result<Html<String>, String> {
    Prize { demo }.render().map(Html).map_err(|error| error.to_string())
}
