//! A value that is a list of messages: what flash queues are made of, and how their changes are replayed.

use serde_json::value::RawValue;

use super::entries::Entries;
use super::value::Value;

/// The messages in the array under `key`, oldest first; none where there is no array.
///
/// The key is the library's own. Something else under it was put there by another program, or by hand: it counts as an
/// empty queue, so that one bad value does not make every page of the visitor an error.
pub(crate) fn messages(entries: &Entries, key: &str) -> Vec<Value> {
    let Some(array) = entries.get(key) else { return Vec::new() };
    let Ok(messages) = array.decode::<Vec<Box<RawValue>>>(key) else {
        tracing::warn!(
            key,
            "the key of a flash queue holds no list; it is taken for an empty queue"
        );
        return Vec::new();
    };
    let value = |raw| Value::shared(Box::<str>::from(raw).into_string().into());
    messages.into_iter().map(value).collect()
}

/// Appends `message` to the array under the key `queue`.
pub(super) fn push(entries: &mut Entries, queue: &str, message: &Value, unique: bool) {
    let mut waiting = messages(entries, queue);
    if !(unique && waiting.contains(message)) {
        waiting.push(message.clone());
        entries.set(queue, &array(&waiting));
    }
}

/// Removes the oldest message equal to each of `taken`, and the key when nothing is left (R32).
pub(super) fn take(entries: &mut Entries, queue: &str, taken: &[Value]) {
    let mut waiting = messages(entries, queue);
    for message in taken {
        if let Some(at) = waiting.iter().position(|other| other == message) {
            waiting.remove(at);
        }
    }
    if waiting.is_empty() {
        entries.remove(queue);
    } else {
        entries.set(queue, &array(&waiting));
    }
}

/// Puts the messages of `returned`, an array, before those that wait.
pub(crate) fn put_in_front(entries: &mut Entries, queue: &str, returned: &Value) {
    let mut alone = Entries::new();
    alone.set(queue, returned);
    let mut all = messages(&alone, queue);
    all.append(&mut messages(entries, queue));
    if !all.is_empty() {
        entries.set(queue, &array(&all));
    }
}

/// These entries, with the queues of `returned` put in front of theirs.
pub(super) fn with(entries: &Entries, returned: &Entries) -> Entries {
    let mut all = entries.clone();
    returned.iter().for_each(|(queue, messages)| put_in_front(&mut all, queue, &messages));
    all
}

pub(super) fn array(messages: &[Value]) -> Value {
    let texts: Vec<&str> = messages.iter().map(Value::as_json).collect();
    Value::shared(format!("[{}]", texts.join(",")).into())
}
