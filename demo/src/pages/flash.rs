//! Flash messages: pushed to any queue, shown once after a redirect.

use askama::Template;
use axum::Form;
use axum::response::{Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use crate::error::AppError;
use crate::page::{Frame, Visit, plain, show};

#[derive(Template)]
#[template(path = "flash.html")]
struct Flash {
    frame: Frame,
    waiting: Vec<(String, Vec<String>)>,
    shown: Option<(String, Vec<String>)>,
}

#[derive(Deserialize)]
pub(crate) struct Push {
    message: String,
    #[serde(default)]
    queue: String,
    unique: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Queue {
    queue: String,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    with_shown(&visit, None).await
}

pub(crate) async fn push(
    Visit { session, .. }: Visit,
    Form(push): Form<Push>,
) -> Result<Redirect, AppError> {
    if push.unique.is_some() {
        session.flash_unique(&push.queue, &push.message)?;
    } else {
        session.flash_to(&push.queue, &push.message)?;
    }
    Ok(Redirect::to("/flash"))
}

/// Shows and thereby empties one queue.
pub(crate) async fn show_queue(
    visit: Visit,
    Form(named): Form<Queue>,
) -> Result<Response, AppError> {
    let messages: Vec<Value> = visit.session.pop_flash(&named.queue).await?;
    let shown = messages.iter().map(plain).collect();
    with_shown(&visit, Some((named.queue, shown))).await
}

async fn with_shown(
    visit: &Visit,
    shown: Option<(String, Vec<String>)>,
) -> Result<Response, AppError> {
    let frame = Frame::of("/flash", visit).await?;
    let mut waiting = Vec::new();
    for queue in visit.session.flash_queues() {
        let messages: Vec<Value> = visit.session.peek_flash(&queue)?;
        waiting.push((queue, messages.iter().map(plain).collect()));
    }
    Ok(show(&Flash { frame, waiting, shown })?)
}
