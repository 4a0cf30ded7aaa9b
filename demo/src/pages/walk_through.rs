//! The smallest program with a session: the second visit finds what the first one left.

use askama::Template;
use axum::response::Response;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};

#[derive(Template)]
#[template(path = "walk_through.html")]
struct WalkThrough {
    frame: Frame,
    fred: bool,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let session = &visit.session;
    if session.contains_key("abc") {
        session.insert("fred", "yes")?;
    }
    session.insert("abc", "123")?;
    let fred = session.contains_key("fred");
    Ok(show(&WalkThrough { frame: Frame::of("/walk-through", &visit).await?, fred })?)
}
