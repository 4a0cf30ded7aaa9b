//! What must hold after every run, a line each. From the documents, not from the code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::session::{Limits, Standing};

use crate::explore::History;
use crate::operation::{Op, addend, number, own_limits};
use crate::request::{Outcome, Seen};
use crate::run::{Call, Event, When, Who};
use crate::world::{ADA, BOB, GRACE, IDLE, Move, Sent};

mod limits;
mod messages;
mod request;
mod session;

/// A promise that was not kept.
#[derive(Debug, Clone)]
pub struct Breach {
    pub promise: &'static str,
    pub how: String,
}

macro_rules! promises {
    ($($name:ident: $text:literal;)*) => { $(pub const $name: &str = $text;)* };
}

promises! {
    ACKNOWLEDGED: "no acknowledged change is missing";
    NOT_INVENTED: "what was not kept is not there";
    ENDED: "nothing that ended opens again";
    OLD_TICKET: "after a renewal or a login the old ticket is dead";
    SIGNED_IN: "no visitor ends signed out unless a logout or a revocation was one of the two";
    NEWEST: "an older or removing cookie never replaces a newer live one in the jar";
    TOGETHER: "a login or renewal and its cookie are one thing";
    NOBODYS: "no session is kept that nobody has the ticket of";
    ONCE: "a message is shown at most once";
    NOT_LOST: "a message is not lost";
    NOT_LONGER: "no session outlives its limits";
    NOT_SHORTER: "no session dies before its limits";
    LATE: "a late request is Gone";
    GONE: "who is Gone keeps nothing and sends nothing";
    GONE_WHY: "nobody is Gone without a cause";
    OVERTAKEN: "a look that was overtaken writes nothing and sends nothing";
    PINNED: "a handle is pinned to its record and epoch";
    NO_LOGIN: "a panicking or dropped request does no renewal or login";
    NO_LOGIN_KEPT: "a request dropped while it was being kept does no renewal or login";
    CLOSURES: "closures run once when called, and again only in a commit that met a conflict";
    NOT_EMPTY: "a failure is not an empty session";
    NO_FAILURE: "a request fails only if a call of the store failed it";
    OTHERS: "another device is signed out by a revocation and by nothing else";
    TOKEN: "a CSRF token stands until a renewal, a login or a logout, and no longer";
    EMPTIED: "a login of somebody else begins an empty session";
    NO_OWNER: "who signs out the others of nobody is told so";
    COOKIES: "a cookie is sent with a new ticket or new limits alone, and removed by a logout alone";
    FORGOTTEN: "the browser keeps a persistent cookie until the absolute limit";
    USABLE: "who has a live cookie can use it";
    MINTED: "a request of a session that ended begins no other one";
}

/// What was promised of this run and not kept.
pub fn judge(history: &History) -> Vec<Breach> {
    let judge = Judge { it: history, breaches: RefCell::default() };
    judge.tickets();
    judge.messages();
    judge.limits();
    for seen in &history.seen {
        judge.change(seen);
        judge.anonymous(seen);
        judge.lateness(seen);
        judge.overtaken(seen);
        judge.handle(seen);
        judge.broken_off(seen);
        judge.closures(seen);
        judge.failures(seen);
        judge.cookie(seen);
        judge.token(seen);
        judge.others(seen);
    }
    judge.owner();
    judge.emptied();
    judge.common_values();
    judge.breaches.into_inner()
}

/// The promises that are known not to be kept in such a run: they are counted instead of reported.
///
/// A request that goes away while its session is being kept is kept to the end, as half of it must not be (S69): its
/// new ticket has no response to go with, and nobody sees the messages that it took.
pub fn known(history: &History) -> Vec<&'static str> {
    let is_lost = |seen: &&Seen| seen.was_dropped() && seen.has_answered;
    let mut known = Vec::new();
    for seen in history.seen.iter().filter(is_lost) {
        if seen.op.moves_epoch() || history.case.has(Op::Periodic) {
            known.extend([TOGETHER, NO_LOGIN_KEPT]);
        }
        if seen.op == Op::Pop {
            known.push(NOT_LOST);
        }
    }
    known
}

struct Judge<'a> {
    it: &'a History,
    breaches: RefCell<Vec<Breach>>,
}

impl Seen {
    /// Whether the response that the handler made came out, to whomever.
    fn is_delivered(&self) -> bool {
        let status = match &self.outcome {
            Some(Outcome::Response { status, .. }) => Some(*status),
            _ => None,
        };
        self.error.is_none() && status == Some(self.ending.status())
    }

    fn is_gone(&self) -> bool {
        let says = matches!(self.outcome, Some(Outcome::Response { says_gone: true, .. }));
        says || self.session.as_ref().is_some_and(|session| session.is_gone())
    }

    fn sent(&self) -> &Sent {
        match &self.outcome {
            Some(Outcome::Response { sent, .. }) => sent,
            _ => &Sent::Nothing,
        }
    }

    fn was_dropped(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Dropped))
    }

    fn panicked(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Panicked))
    }

    fn is_before(&self, other: &Self) -> bool {
        self.ended < other.begun
    }
}

impl Judge<'_> {
    fn expect(&self, promise: &'static str, holds: bool, how: impl FnOnce() -> String) {
        if !holds {
            self.breaches.borrow_mut().push(Breach { promise, how: how() });
        }
    }

    fn other(&self, seen: &Seen) -> &Seen {
        let [first, second] = &self.it.seen;
        if seen.who == Who::First { second } else { first }
    }

    /// Whether it found the session of the start.
    fn is_of_it(&self, seen: &Seen) -> bool {
        let found = seen.found.as_ref();
        found.is_some_and(|found| !found.is_new && found.id.as_deref() == Some(&self.it.id))
    }

    /// Whether a call failed that was made for it.
    fn is_faulted(&self, seen: &Seen) -> bool {
        let is_background = self.it.faulted == Some(Who::Background);
        let lets_work = seen.was_dropped() || seen.panicked();
        self.it.faulted == Some(seen.who) || is_background && lets_work
    }

    /// Whether the visitor, or the application of a handler that panicked (S72), may count on its changes.
    fn is_kept(&self, seen: &Seen) -> bool {
        let panicked = seen.panicked() && seen.acted.is_some() && !self.is_faulted(seen);
        (seen.is_delivered() || panicked) && !seen.is_gone()
    }

    /// Whether its changes may be there.
    fn may_be_kept(&self, seen: &Seen) -> bool {
        let was_dropped_early = seen.was_dropped() && !seen.has_answered;
        let does_no_login = seen.panicked() && seen.op.moves_epoch();
        // Limits are named beside logouts and renewals as what takes effect all the same; S69 allows both.
        let is_half = was_dropped_early && seen.op != Op::SetLimits;
        seen.acted.is_some() && !seen.is_gone() && !is_half && !does_no_login
    }

    /// Whether somebody else signed in where ada was. All that was in the session went with her, and who had come to it
    /// with her ticket is late: what the other request did is not there, whenever it did it.
    fn was_emptied(&self) -> bool {
        let owner = self.it.record.as_ref().and_then(|record| record.owner.as_deref());
        self.it.case.owner() == Some(ADA) && owner == Some(BOB)
    }

    fn is_idle(&self) -> bool {
        self.it.case.clock == Move::PastIdle
    }

    /// Whether a logout or a revocation was one of the two, or the clock passed the limit.
    fn may_have_ended(&self) -> bool {
        self.is_idle() || self.it.seen.iter().any(|seen| seen.op.ends())
    }

    /// Whether something can have made this request late, or its session end.
    fn can_be_gone(&self, seen: &Seen) -> bool {
        let other = self.other(seen);
        self.is_idle() || other.op.moves_epoch() || other.op.ends()
    }

    fn live_tickets(&self) -> impl Iterator<Item = &str> {
        let live = self.it.tickets.iter().filter(|(_, view)| view.is_live);
        live.map(|(cookie, _)| cookie.as_str())
    }

    fn opens_it(&self, cookie: &str) -> bool {
        let view = self.it.tickets.iter().find(|(ticket, _)| ticket == cookie);
        view.is_some_and(|(_, view)| view.is_live && view.id.as_deref() == Some(&self.it.id))
    }

    fn old_ticket_opens(&self) -> bool {
        self.opens_it(&self.it.tickets[0].0)
    }
}

fn kind(sent: &Sent) -> &'static str {
    match sent {
        Sent::Nothing => "nothing",
        Sent::Removed => "a cookie that removes",
        Sent::Ticket { .. } => "a ticket",
    }
}
