//! More than a cookie can hold: the request is refused with a readable page, and the old session stays.

use askama::Template;
use axum::response::{Redirect, Response};
use cloakroom::{Session, SignedCookieFactory};

use crate::error::AppError;
use crate::page::{Frame, show};

const TOO_MUCH: usize = 5000;

#[derive(Template)]
#[template(path = "full.html")]
struct Full {
    frame: Frame,
    limit: usize,
    too_much: usize,
}

pub(crate) async fn page(session: Session) -> Result<Response, AppError> {
    let frame = Frame::of("/full", &session).await?;
    Ok(show(&Full { frame, limit: SignedCookieFactory::MAX_VALUE, too_much: TOO_MUCH })?)
}

/// Never gets as far as its redirect.
pub(crate) async fn fill(session: Session) -> Result<Redirect, AppError> {
    session.insert("a long story", "la ".repeat(TOO_MUCH / 3))?;
    Ok(Redirect::to("/values"))
}
