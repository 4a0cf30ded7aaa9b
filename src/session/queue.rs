//! A value that is a list of messages: what flash queues are made of, and how their changes are replayed.

use serde_json::value::RawValue;

use super::entries::Entries;
use super::value::Value;
use crate::Error;

/// The messages in the array under `key`, oldest first; none where there is no array.
pub(crate) fn messages(entries: &Entries, key: &str) -> Result<Vec<Value>, Error> {
    let Some(array) = entries.get(key) else { return Ok(Vec::new()) };
    let messages: Vec<Box<RawValue>> = array.decode(key)?;
    Ok(messages
        .into_iter()
        .map(|raw| Value::shared(Box::<str>::from(raw).into_string().into()))
        .collect())
}

/// Appends `message` to the array under the key `queue`.
pub(super) fn push(
    entries: &mut Entries,
    queue: &str,
    message: &Value,
    unique: bool,
) -> Result<(), Error> {
    let mut waiting = messages(entries, queue)?;
    if !(unique && waiting.contains(message)) {
        waiting.push(message.clone());
        entries.set(queue, &array(&waiting));
    }
    Ok(())
}

/// Removes the oldest message equal to each of `taken`, and the key when nothing is left (R32).
pub(super) fn take(entries: &mut Entries, queue: &str, taken: &[Value]) -> Result<(), Error> {
    let mut waiting = messages(entries, queue)?;
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
    Ok(())
}

/// Puts the messages of `array` before those that wait. A key that holds no array any more gives way: messages are
/// not lost to it.
pub(crate) fn put_in_front(entries: &mut Entries, queue: &str, array: Value) {
    let returned: Result<Vec<Box<RawValue>>, _> = array.decode(queue);
    let (Ok(returned), Ok(waiting)) = (returned, messages(entries, queue)) else {
        entries.set(queue, &array);
        return;
    };
    let texts: Vec<&str> =
        returned.iter().map(|raw| raw.get()).chain(waiting.iter().map(Value::as_json)).collect();
    let joined = Value::shared(format!("[{}]", texts.join(",")).into());
    entries.set(queue, &joined);
}

fn array(messages: &[Value]) -> Value {
    let texts: Vec<&str> = messages.iter().map(Value::as_json).collect();
    Value::shared(format!("[{}]", texts.join(",")).into())
}
