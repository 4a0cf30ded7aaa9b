//! More than a cookie can hold. In a signed cookie it is refused with a readable page, and the old session stays; on
//! the server there is room.

use askama::Template;
use axum::response::{Redirect, Response};
use cloakroom::SignedCookieFactory;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};

const TOO_MUCH: usize = 5000;

#[derive(Template)]
#[template(path = "full.html")]
struct Full {
    frame: Frame,
    is_stored: bool,
    limit: usize,
    too_much: usize,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let frame = Frame::of("/full", &visit).await?;
    let (is_stored, limit) = (visit.site.is_stored(), SignedCookieFactory::MAX_VALUE);
    Ok(show(&Full { frame, is_stored, limit, too_much: TOO_MUCH })?)
}

/// With a signed cookie it never gets as far as its redirect.
pub(crate) async fn fill(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.insert("a long story", "lala ".repeat(TOO_MUCH / 5))?;
    Ok(Redirect::to("/values"))
}
