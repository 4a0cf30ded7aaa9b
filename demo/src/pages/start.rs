//! The first page: what this is, and a counter that shows that the server remembers.

use askama::Template;
use axum::response::Response;
use cloakroom::{Key, Session};

use crate::error::AppError;
use crate::page::{Frame, show};

const VISITS: Key<u64> = Key::new("visits");

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    frame: Frame,
    visits: u64,
}

pub(crate) async fn page(session: Session) -> Result<Response, AppError> {
    let visits = session.modify(VISITS, |visits| {
        *visits += 1;
        *visits
    })?;
    Ok(show(&Start { frame: Frame::of("/", &session).await?, visits })?)
}
