//! The session as a dictionary: reading, writing and the facts about it.

use std::collections::BTreeMap;

use cloakroom::Session;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

use crate::answer::{Answer, Outcome};

/// JSON text, kept as it is.
type Json = Box<RawValue>;

#[derive(Deserialize)]
pub(super) struct Named {
    key: String,
}

#[derive(Deserialize)]
pub(super) struct Pair {
    key: String,
    value: Json,
}

#[derive(Deserialize)]
pub(super) struct Several {
    values: BTreeMap<String, Json>,
}

#[derive(Deserialize)]
pub(super) struct Addition {
    key: String,
    by: i64,
}

/// The walk-through of R12.
pub(super) fn fred(session: &Session) -> Outcome {
    if session.contains_key("abc") {
        session.insert("fred", "yes")?;
    }
    session.insert("abc", "123")?;
    let not = if session.contains_key("fred") { "" } else { "not " };
    Ok(Answer::text(format!("Fred was {not}in the session")))
}

pub(super) fn info(session: &Session) -> Outcome {
    Answer::json(&json!({
        "new": session.is_new(),
        "expired": session.was_expired(),
        "created": session.created().as_secs(),
        "len": session.len(),
        "keys": session.keys(),
        "expires_in": session.expires_in().map(|left| left.as_secs()),
        "owner": session.owner().as_deref(),
        "id": session.id(),
    }))
}

pub(super) fn get(session: &Session, Named { key }: Named) -> Outcome {
    let value: Option<Json> = session.get(key)?;
    Answer::json(&One { value })
}

pub(super) fn all(session: &Session) -> Outcome {
    let values = session.entries().into_iter().map(|(key, value)| Ok((key, value.get()?)));
    let values = Members(values.collect::<Result<_, cloakroom::Error>>()?);
    Answer::json(&All { values })
}

pub(super) fn set(session: &Session, Pair { key, value }: &Pair) -> Outcome {
    let previous = session.insert(key, value)?;
    let previous = previous.map(|value| value.get()).transpose()?;
    Answer::json(&Replaced { previous })
}

pub(super) fn set_default(session: &Session, Pair { key, value }: Pair) -> Outcome {
    let value = Some(session.get_or_insert_with(key, || value)?);
    Answer::json(&One { value })
}

pub(super) fn update(session: &Session, Several { values }: Several) -> Outcome {
    session.extend(values)?;
    Answer::done()
}

pub(super) fn add(session: &Session, addition: &Addition) -> Outcome {
    let by = addition.by;
    let value = session.modify(&addition.key, move |number: &mut i64| {
        *number = number.saturating_add(by);
        *number
    })?;
    Answer::json(&json!({"value": value}))
}

/// What should be an `add`: another request's addition in between is overwritten.
pub(super) fn get_then_set(session: &Session, addition: &Addition) -> Outcome {
    let before: i64 = session.get(&addition.key)?.unwrap_or_default();
    let value = before.saturating_add(addition.by);
    session.insert(&addition.key, value)?;
    Answer::json(&json!({"value": value}))
}

pub(super) fn remove(session: &Session, Named { key }: &Named) -> Outcome {
    match session.remove(key)? {
        Some(value) => Answer::json(&Removed { key, value: value.get()? }),
        None => Answer::done(),
    }
}

pub(super) fn pop_item(session: &Session) -> Outcome {
    match session.pop_item()? {
        Some((key, value)) => Answer::json(&Removed { key: &key, value: value.get()? }),
        None => Answer::done(),
    }
}

#[derive(Serialize)]
struct One {
    value: Option<Json>,
}

#[derive(Serialize)]
struct Replaced {
    previous: Option<Json>,
}

#[derive(Serialize)]
struct Removed<'a> {
    key: &'a str,
    value: Json,
}

#[derive(Serialize)]
struct All {
    values: Members,
}

/// An object that keeps the order of the session's keys.
struct Members(Vec<(String, Json)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
