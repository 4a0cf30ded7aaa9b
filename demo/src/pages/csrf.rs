//! Requests that another site causes, and how they are told from the visitor's own.

use askama::Template;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html as Page, IntoResponse, Redirect, Response};
use cloakroom::csrf::{CsrfToken, Html, SCRIPT};
use cloakroom::{Error, Key, Session};
use http_body_util::BodyExt;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};

/// What the visitor has left; nothing said is everything.
const LEFT: Key<Vec<String>> = Key::new("left");
const EVERYTHING: [&str; 3] = ["a letter from Ada", "nine photographs", "the only copy of a novel"];

#[derive(Template)]
#[template(path = "csrf.html")]
struct Forged {
    frame: Frame,
    left: Vec<String>,
    field: Html,
    upload_field: Html,
    meta: Html,
    refused: Vec<(&'static str, u64)>,
    other_sites: Vec<String>,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let frame = Frame::of("/csrf", &visit).await?;
    let field = |token: CsrfToken| token.hidden_field();
    Ok(show(&Forged {
        frame,
        left: left(&visit.session)?,
        field: visit.session.csrf_token().map(field)?,
        upload_field: visit.session.csrf_token().map(field)?,
        meta: visit.session.csrf_token()?.meta_tag(),
        refused: visit.site.refused(),
        other_sites: visit.site.other_sites(),
    })?)
}

/// The same form, made by another template engine.
pub(crate) async fn by_minijinja(visit: Visit) -> Result<Response, AppError> {
    let field = minijinja::Value::from(visit.session.csrf_token()?.hidden_field());
    let left = left(&visit.session)?;
    let mut templates = minijinja::Environment::new();
    templates.add_template("form.html", include_str!("../../templates/minijinja/form.html"))?;
    let form = templates.get_template("form.html")?;
    Ok(Page(form.render(minijinja::context! { field, left })?).into_response())
}

pub(crate) async fn delete(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.insert(LEFT, Vec::new())?;
    back(&session, "Everything is deleted")
}

pub(crate) async fn restore(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.remove(LEFT)?;
    back(&session, "It is all back")
}

/// Takes a form of any length, piece by piece, and keeps none of it.
pub(crate) async fn upload(
    Visit { session, .. }: Visit,
    request: axum::extract::Request,
) -> Result<Redirect, AppError> {
    let (mut body, mut bytes) = (request.into_body(), 0);
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len());
    }
    back(&session, &format!("{bytes} bytes arrived"))
}

/// Says over a WebSocket how much is left.
pub(crate) async fn socket(
    session: Session,
    upgrade: WebSocketUpgrade,
) -> Result<Response, AppError> {
    let text = format!("{} things", left(&session)?.len());
    let tell = async |mut socket: WebSocket| {
        // A visitor who has gone need not be told.
        let _ = socket.send(Message::text(text)).await;
    };
    Ok(upgrade.on_upgrade(tell))
}

/// The library's script, which adds the token to each `fetch`.
pub(crate) async fn script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT)
}

/// What the page's button does with it.
pub(crate) async fn page_script() -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../../static/csrf.js"))
}

fn left(session: &Session) -> Result<Vec<String>, Error> {
    let everything = || EVERYTHING.map(str::to_owned).to_vec();
    Ok(session.get(LEFT)?.unwrap_or_else(everything))
}

fn back(session: &Session, message: &str) -> Result<Redirect, AppError> {
    session.flash(message)?;
    Ok(Redirect::to("/csrf"))
}
