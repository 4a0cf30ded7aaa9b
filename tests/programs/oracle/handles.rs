//! Handles: a session outside of its request, pinned to what it was taken of.

use super::dict::{Change, replay};
use super::state::{Arrival, Handle, Life, Pin, State, Wish};
use super::{Breach, Outcome, ensure};
use crate::history::Did;
use crate::program::{KEYS, Op};

const PINNED: &str = "a handle is pinned to the session it was taken of: after invalidate or a login of another it is Gone";
const STANDS: &str =
    "Standing::Gone: It was ended: by a logout, a renewal, a revocation, or its age";
const LIVE: &str = "SessionHandle: reload and commit say Live while the session is there";
const VIEW: &str = "A handle starts with what this request sees, its own changes included; reload reads the session as it \
                    is now";

impl State {
    pub fn took_handle(mut self, request: usize, did: &Did) -> Outcome {
        ensure(*did == Did::Unit, LIVE, || format!("handle gave {did:?}"))?;
        let mut asked = self.asked(request);
        let pin = match (asked.arrival, asked.wish) {
            (Arrival::Live { session, epoch }, Wish::Keep) => Pin::To { session, epoch },
            _ => Pin::Pending,
        };
        asked.handed = true;
        let view = Some(asked.view.clone());
        self.handle =
            Some(Handle { pin, request, view, changes: Vec::new(), read: false, spent: false });
        // What was read through the handle is what the request has read, or not.
        asked.perhaps_read.extend(asked.read.iter().copied());
        self.requests.insert(request, asked);
        Ok(vec![self])
    }

    pub fn with_handle(mut self, op: Op, did: &Did) -> Outcome {
        if *did == Did::Skipped {
            // A request that was dropped while it had the handle took it along; or one has it that is under way.
            let lent = self.clone();
            self.handle = None;
            return Ok(vec![self, lent]);
        }
        let Some(handle) = self.handle.clone() else {
            ensure(*did == Did::Skipped, VIEW, || format!("{op} gave {did:?} without a handle"))?;
            return Ok(vec![self]);
        };
        match op {
            Op::HandleReload => self.reloads(&handle, did),
            Op::HandleCommit => self.handle_commits(&handle, did),
            _ => self.handle_works(handle, op, did),
        }
    }

    fn handle_works(mut self, mut handle: Handle, op: Op, did: &Did) -> Outcome {
        let (key, change) = match op {
            Op::HandleInsert(key, value) => (KEYS[key], Some(Change::Set(KEYS[key], value))),
            Op::HandleModify(key, by) => (KEYS[key], Some(Change::Add(KEYS[key], by))),
            Op::HandleGet(key) => (KEYS[key], None),
            _ => unreachable!("not one of a handle's"),
        };
        handle.read = true;
        if let Did::Failed(_) = did {
            let (_, surely) = self.reach(&handle);
            handle.spent = true;
            ensure(!surely, LIVE, || format!("{op} gave {did:?}"))?;
            return Ok(vec![self]);
        }
        let Some(view) = &mut handle.view else {
            handle.changes.extend(change);
            self.handle = Some(handle);
            return Ok(vec![self]);
        };
        let old = view.number(key);
        if let Some(change) = change {
            let next = replay(view, std::slice::from_ref(&change)).pop().expect("there is one");
            if next != *view {
                (*view, _) = (next, handle.changes.push(change));
            }
        }
        let given = if matches!(op, Op::HandleModify(..)) { view.number(key) } else { old };
        let expected = Did::Value(given.map(Into::into));
        ensure(*did == expected, VIEW, || format!("{op} gave {did:?} and not {expected:?}"))?;
        self.handle = Some(handle);
        Ok(vec![self])
    }

    /// The sessions that a handle may reach, and whether it certainly does.
    fn reach(&self, handle: &Handle) -> (Vec<usize>, bool) {
        let over = self.requests.get(&handle.request).is_none_or(|asked| asked.over);
        match handle.pin {
            Pin::To { session, epoch } => {
                let there = !self.is_late(session, epoch) && self.life(session) != Life::Over;
                let surely = there && over && !handle.spent && self.life(session) == Life::Lives;
                (if there { vec![session] } else { Vec::new() }, surely)
            }
            Pin::Nothing => (Vec::new(), false),
            Pin::Pending | Pin::Either => {
                let alive = |index: &usize| self.life(*index) != Life::Over;
                ((0..self.sessions.len()).filter(alive).collect(), false)
            }
        }
    }

    fn stands(&self, handle: &Handle, op: &str, did: &Did) -> Result<Option<Vec<usize>>, Breach> {
        let (sessions, surely) = self.reach(handle);
        let over = self.requests.get(&handle.request).is_none_or(|asked| asked.over);
        match did {
            Did::Stands(true) => {
                let pending = handle.pin == Pin::Pending || handle.pin == Pin::Either;
                let promise = if handle.changes.is_empty() { STANDS } else { PINNED };
                ensure(!sessions.is_empty() || (pending && !over), promise, || {
                    format!("{op} says Live of a session that is no more")
                })?;
                Ok(Some(sessions))
            }
            Did::Stands(false) => {
                ensure(!surely, LIVE, || format!("{op} says Gone of a session that is there"))?;
                Ok(None)
            }
            Did::Failed("not_yet") => {
                let pending = matches!(handle.pin, Pin::Pending | Pin::Either);
                ensure(pending && !over, LIVE, || {
                    format!("{op} says that it is too early, and its request is over: {over}")
                })?;
                Ok(None)
            }
            Did::Failed("overwrites") if self.settings.refuse && handle.read => Ok(None),
            other => {
                ensure(!over, LIVE, || format!("{op} gave {other:?}"))?;
                Ok(None)
            }
        }
    }

    fn reloads(mut self, handle: &Handle, did: &Did) -> Outcome {
        let mut handle = handle.clone();
        let sessions = self.stands(&handle, "reload", did)?;
        if matches!(did, Did::Failed(_)) {
            return Ok(vec![self]);
        }
        if let Some(sessions) = sessions {
            let mut next = Vec::new();
            for session in sessions {
                let mut state = self.clone();
                handle.view = Some(self.sessions[session].dict.clone());
                handle.changes.clear();
                state.handle = Some(handle.clone());
                next.push(state);
            }
            if !next.is_empty() {
                return Ok(next);
            }
        }
        // "What was not committed is forgotten", or is still there: the session is gone in any case.
        handle.view = None;
        handle.spent = true;
        handle.changes.clear();
        self.handle = Some(handle);
        Ok(vec![self])
    }

    fn handle_commits(mut self, handle: &Handle, did: &Did) -> Outcome {
        let mut handle = handle.clone();
        let failed = matches!(did, Did::Failed(_));
        let Some(sessions) = self.stands(&handle, "commit", did)? else {
            let mut with_changes = self.clone();
            handle.spent |= !failed;
            with_changes.handle = Some(handle.clone());
            if !failed {
                (handle.view, handle.changes) = (None, Vec::new());
            }
            self.handle = Some(handle);
            return Ok(vec![self, with_changes]);
        };
        let mut next = Vec::new();
        for session in sessions {
            for dict in replay(&self.sessions[session].dict, &handle.changes) {
                let mut state = self.clone();
                let now = state.now;
                let kept = &mut state.sessions[session];
                kept.dict = dict.clone();
                kept.use_at(0, now);
                let mut handle = handle.clone();
                (handle.view, handle.changes) = (Some(dict), Vec::new());
                state.handle = Some(handle);
                next.push(state);
            }
        }
        if next.is_empty() {
            // A session that is only to be made: nothing can be kept yet.
            next.push(self);
        }
        Ok(next)
    }
}
