//! All values of the session, to be set and deleted by hand.

use askama::Template;
use axum::Form;
use axum::response::{Redirect, Response};
use cloakroom::Session;
use serde::Deserialize;

use crate::error::AppError;
use crate::page::{Frame, Visit, show};

#[derive(Template)]
#[template(path = "values.html")]
struct Values {
    frame: Frame,
    pairs: Vec<(String, String)>,
}

#[derive(Deserialize)]
pub(crate) struct Pair {
    key: String,
    value: String,
}

#[derive(Deserialize)]
pub(crate) struct Named {
    key: String,
}

pub(crate) async fn page(visit: Visit) -> Result<Response, AppError> {
    let frame = Frame::of("/values", &visit).await?;
    let entries = visit.session.entries();
    let pairs = entries.iter().map(|(key, value)| (key.to_owned(), value.as_json().to_owned()));
    Ok(show(&Values { frame, pairs: pairs.collect() })?)
}

/// What is no JSON is kept as text.
pub(crate) async fn set(
    Visit { session, .. }: Visit,
    Form(pair): Form<Pair>,
) -> Result<Redirect, AppError> {
    let replaced = match cloakroom::Value::from_json(&pair.value) {
        Some(value) => session.insert(&pair.key, value)?,
        None => session.insert(&pair.key, &pair.value)?,
    };
    let message = match replaced {
        Some(_) => format!("Replaced “{}”", pair.key),
        None => format!("Set “{}”", pair.key),
    };
    back(&session, message)
}

pub(crate) async fn delete(
    Visit { session, .. }: Visit,
    Form(named): Form<Named>,
) -> Result<Redirect, AppError> {
    let message = match session.remove(&named.key)? {
        Some(_) => format!("Deleted “{}”", named.key),
        None => format!("There was no “{}”", named.key),
    };
    back(&session, message)
}

pub(crate) async fn clear(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.clear()?;
    back(&session, "Cleared: all values are gone, the session goes on".into())
}

pub(crate) async fn invalidate(Visit { session, .. }: Visit) -> Result<Redirect, AppError> {
    session.invalidate()?;
    Ok(Redirect::to("/values"))
}

/// Back to the list, where the message is shown once.
fn back(session: &Session, message: String) -> Result<Redirect, AppError> {
    session.flash(message)?;
    Ok(Redirect::to("/values"))
}
