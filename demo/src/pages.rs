//! The pages, one file for each subject.

mod cookie;
mod flash;
mod full;
mod start;
mod values;
mod walk_through;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};

/// Every page and form of the demo.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(start::page))
        .route("/walk-through", get(walk_through::page))
        .route("/values", get(values::page))
        .route("/values/set", post(values::set))
        .route("/values/delete", post(values::delete))
        .route("/values/clear", post(values::clear))
        .route("/values/invalidate", post(values::invalidate))
        .route("/flash", get(flash::page).post(flash::push))
        .route("/flash/show", post(flash::show_queue))
        .route("/cookie", get(cookie::page))
        .route("/full", get(full::page).post(full::fill))
        .route("/style.css", get(style))
}

async fn style() -> impl axum::response::IntoResponse {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../static/style.css"))
}
