//! The smallest program with a session: the second visit finds what the first one left.

use askama::Template;
use axum::response::Response;
use cloakroom::Session;

use crate::error::AppError;
use crate::page::{Frame, show};

#[derive(Template)]
#[template(path = "walk_through.html")]
struct WalkThrough {
    frame: Frame,
    fred: bool,
}

pub(crate) async fn page(session: Session) -> Result<Response, AppError> {
    if session.contains_key("abc") {
        session.insert("fred", "yes")?;
    }
    session.insert("abc", "123")?;
    let fred = session.contains_key("fred");
    Ok(show(&WalkThrough { frame: Frame::of("/walk-through", &session).await?, fred })?)
}
