//! Signing in with any name, and out. No password is asked for: the demo shows sessions, not accounts.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use cloakroom::session::Limits;
use cloakroom::{Error, Key, Session};
use serde::Deserialize;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};
use crate::pages::devices;

/// The name as it was typed. Whose session it is says [`Session::owner`], which no form can set.
const NAME: Key<String> = Key::new("name");
const MAX_NAME: usize = 40;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const REMEMBERED: Limits = Limits {
    idle: Some(DAY.saturating_mul(30)),
    absolute: Some(DAY.saturating_mul(90)),
    persistent: true,
};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    max_name: usize,
}

#[derive(Deserialize)]
pub(crate) struct Visitor {
    name: String,
    remember: Option<String>,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let frame = Frame::of("/sign-in", &visit).await?;
    Ok(show(&SignIn { frame, max_name: MAX_NAME })?)
}

pub(crate) async fn sign_in(
    Visit { session, .. }: Visit,
    headers: HeaderMap,
    Form(visitor): Form<Visitor>,
) -> Result<Redirect, AppError> {
    let name = visitor.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME {
        session.flash(format!("A name has between one and {MAX_NAME} characters"))?;
        return Ok(Redirect::to("/sign-in"));
    }
    let owner = name.to_lowercase();
    if session.owner().is_some_and(|now| *now != *owner) {
        session.invalidate()?; // what one person left in it is not for the next
    }
    session.set_owner(owner)?;
    session.insert(NAME, name)?;
    session.insert(devices::DEVICE, devices::described(&headers))?;
    session.set_limits(visitor.remember.map(|_| REMEMBERED))?;
    session.flash(format!("Signed in as {name}"))?;
    Ok(Redirect::to("/devices"))
}

pub(crate) async fn sign_out(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.invalidate()?;
    session.flash("Signed out")?; // begins another session, which is nobody's
    Ok(Redirect::to("/"))
}

/// Who is signed in.
pub(crate) fn name(session: &Session) -> Option<String> {
    let owner = session.owner()?;
    let typed: Result<_, Error> = session.get(NAME); // the page "Values" can set it to anything
    Some(typed.ok().flatten().unwrap_or_else(|| owner.to_string()))
}
