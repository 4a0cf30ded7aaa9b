//! The session's flash queues, and the page whose layout shows one.

use cloakroom::Session;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::answer::{Answer, Outcome};
use crate::flash_page;

#[derive(Deserialize)]
pub(super) struct Message {
    message: Box<RawValue>,
    #[serde(default)]
    queue: String,
    #[serde(default = "yes")]
    allow_duplicate: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
pub(super) struct Queue {
    /// The default queue has no name.
    #[serde(default)]
    queue: String,
}

#[derive(Serialize)]
struct Messages {
    messages: Vec<Box<RawValue>>,
}

pub(super) fn push(session: &Session, flash: &Message) -> Outcome {
    if flash.allow_duplicate {
        session.flash_to(flash.queue.as_str(), &flash.message)?;
    } else {
        session.flash_unique(&flash.queue, &flash.message)?;
    }
    Answer::done()
}

pub(super) async fn pop(session: &Session, Queue { queue }: &Queue) -> Outcome {
    let messages = session.pop_flash(queue.as_str()).await?;
    Answer::json(&Messages { messages })
}

pub(super) fn peek(session: &Session, Queue { queue }: &Queue) -> Outcome {
    let messages = session.peek_flash(queue.as_str())?;
    Answer::json(&Messages { messages })
}

pub(super) async fn page(session: &Session) -> Outcome {
    let messages: Vec<serde_json::Value> = session.pop_flash("").await?;
    Ok(Answer::html(flash_page::render(&messages)))
}
