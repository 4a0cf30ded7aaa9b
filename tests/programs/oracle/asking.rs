//! The operations of a request that need nothing but its own view of the session.

use serde_json::Value as Json;

use super::dict::{
    Change, QUEUE_KEYS, Value, is_reserved, numbers, queue_key, replay, same_messages,
};
use super::operating::{ONCE, TABLE};
use super::state::{Asked, Wish};
use super::{Breach, ensure};
use crate::history::{Did, Own};
use crate::program::{KEYS, Op};

impl Asked {
    pub(super) fn wishes(&mut self, op: Op, own: &Own) {
        match op {
            Op::SetLimits(limits) => return self.limits = Some(limits),
            Op::Invalidate => {
                self.empty();
                (self.wish, self.owner, self.left, self.limits) = (Wish::Logout, None, None, None);
                return;
            }
            Op::SetOwner(_) => {
                let whose = self.owner.as_ref().or(self.left.as_ref());
                let other = whose.is_some() && whose != own.owner.as_ref();
                if other {
                    self.switched = true;
                    self.empty();
                    self.limits = None;
                    self.wish =
                        if self.wish == Wish::Logout { Wish::Logout } else { Wish::Replace };
                }
                (self.owner, self.left, self.owner_set) = (own.owner.clone(), None, true);
            }
            Op::ForgetOwner => {
                self.left = self.owner.take().or(self.left.take());
                self.owner_set = true;
            }
            _ => {}
        }
        if self.wish == Wish::Keep {
            self.wish = Wish::Renew;
        }
        (self.csrf, self.csrf_new) = (None, false);
    }

    /// A new and empty session from here on.
    pub(super) fn empty(&mut self) {
        (self.base, self.view) = Default::default();
        self.changes.clear();
        self.own.clear();
        (self.csrf, self.csrf_new, self.forced) = (None, false, false);
        (self.read, self.perhaps_read) = (Vec::new(), Vec::new());
    }

    fn change(&mut self, change: Change) {
        self.view = replay(&self.view, std::slice::from_ref(&change)).pop().expect("there is one");
        self.changes.push(change);
    }

    fn note_read(&mut self, key: &'static str, surely: bool) {
        let written = self.changes.iter().any(|change| changes_key(change, key));
        let list = if surely { &mut self.read } else { &mut self.perhaps_read };
        if !written && !list.contains(&key) {
            list.push(key);
        }
    }

    pub fn dictionary(&mut self, op: Op, did: &Did, in_order: bool) -> Result<(), Breach> {
        let expected = match op {
            Op::Get(key) => {
                self.note_read(KEYS[key], true);
                Did::Value(self.json(KEYS[key]))
            }
            Op::Has(key) => {
                self.note_read(KEYS[key], false);
                Did::Flag(self.view.get(KEYS[key]).is_some())
            }
            Op::Keys => return self.keys(did),
            Op::Insert(key, value) => {
                let old = self.json(KEYS[key]);
                self.set(KEYS[key], value);
                Did::Value(old)
            }
            Op::Remove(key) | Op::Take(key) => {
                let old = self.json(KEYS[key]);
                self.note_read(KEYS[key], false);
                if old.is_some() {
                    self.change(Change::Remove(KEYS[key]));
                }
                Did::Value(old)
            }
            Op::PopItem => return self.pop_item(did),
            Op::Clear => {
                if !self.view.0.is_empty() {
                    self.change(Change::Clear);
                }
                self.own.clear();
                Did::Unit
            }
            Op::Extend(one, other) => {
                self.set(KEYS[0], one);
                self.set(KEYS[2], other);
                Did::Unit
            }
            Op::GetOrInsert(key, value) => {
                self.note_read(KEYS[key], false);
                if self.view.get(KEYS[key]).is_none() {
                    self.change(Change::SetIfAbsent(KEYS[key], value));
                }
                Did::Value(self.json(KEYS[key]))
            }
            Op::Modify(key, by) => {
                self.note_read(KEYS[key], false);
                self.change(Change::Add(KEYS[key], by));
                Did::Value(self.json(KEYS[key]))
            }
            Op::Changed => {
                self.forced = true;
                Did::Unit
            }
            Op::Flash(queue, message) => {
                self.change(Change::Push(queue_key(queue), message));
                self.own.push((queue_key(queue), message));
                Did::Unit
            }
            Op::FlashUnique(queue, message) => {
                let key = queue_key(queue);
                let free = !self.view.messages(key).contains(&message);
                if free {
                    self.change(Change::PushUnique(key, message));
                    self.own.push((key, message));
                }
                Did::Flag(free)
            }
            Op::PeekFlash(queue) => {
                let waiting = self.view.messages(queue_key(queue));
                match did {
                    Did::Messages(seen) => {
                        return ensure(same_messages(seen, &waiting, in_order), ONCE, || {
                            format!("peek gave {seen:?} and not {waiting:?}")
                        });
                    }
                    _ => Did::Messages(waiting),
                }
            }
            _ => unreachable!("not one of the dictionary's"),
        };
        ensure(*did == expected, TABLE, || format!("{op} gave {did:?} and not {expected:?}"))
    }

    fn json(&self, key: &str) -> Option<Json> {
        self.view.number(key).map(Json::from)
    }

    fn set(&mut self, key: &'static str, value: u64) {
        self.note_read(key, false);
        if self.view.number(key) != Some(value) {
            self.change(Change::Set(key, value));
        }
    }

    fn keys(&mut self, did: &Did) -> Result<(), Breach> {
        KEYS.into_iter().chain(QUEUE_KEYS).for_each(|key| self.note_read(key, false));
        let expected: Vec<&str> = self.view.0.iter().map(|(key, _)| *key).collect();
        let Did::Keys(seen) = did else {
            return Err(Breach::new(TABLE, format!("keys gave {did:?}")));
        };
        let ordinary = |keys: &[&str]| -> Vec<String> {
            keys.iter().filter(|key| !is_reserved(key)).map(ToString::to_string).collect()
        };
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        let all_there =
            expected.len() == seen.len() && seen.iter().all(|key| expected.contains(key));
        let in_place = self.unsure_order || !all_there || expected == seen;
        let promise = if ordinary(&expected) == ordinary(&seen) { ONCE } else { TABLE };
        ensure(all_there && in_place && ordinary(&expected) == ordinary(&seen), promise, || {
            format!("keys gave {seen:?} and not {expected:?}")
        })
    }

    fn pop_item(&mut self, did: &Did) -> Result<(), Breach> {
        let Did::Pair(pair) = did else {
            return Err(Breach::new(TABLE, format!("pop_item gave {did:?}")));
        };
        let Some((seen, value)) = pair else {
            let only_messages = self.view.0.iter().all(|(key, _)| is_reserved(key));
            let promise = if only_messages { ONCE } else { TABLE };
            return ensure(self.view.0.is_empty(), promise, || "pop_item found nothing".into());
        };
        let index = self.view.0.iter().position(|(key, _)| key == seen);
        let Some(index) = index else {
            return Err(Breach::new(TABLE, format!("pop_item gave {seen}, which is not there")));
        };
        let key = self.view.0[index].0;
        let last =
            self.view.0[index + 1..].iter().all(|(key, _)| self.unsure_order && is_reserved(key));
        let unsure = self.unsure_order && is_reserved(key);
        let same = match &self.view.0[index].1 {
            Value::Messages(messages) => same_messages(messages, &numbers(value), false),
            own => own == value,
        };
        ensure(same && (last || unsure), TABLE, || {
            format!("pop_item gave {seen}={value} of {:?}", self.view.0)
        })?;
        self.own.retain(|(queue, _)| *queue != key);
        self.note_read(key, false);
        self.change(Change::Remove(key));
        Ok(())
    }
}

/// Whether a change sets this key.
pub fn changes_key(change: &Change, key: &str) -> bool {
    match change {
        Change::Clear => true,
        Change::Set(own, _)
        | Change::SetIfAbsent(own, _)
        | Change::Remove(own)
        | Change::Add(own, _) => *own == key,
        Change::Push(..) | Change::PushUnique(..) | Change::Take(..) => false,
    }
}
