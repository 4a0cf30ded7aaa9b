//! The first page: what this is, and a counter that shows that the server remembers.

use askama::Template;
use axum::response::Response;
use cloakroom::Key;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};

const VISITS: Key<u64> = Key::new("visits");

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    frame: Frame,
    visits: u64,
    is_stored: bool,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let visits = visit.session.modify(VISITS, |visits| {
        *visits += 1;
        *visits
    })?;
    let is_stored = visit.site.is_stored();
    Ok(show(&Start { frame: Frame::of("/", &visit).await?, visits, is_stored })?)
}
