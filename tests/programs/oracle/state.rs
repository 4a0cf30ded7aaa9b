//! What the oracle knows: sessions, requests that are under way, the handle, and what browsers have.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::dict::{Change, Dict};
use super::{Breach, Outcome, ensure};
use crate::history::{Owned, What};
use crate::program::{GRACE, LEASE, Lifetime, Settings};
use crate::run::START;

/// So long after a ticket was retired a request with it is Gone.
pub const SHORTLY: u64 = 30;

const SWITCHED: &str = "set_owner with another owner than the present one begins an empty session: the previous owner's \
                        data, limits and flash messages are gone";

const UNDELIVERED: &str = "with a dropped or panicked request a renewal or a login is not done: the old ticket stays good";

/// Why a session is no more that was seen to have expired.
pub const BY_AGE: &str = "by its age";

pub const LISTED: &str = "S29: An owner's sessions can be listed and ended: one, all others, all.";

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub settings: Settings,
    /// Whether everything happens one after the other, so that all order is exact.
    pub in_order: bool,
    pub now: u64,
    pub sessions: Vec<Kept>,
    pub requests: BTreeMap<usize, Asked>,
    pub handle: Option<Handle>,
    /// What each browser got last.
    pub jars: BTreeMap<usize, Option<Rc<str>>>,
}

/// A session in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub id: Option<String>,
    pub owner: Option<String>,
    /// Whose it was, and what it holds still is, where it is nobody's.
    pub left: Option<String>,
    pub dict: Dict,
    /// Whether the library's own keys may stand elsewhere than where they were.
    pub unsure_order: bool,
    pub claims: Vec<Claim>,
    /// How often the ticket was renewed for a change of rights.
    pub epoch: u32,
    pub tickets: Vec<(Rc<str>, Standing)>,
    /// When the present ticket was made, from and to.
    pub ticket_made: (u64, u64),
    pub created: u64,
    /// When it was used last: certainly then, perhaps later.
    pub used: (u64, u64),
    pub limits: Option<Lifetime>,
    pub csrf: Option<String>,
    pub dead_csrf: Vec<String>,
    /// Counts new tokens.
    pub csrf_count: u32,
    /// Why it is no more.
    pub ended: Option<&'static str>,
    /// What another owner's login began in its place.
    pub successor: Option<usize>,
}

/// What a ticket is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Current,
    /// Renewed periodically, from and to these times: opens the session for a grace from then on.
    Grace(u64, u64),
    /// Retired by a login, a renewal or a session that began in the place of this one, from and to these times.
    Before(u64, u64),
}

/// Flash messages between taking and showing.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    pub request: usize,
    pub queue: &'static str,
    pub messages: Vec<u64>,
    pub until: u64,
    /// The lease has ended: the messages wait again.
    pub lapsed: bool,
    /// The request emptied its session afterwards, so that what becomes of unshown messages is open.
    pub cleared: bool,
}

/// What a request came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    Live {
        session: usize,
        epoch: u32,
    },
    /// With a ticket that was retired a moment ago.
    Late {
        session: usize,
    },
    Fresh {
        expired: bool,
    },
}

/// What a request wants of its ticket and its session as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Keep,
    Renew,
    /// Another owner's session begins, empty.
    Replace,
    Logout,
}

/// A request that has its session.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub browser: usize,
    pub cookie: Option<Rc<str>>,
    pub arrival: Arrival,
    pub opened_at: u64,
    pub base: Dict,
    pub view: Dict,
    pub unsure_order: bool,
    pub changes: Vec<Change>,
    pub wish: Wish,
    pub owner: Option<String>,
    pub left: Option<String>,
    /// `set_owner` was called with another owner than the present one.
    pub switched: bool,
    /// It wanted another ticket, and no response could carry one.
    pub undelivered: bool,
    /// Whether `set_owner` or `forget_owner` was called.
    pub owner_set: bool,
    pub limits: Option<Option<Lifetime>>,
    pub looked: bool,
    /// A handle was taken, which may count as a look.
    pub handed: bool,
    /// `changed` was called.
    pub forced: bool,
    /// The token as this request has seen it.
    pub csrf: Option<String>,
    pub csrf_count: u32,
    pub csrf_new: bool,
    /// A new one was asked for, perhaps before a renewal was.
    pub csrf_made: bool,
    /// Messages that this request itself pushed and that still wait.
    pub own: Vec<(&'static str, u64)>,
    /// Keys whose values were handed out by `get`, before this request wrote them.
    pub read: Vec<&'static str>,
    /// The same by other means: whether that is a read is not written down.
    pub perhaps_read: Vec<&'static str>,
    pub popped: bool,
    pub over: bool,
    /// The cookie in its response, once it has ended.
    pub sent: Option<Option<Rc<str>>>,
    pub gone: bool,
}

/// What a handle is pinned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    To {
        session: usize,
        epoch: u32,
    },
    /// What the request that made it will leave.
    Pending,
    /// Taken after the request asked for another ticket or session: either may be meant.
    Either,
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Handle {
    pub pin: Pin,
    pub request: usize,
    /// `None` where what it sees is not known.
    pub view: Option<Dict>,
    pub changes: Vec<Change>,
    pub read: bool,
    /// It has said Gone before there was anything for it: it may stay so.
    pub spent: bool,
}

/// Whether a session lives at some time: around the end of its limits that depends on how exactly it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Lives,
    Perhaps,
    Over,
}

impl Kept {
    pub fn lifetime(&self, settings: &Settings) -> Lifetime {
        self.limits.unwrap_or(settings.lifetime)
    }

    pub fn life(&self, settings: &Settings, now: u64) -> Life {
        if self.ended.is_some() { Life::Over } else { self.life_by_age(settings, now) }
    }

    /// The same, had nobody ended it.
    pub fn life_by_age(&self, settings: &Settings, now: u64) -> Life {
        let limits = self.lifetime(settings);
        let end = |used: u64| (used + limits.idle).min(self.created + limits.absolute);
        match (end(self.used.0), end(self.used.1)) {
            (surely, _) if now < surely => Life::Lives,
            (_, perhaps) if now <= perhaps => Life::Perhaps,
            _ => Life::Over,
        }
    }

    pub fn standing(&self, ticket: &str) -> Option<Standing> {
        self.tickets.iter().find(|(text, _)| **text == *ticket).map(|(_, standing)| *standing)
    }

    /// The ticket is another one from now on.
    pub fn renew(&mut self, ticket: Option<Rc<str>>, now: u64, opened: u64, becomes: Standing) {
        for (_, standing) in &mut self.tickets {
            *standing = match *standing {
                Standing::Current => becomes,
                Standing::Grace(_, to) if now < to + GRACE => Standing::Before(opened, now),
                Standing::Grace(from, to) => Standing::Before(from, to),
                before @ Standing::Before(..) => before,
            };
        }
        self.tickets.extend(ticket.map(|ticket| (ticket, Standing::Current)));
        self.ticket_made = (opened, now);
    }

    pub fn use_at(&mut self, surely: u64, perhaps: u64) {
        self.used = (self.used.0.max(surely), self.used.1.max(perhaps));
    }

    fn end_leases(&mut self, now: u64) {
        let mut back = Vec::new();
        for claim in self.claims.iter_mut().filter(|claim| !claim.lapsed && claim.until < now) {
            claim.lapsed = true;
            back.push((claim.queue, claim.messages.clone()));
        }
        for (queue, messages) in back {
            self.dict.give_back(queue, &messages);
            self.unsure_order = true;
        }
    }
}

impl State {
    pub fn new(settings: Settings, in_order: bool) -> Self {
        Self {
            settings,
            in_order,
            now: START,
            sessions: Vec::new(),
            requests: BTreeMap::new(),
            handle: None,
            jars: BTreeMap::new(),
        }
    }

    pub fn life(&self, session: usize) -> Life {
        self.sessions[session].life(&self.settings, self.now)
    }

    /// The session that a ticket has ever been for.
    pub fn session_of(&self, ticket: &str) -> Option<(usize, Standing)> {
        let found = |(index, kept): (usize, &Kept)| Some((index, kept.standing(ticket)?));
        self.sessions.iter().enumerate().find_map(found)
    }

    pub fn asked(&self, request: usize) -> Asked {
        self.requests[&request].clone()
    }

    /// Whether the session that a request came with is not the one any more that it was.
    pub fn is_late(&self, session: usize, epoch: u32) -> bool {
        self.sessions[session].ended.is_some() || self.sessions[session].epoch != epoch
    }

    /// Where an owner's session became another's, what goes wrong later mostly comes from that.
    pub fn blames(&self, breach: Breach) -> Breach {
        let any = |is: fn(&Asked) -> bool| self.requests.values().any(is);
        let promise = match (any(|asked| asked.switched), any(|asked| asked.undelivered)) {
            (true, _) => SWITCHED,
            (false, true) => UNDELIVERED,
            (false, false) => return breach,
        };
        Breach { promise, seen: format!("{}. That is: {}", breach.seen, breach.promise) }
    }

    pub fn after(&self, what: &What) -> Outcome {
        let mut state = self.clone();
        match what {
            What::Waited(seconds) => {
                state.now += seconds;
                let now = state.now;
                state.sessions.iter_mut().for_each(|kept| kept.end_leases(now));
                Ok(vec![state])
            }
            What::Opened { request, browser, cookie, asked_at, facts } => {
                state.opened(*request, *browser, cookie.clone(), *asked_at, facts)
            }
            What::Did { request, op, did, own } => state.did(*request, *op, did, own),
            What::Ended { request, ending, answer } => state.ended(*request, *ending, answer),
            What::Left { request, committing } => state.left(*request, *committing),
            What::Delivered { request, browser } => state.delivered(*request, *browser),
            What::Listed { owner, sessions } => state.listed(owner, sessions),
        }
    }

    fn listed(mut self, owner: &str, seen: &[Owned]) -> Outcome {
        for (index, kept) in self.sessions.iter().enumerate() {
            if kept.owner.as_deref() != Some(owner) || kept.ended.is_some() {
                continue;
            }
            let listed = kept.id.as_ref().is_none_or(|id| seen.iter().any(|one| one.id == *id));
            ensure(listed || self.life(index) != Life::Lives, LISTED, || {
                format!("a live session of {owner} is not listed")
            })?;
        }
        for one in seen {
            let theirs = |index: &usize| {
                self.sessions[*index].owner.as_deref() == Some(owner)
                    && self.life(*index) != Life::Over
            };
            let find = |id: Option<&String>| {
                (0..self.sessions.len())
                    .filter(theirs)
                    .find(|index| self.sessions[*index].id.as_ref() == id)
            };
            let Some(index) = find(Some(&one.id)).or_else(|| find(None)) else {
                let seen = format!("listed for {owner}, and no live session of theirs: {}", one.id);
                return Err(Breach::new(LISTED, seen));
            };
            let dict = &self.sessions[index].dict;
            ensure(one.owner.as_deref() == Some(owner), LISTED, || {
                format!("a session of {:?} is listed", one.owner)
            })?;
            ensure(dict.looks_like(&one.entries, self.in_order), LISTED, || {
                format!("the list says {:?} where {:?} is kept", one.entries, dict.0)
            })?;
            self.sessions[index].id = Some(one.id.clone());
        }
        Ok(vec![self])
    }
}

impl Claim {
    pub fn new(request: usize, queue: &'static str, messages: Vec<u64>, now: u64) -> Self {
        Self { request, queue, messages, until: now + LEASE, lapsed: false, cleared: false }
    }
}
