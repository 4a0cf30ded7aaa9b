//! A session's dictionary, plain: an ordered list of keys and values, and the changes that a request makes to it.

use serde_json::Value as Json;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Number(u64),
    /// A flash queue.
    Messages(Vec<u64>),
}

impl PartialEq<Json> for Value {
    fn eq(&self, other: &Json) -> bool {
        match self {
            Self::Number(number) => other.as_u64() == Some(*number),
            Self::Messages(messages) => other.is_array() && numbers(other) == *messages,
        }
    }
}

/// Keys and values in the order in which the keys were first set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dict(pub Vec<(&'static str, Value)>);

/// The session keys of the flash queues.
pub const QUEUE_KEYS: [&str; 2] = ["_f_", "_f_q"];

pub const fn queue_key(queue: usize) -> &'static str {
    QUEUE_KEYS[queue]
}

/// Whether the library keeps something of its own under this key.
pub fn is_reserved(key: &str) -> bool {
    key.starts_with('_')
}

impl Dict {
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub fn set(&mut self, key: &'static str, value: Value) {
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, place)) => *place = value,
            None => self.0.push((key, value)),
        }
    }

    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let index = self.0.iter().position(|(name, _)| *name == key)?;
        Some(self.0.remove(index).1)
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn messages(&self, key: &str) -> Vec<u64> {
        match self.get(key) {
            Some(Value::Messages(messages)) => messages.clone(),
            _ => Vec::new(),
        }
    }

    pub fn push(&mut self, key: &'static str, message: u64) {
        let mut messages = self.messages(key);
        messages.push(message);
        self.set(key, Value::Messages(messages));
    }

    /// Takes these messages out of a queue, which goes when it is empty. Says which were there.
    pub fn take(&mut self, key: &'static str, which: &[u64]) -> Vec<u64> {
        let mut messages = self.messages(key);
        let mut taken = Vec::new();
        for message in which {
            if let Some(index) = messages.iter().position(|it| it == message) {
                taken.push(messages.remove(index));
            }
        }
        if !taken.is_empty() && messages.is_empty() {
            self.remove(key);
        } else if !taken.is_empty() {
            self.set(key, Value::Messages(messages));
        }
        taken
    }

    /// Puts messages back to the front of their queue: they were there before what is there now.
    pub fn give_back(&mut self, key: &'static str, messages: &[u64]) {
        if !messages.is_empty() {
            let all = [messages, &self.messages(key)].concat();
            self.set(key, Value::Messages(all));
        }
    }

    /// The same but for the order of keys that the library keeps for itself, and, unless all happened one after the
    /// other, of the messages in queues.
    pub fn looks_like(&self, seen: &[(String, Json)], in_order: bool) -> bool {
        let ordinary = |key: &str| !is_reserved(key);
        let mine = self.0.iter().filter(|(key, _)| ordinary(key));
        let others = seen.iter().filter(|(key, _)| ordinary(key));
        let same = mine.clone().count() == others.clone().count()
            && mine.zip(others).all(|((key, value), (other, seen))| key == other && value == seen);
        same && self.0.len() == seen.len()
            && seen.iter().filter(|(key, _)| is_reserved(key)).all(|(key, seen)| {
                match self.get(key) {
                    Some(Value::Messages(messages)) => {
                        same_messages(messages, &numbers(seen), in_order)
                    }
                    Some(value) => value == seen,
                    None => false,
                }
            })
    }
}

pub fn numbers(seen: &Json) -> Vec<u64> {
    seen.as_array().into_iter().flatten().filter_map(Json::as_u64).collect()
}

pub fn same_messages(one: &[u64], other: &[u64], in_order: bool) -> bool {
    if in_order {
        return one == other;
    }
    let (mut one, mut other) = (one.to_vec(), other.to_vec());
    one.sort_unstable();
    other.sort_unstable();
    one == other
}

/// One thing that a request did to its dictionary, and that made a difference there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Set(&'static str, u64),
    SetIfAbsent(&'static str, u64),
    Remove(&'static str),
    Clear,
    Add(&'static str, u64),
    Push(&'static str, u64),
    PushUnique(&'static str, u64),
    /// A message that waited was taken, to be shown.
    Take(&'static str, u64),
}

/// What these changes may make of a dictionary that is perhaps not the one they were first made to.
pub fn replay(dict: &Dict, changes: &[Change]) -> Vec<Dict> {
    let mut dicts = vec![dict.clone()];
    for change in changes {
        let mut next = Vec::new();
        for dict in &dicts {
            replay_one(dict, change, &mut next);
        }
        dicts = next;
    }
    dicts
}

fn replay_one(dict: &Dict, change: &Change, next: &mut Vec<Dict>) {
    let mut done = dict.clone();
    match *change {
        Change::Set(key, value) => done.set(key, Value::Number(value)),
        Change::SetIfAbsent(key, value) => {
            if dict.get(key).is_some() {
                // "Reads a value, after setting it to what `make` gives where there is none": the handler has seen
                // its own, which the last write may win with.
                next.push(dict.clone());
            }
            done.set(key, Value::Number(value));
        }
        Change::Remove(key) => drop(done.remove(key)),
        Change::Clear => done.0.clear(),
        Change::Add(key, by) => {
            let sum = dict.number(key).unwrap_or(0) + by;
            done.set(key, Value::Number(sum));
        }
        Change::Push(key, message) => done.push(key, message),
        Change::PushUnique(key, message) => {
            if !dict.messages(key).contains(&message) {
                done.push(key, message);
            }
        }
        Change::Take(key, message) => drop(done.take(key, &[message])),
    }
    if !next.contains(&done) {
        next.push(done);
    }
}
