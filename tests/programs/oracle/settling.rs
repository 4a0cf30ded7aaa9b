//! What the ways to end are made of: changes, tickets, new sessions, and what becomes of claims and handles.

use std::rc::Rc;

use super::dict::{Change, Dict, replay};
use super::ending::End;
use super::state::{Asked, Claim, Kept, Life, Pin, Standing, State, Wish};
use super::{Breach, ensure};
use crate::program::Lifetime;

pub const ONE_THING: &str = "a login and its cookie are one thing: either the old ticket still opens the old session, or \
                             the new one is in that response, whatever its status";

type Tickets = Vec<(Rc<str>, Standing)>;

impl State {
    /// The states in which these changes have been made to the session.
    pub(super) fn with_changes(
        self,
        asked: &Asked,
        changes: &[Change],
        session: usize,
        end: End,
    ) -> Vec<Self> {
        let mut next = Vec::new();
        for dict in replay(&self.sessions[session].dict, &without_unseen(changes, end.seen)) {
            let mut state = self.clone();
            let (now, opened) = (state.now, asked.opened_at);
            let kept = &mut state.sessions[session];
            kept.unsure_order |= asked.has_taken();
            let wrote = kept.dict != dict || asked.has_changes();
            kept.dict = dict;
            if let Some(limits) = asked.limits {
                kept.limits = limits;
            }
            if asked.csrf_new && asked.wish == Wish::Keep {
                kept.exchange_token(asked.csrf.clone());
            }
            if wrote || asked.forced {
                kept.use_at(opened, now);
            }
            next.push(state);
        }
        next
    }

    /// "Ticket, owner and limits. Each of these takes effect even if the handler then fails, panics or is given up", and
    /// a new token kills the old one at once: so these may stay where other changes do not.
    pub(super) fn with_wishes_alone(&self, asked: &Asked, session: usize) -> Vec<Self> {
        let mut next = Vec::new();
        for (limits, token) in [(true, false), (false, true), (true, true)] {
            let mut state = self.clone();
            let (now, opened) = (state.now, asked.opened_at);
            let kept = &mut state.sessions[session];
            if let (true, Some(limits)) = (limits, asked.limits) {
                kept.limits = limits;
                kept.use_at(opened, now);
            }
            if token && asked.csrf_made {
                kept.exchange_token(asked.csrf.clone().filter(|_| asked.csrf_new));
                kept.use_at(0, now);
            }
            next.push(state);
        }
        next
    }

    /// An owner can be lost without a response, and requests from before have their rights no more.
    pub(super) fn without_owner(self, asked: &Asked, session: usize, end: End) -> Vec<Self> {
        let mut next = self.with_wishes_alone(asked, session);
        next.push(self);
        if end.keep {
            let changed =
                |state: &Self| state.clone().with_changes(asked, &asked.changes, session, end);
            next.extend(next.iter().flat_map(changed).collect::<Vec<_>>());
        }
        for state in &mut next {
            let kept = &mut state.sessions[session];
            kept.left = kept.owner.take().or(kept.left.take());
            kept.epoch += 1;
            kept.use_at(0, state.now);
        }
        next
    }

    /// A logout holds whoever was faster: also for the session that has this one's place by now.
    pub(super) fn ends_for_good(&mut self, session: usize) {
        let mut session = Some(session);
        while let Some(index) = session {
            let kept = &mut self.sessions[index];
            kept.ended = kept.ended.or(Some("by a logout"));
            session = kept.successor;
        }
    }

    pub(super) fn renew(
        &mut self,
        asked: &Asked,
        session: usize,
        ticket: Option<Rc<str>>,
        end: End,
    ) {
        let now = self.now;
        let kept = &mut self.sessions[session];
        kept.renew(ticket, now, asked.opened_at, Standing::Before(asked.opened_at, now));
        kept.epoch += 1;
        if asked.owner_set {
            (kept.owner, kept.left) = (asked.owner.clone(), asked.left.clone());
        }
        if let (false, Some(limits)) = (end.keep, asked.limits) {
            kept.limits = limits;
        }
        kept.exchange_token(asked.csrf.clone());
        kept.use_at(asked.opened_at, now);
    }

    /// A request uses its session when it first looks at it, if that lives for as long as the request.
    pub(super) fn touches(&mut self, asked: &Asked, session: usize, end: End, lives: bool) {
        let (now, limits) = (self.now, self.lifetime(session));
        let kept = &mut self.sessions[session];
        let due = asked.opened_at > kept.used.1 + limits.idle / 10;
        let surely = asked.looked && due && lives && end.delivered && !end.failed;
        if asked.looked || asked.handed || asked.forced || asked.has_changes() {
            kept.use_at(if surely { asked.opened_at } else { 0 }, now);
        }
    }

    pub(super) fn lifetime(&self, session: usize) -> Lifetime {
        self.sessions[session].lifetime(&self.settings)
    }

    /// A session that this request made. It may have the place of another.
    pub(super) fn create(
        &mut self,
        asked: &Asked,
        end: End,
        ticket: Option<Rc<str>>,
        instead_of: Option<usize>,
    ) -> Result<usize, Breach> {
        let known = ticket.as_ref().is_some_and(|ticket| self.session_of(ticket).is_some());
        ensure(!known, ONE_THING, || "a new session has an old ticket".into())?;
        let dict = if end.keep { asked.left(end.seen) } else { Dict::default() };
        let made = self.sessions.len();
        let (id, retired) =
            instead_of.map(|index| self.gives_place(asked, index, made)).unwrap_or_default();
        let new = ticket.map(|ticket| (ticket, Standing::Current));
        self.sessions.push(Kept {
            id,
            owner: asked.owner.clone(),
            left: asked.left.clone(),
            dict,
            unsure_order: asked.has_taken(),
            claims: Vec::new(),
            epoch: 0,
            tickets: retired.into_iter().chain(new).collect(),
            ticket_made: (asked.opened_at, self.now),
            created: asked.opened_at,
            used: (asked.opened_at, self.now),
            limits: asked.limits.flatten(),
            csrf: asked.csrf.clone(),
            dead_csrf: Vec::new(),
            csrf_count: 0,
            ended: None,
            successor: None,
        });
        Ok(made)
    }

    /// A session that begins in the place of another has its record, and recognises its tickets.
    fn gives_place(&mut self, asked: &Asked, old: usize, made: usize) -> (Option<String>, Tickets) {
        let now = self.now;
        let kept = &mut self.sessions[old];
        kept.successor = Some(made);
        kept.renew(None, now, asked.opened_at, Standing::Before(asked.opened_at, now));
        (kept.id.clone(), std::mem::take(&mut kept.tickets))
    }

    /// What becomes of the flash messages that this request claimed: `shown`, or waiting again.
    pub(super) fn settle(mut self, request: usize, end: End, shown: bool) -> Vec<Self> {
        let mut claims: Vec<(usize, Claim)> = Vec::new();
        for (index, kept) in self.sessions.iter_mut().enumerate() {
            let (mine, others) = kept.claims.drain(..).partition(|claim| claim.request == request);
            kept.claims = others;
            let mine: Vec<Claim> = mine;
            claims.extend(mine.into_iter().map(|claim| (index, claim)));
        }
        let mut next = vec![self];
        for (session, claim) in claims {
            let mut states = Vec::new();
            for state in next {
                state.settle_one(session, &claim, shown && end.seen, &mut states);
            }
            next = states;
        }
        next
    }

    pub(super) fn settle_one(
        mut self,
        session: usize,
        claim: &Claim,
        shown: bool,
        next: &mut Vec<Self>,
    ) {
        if self.life(session) != Life::Over {
            // What becomes of it is written, and whoever keeps something uses the session.
            let now = self.now;
            self.sessions[session].use_at(0, now);
        }
        let mut state = self.clone();
        let kept = &mut state.sessions[session];
        if claim.lapsed {
            // Whoever shows them after the lease shows them again; they may be done away with then.
            if shown {
                kept.dict.take(claim.queue, &claim.messages);
                next.push(state);
            }
            return next.push(self);
        }
        if shown {
            return next.push(state);
        }
        kept.unsure_order = true;
        let waiting = kept.dict.messages(claim.queue);
        let is_new = |message: &&u64| !waiting.contains(message);
        let once: Vec<u64> = claim.messages.iter().filter(is_new).copied().collect();
        if once.len() < claim.messages.len() {
            let mut state = state.clone();
            state.sessions[session].dict.give_back(claim.queue, &once);
            next.push(state);
        }
        state.sessions[session].dict.give_back(claim.queue, &claim.messages);
        next.push(state);
        // Known: what was taken and cleared is to be gone, and waits again.
        if claim.cleared {
            next.push(self);
        }
    }

    /// What a handle of this request is pinned to, now that it has ended.
    pub(super) fn settle_handle(&mut self, request: usize, made: Option<usize>) {
        let Some(handle) = self.handle.as_mut().filter(|it| it.request == request) else { return };
        handle.pin = match (handle.pin, made) {
            (Pin::Pending, Some(session)) => {
                Pin::To { session, epoch: self.sessions[session].epoch }
            }
            (Pin::Pending, None) => Pin::Nothing,
            (pin, _) => pin,
        };
    }
}

/// These changes as they are kept: a message that nobody saw waits as if it had not been taken.
fn without_unseen(changes: &[Change], seen: bool) -> Vec<Change> {
    let is_kept = |change: &&Change| seen || !matches!(change, Change::Take(..));
    changes.iter().filter(is_kept).cloned().collect()
}

impl Asked {
    /// What it leaves of its own.
    pub(super) fn left(&self, seen: bool) -> Dict {
        let changes = without_unseen(&self.changes, seen);
        replay(&self.base, &changes).pop().expect("there is one")
    }

    fn has_taken(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Take(..)))
    }
}
