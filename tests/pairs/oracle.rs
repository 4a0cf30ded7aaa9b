//! What must hold after every run, a line each. From the documents, not from the code.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom::session::{Limits, Standing};

use crate::explore::History;
use crate::operation::{Op, addend, number, own_limits};
use crate::request::{Outcome, Seen};
use crate::run::{Call, Event, Who};
use crate::world::{ADA, IDLE, Move, Sent, TOUCH_AFTER};

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
        judge.token(seen);
        judge.others(seen);
    }
    judge.owner();
    judge.common_values();
    judge.breaches.into_inner()
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

    fn tickets(&self) {
        let it = self.it;
        let by_jar = if it.by_jar.is_live { &it.by_jar_later } else { &it.by_jar };
        let (is_live, is_it) = (by_jar.is_live, by_jar.id.as_deref() == Some(&it.id));
        let in_jar = it.jar.cookie.as_deref();
        let has_live = self.live_tickets().any(|ticket| Some(ticket) != in_jar);
        let state = || match &it.jar.cookie {
            None => "the jar is empty".to_owned(),
            Some(cookie) if *cookie == it.tickets[0].0 => "the jar has the old ticket".to_owned(),
            Some(_) => "the jar has a new ticket".to_owned(),
        };
        let says = |what: &str| format!("{}, {what}", state());
        // Of a logout and a login that race, logout may win: also in the jar, over a session that began after it.
        let logs_out = it.seen.iter().any(|seen| {
            seen.op == Op::SignOut && self.is_kept(seen) && *seen.sent() == Sent::Removed
        });
        let is_logout = logs_out && it.jar.cookie.is_none() && it.record.is_none();
        self.expect(NEWEST, is_live || !has_live || is_logout, || {
            says("another one that was sent is live")
        });
        if !self.may_have_ended() {
            let renews =
                it.seen.iter().any(|seen| seen.op.moves_epoch()) || it.case.has(Op::Periodic);
            let promise = if renews && it.record.is_some() { TOGETHER } else { SIGNED_IN };
            self.expect(promise, is_live || has_live, || says("and nothing opens the session"));
            self.expect(SIGNED_IN, !is_live || is_it, || says("but opens another session"));
        }
        // Whether a call that failed or was not waited for created a record, nobody can know (S69).
        let may_be_left = it.faulted.is_some()
            || it.seen.iter().any(|seen| seen.was_dropped() && seen.has_answered);
        if !self.is_idle() && !may_be_left {
            let ids = it.tickets.iter().map(|(_, view)| view).chain([&it.device]);
            let ids: BTreeSet<_> = ids.filter(|view| view.is_live).map(|view| &view.id).collect();
            let records = it.counts.records;
            self.expect(NOBODYS, records <= ids.len(), || {
                format!("{records} records, {} of them with a ticket", ids.len())
            });
        }
        self.expect(USABLE, it.can_write, || "a write with it is not there afterwards".to_owned());
    }

    /// What a request changed, in the session of the start.
    fn change(&self, seen: &Seen) {
        if !self.is_of_it(seen) {
            return;
        }
        let it = self.it;
        let is_kept = self.is_kept(seen);
        let Some(record) = &it.record else {
            let holds = self.may_have_ended() || !is_kept;
            return self.expect(ACKNOWLEDGED, holds, || "the session is no more".to_owned());
        };
        let has = |key: &str| record.entries.contains_key(key);
        let may = self.may_be_kept(seen);
        let there = match seen.op {
            Op::Set => has(&format!("own {}", number(seen.who))),
            Op::Remove => !has("removed"),
            Op::SignOut => {
                let must = (is_kept || seen.was_dropped() && seen.acted.is_some())
                    && !self.is_faulted(seen)
                    && !seen.is_gone();
                let must = must || is_kept;
                return self.expect(ENDED, !must, || "the record is there after its logout".into());
            }
            Op::Renew | Op::SignInSame | Op::SignInOther | Op::SignInFirst => {
                if is_kept && seen.is_delivered() {
                    let old = self.old_ticket_opens();
                    self.expect(OLD_TICKET, !old, || "it opens the session".to_owned());
                    let has_sent = seen.sent().ticket().is_some();
                    self.expect(TOGETHER, has_sent, || {
                        "it is acknowledged without a cookie".to_owned()
                    });
                }
                return;
            }
            _ => return,
        };
        self.expect(ACKNOWLEDGED, there || !is_kept, || "what it did is not there".to_owned());
        let removed_by_other = seen.op == Op::Remove && self.other(seen).op == Op::Remove;
        let promise = if seen.is_gone() { GONE } else { NOT_INVENTED };
        self.expect(promise, !there || may || removed_by_other, || {
            "what it did is there".to_owned()
        });
    }

    /// What a request kept that found no session.
    fn anonymous(&self, seen: &Seen) {
        let Some(found) = &seen.found else { return };
        let it = self.it;
        let view = seen.sent().ticket();
        let view = view.and_then(|sent| it.tickets.iter().find(|(cookie, _)| cookie == sent));
        if !found.is_new {
            let began_another =
                view.is_some_and(|(_, view)| view.is_live && view.id.as_deref() != Some(&it.id));
            let may = seen.op.signs_in().is_some() && self.other(seen).op.ends();
            return self.expect(MINTED, !began_another || may, || {
                "the cookie opens another session".to_owned()
            });
        }
        let writes =
            matches!(seen.op, Op::Set | Op::Modify | Op::Flash) || seen.op.signs_in().is_some();
        let may_end = self.other(seen).op == Op::RevokeAll || self.is_idle();
        if writes && seen.is_delivered() && !seen.is_gone() && !may_end {
            let is_there = view.is_some_and(|(_, view)| match seen.op {
                Op::Set => view.number("common") == Some(number(seen.who)),
                Op::Modify => view.number("n") == Some(addend(seen.who)),
                Op::Flash => view.messages == [number(seen.who)],
                op => view.owner.as_deref() == op.signs_in(),
            });
            self.expect(ACKNOWLEDGED, is_there, || "its own session does not have it".to_owned());
        }
    }

    /// A key that both may have set, and a number that both may have added to.
    fn common_values(&self) {
        let it = self.it;
        let Some(record) = &it.record else { return };
        let number_at =
            |key: &str| record.entries.get(key).map(|value| value.get::<u32>().unwrap());
        let sums = [0, 1, 10, 11].into_iter().filter(|sum| {
            it.seen.iter().all(|seen| {
                let by = addend(seen.who);
                let is_in = if by == 1 { sum % 10 == 1 } else { *sum >= 10 };
                let counts = seen.op == Op::Modify && self.is_of_it(seen);
                let (must, may) = (counts && self.is_kept(seen), counts && self.may_be_kept(seen));
                if is_in { may } else { !must }
            })
        });
        let (sums, n) = (sums.collect::<Vec<_>>(), number_at("n"));
        let is_one = n.is_some_and(|n| sums.contains(&n));
        self.expect(ACKNOWLEDGED, is_one, || "the sum of what was added is another".to_owned());
        let of_it: Vec<_> =
            it.seen.iter().filter(|seen| seen.op == Op::Set && self.is_of_it(seen)).collect();
        let common = number_at("common");
        for seen in &of_it {
            let other = of_it.iter().find(|other| other.who != seen.who);
            let is_overwritten = other.is_some_and(|other| !other.is_before(seen));
            let holds = common == Some(number(seen.who)) || is_overwritten && common.is_some();
            self.expect(ACKNOWLEDGED, holds || !self.is_kept(seen), || {
                "a key that both set has the earlier value, or none".to_owned()
            });
        }
    }

    /// Whose session it is.
    fn owner(&self) {
        let it = self.it;
        let Some(record) = &it.record else { return };
        let signed = |seen: &Seen| seen.op.signs_in().filter(|_| self.is_of_it(seen));
        let kept: Vec<_> =
            it.seen.iter().filter(|seen| signed(seen).is_some() && self.is_kept(seen)).collect();
        let must: Vec<_> = kept.iter().filter(|seen| !seen.panicked()).collect();
        let mut allowed: Vec<Option<&str>> = it
            .seen
            .iter()
            .filter(|seen| self.may_be_kept(seen))
            .filter_map(|seen| signed(seen).map(Some))
            .collect();
        if must.is_empty() {
            allowed.push(it.case.owner());
        }
        let owner = record.owner.as_deref();
        let is_broken_off = it
            .seen
            .iter()
            .any(|seen| seen.op.signs_in() == owner && (seen.panicked() || seen.was_dropped()));
        let promise = if is_broken_off { NO_LOGIN } else { ACKNOWLEDGED };
        self.expect(promise, allowed.contains(&owner), || "it is somebody else's".to_owned());
    }

    fn lateness(&self, seen: &Seen) {
        let (it, other) = (self.it, self.other(seen));
        let is_late = other.op.moves_epoch()
            && other.is_before(seen)
            && self.is_of_it(other)
            && other.sent().ticket().is_some()
            && self.is_kept(other);
        // Of a logout and a login that race, logout may win.
        if is_late && seen.is_delivered() && seen.op != Op::SignOut {
            self.expect(LATE, seen.is_gone(), || {
                "it came after a login with the ticket from before, and is not".to_owned()
            });
            self.expect(LATE, *seen.sent() == Sent::Nothing, || {
                format!("it came after a login, and sends {}", kind(seen.sent()))
            });
        }
        if !seen.is_gone() {
            return;
        }
        self.expect(GONE_WHY, self.can_be_gone(seen), || "it is".to_owned());
        self.expect(GONE, *seen.sent() == Sent::Nothing, || kind(seen.sent()).to_owned());
        let message = number(seen.who);
        let has_flashed = seen.op == Op::Flash && it.by_jar_later.messages.contains(&message);
        self.expect(GONE, !has_flashed, || "its message is there".to_owned());
    }

    fn overtaken(&self, seen: &Seen) {
        let other = self.other(seen);
        if !seen.op.only_looks() || !self.is_of_it(seen) {
            return;
        }
        let calls = |who: Who| {
            let calls = self.it.events.iter().enumerate().filter_map(|(at, event)| match event {
                Event::Call(call) => Some((at, call)),
                _ => None,
            });
            // Of the calls that name no record only "revoke all" concerns this one.
            let is_it = |call: &Call| {
                call.key
                    .map_or(self.it.case.has(Op::RevokeAll), |key| key.to_string() == self.it.id)
            };
            calls.filter(move |(_, call)| call.who == who && is_it(call))
        };
        let loaded = calls(seen.who).find(|(_, call)| call.name == "load");
        let Some((loaded, _)) = loaded else { return };
        let lets_work = |seen: &Seen| seen.panicked() || seen.was_dropped();
        let in_background = lets_work(other) && !lets_work(seen);
        let others = [Some(other.who), in_background.then_some(Who::Background)];
        let overtaken = others
            .into_iter()
            .flatten()
            .flat_map(calls)
            .find(|(at, call)| *at > loaded && *at < seen.ended && call.has_effect);
        let Some((overtaken, _)) = overtaken else { return };
        let mut effects = calls(seen.who).filter(|(_, call)| call.has_effect);
        let own = effects.clone().find(|(at, _)| *at > overtaken).map(|(_, call)| call.name);
        let is_earlier = effects.any(|(at, _)| at < overtaken);
        // What a handle does later is another matter: it looks anew.
        self.expect(OVERTAKEN, own.is_none(), || format!("it calls {}", own.unwrap_or_default()));
        let is_silent = is_earlier || *seen.sent() == Sent::Nothing;
        self.expect(OVERTAKEN, is_silent, || format!("it sends {}", kind(seen.sent())));
    }

    fn handle(&self, seen: &Seen) {
        let (it, other) = (self.it, self.other(seen));
        let Some(handled) = &seen.handled else { return };
        self.expect(PINNED, !handled.is_shared, || "the request sees what it writes".to_owned());
        if !self.is_of_it(seen) || handled.standing.is_none() {
            return;
        }
        let is_live = handled.standing == Some(Standing::Live);
        let can_be = self.can_be_gone(seen) || seen.op.moves_epoch();
        self.expect(PINNED, is_live || can_be, || "it is Gone without a cause".to_owned());
        let has_ended = (other.op.moves_epoch() || other.op == Op::SignOut)
            && self.is_kept(other)
            && self.is_of_it(other)
            && other.is_delivered()
            && other.ended < handled.begun;
        self.expect(PINNED, !(is_live && has_ended), || {
            "it is Live after its epoch was over".to_owned()
        });
        let key = format!("handle {}", number(seen.who));
        let has = it.record.as_ref().map(|record| record.entries.contains_key(&key));
        if seen.op == Op::HandleWrite {
            let is_right = match has {
                None => self.may_have_ended(),
                Some(has) => has == is_live,
            };
            let says = || {
                let (is, there) = (handled.standing, has.unwrap_or_default());
                format!("it is {is:?}, and what it wrote is there: {there}")
            };
            self.expect(PINNED, is_right, says);
        } else if is_live && other.ended < handled.begun && self.is_kept(other) {
            let own = format!("own {}", number(other.who));
            let sees = other.op != Op::Set || handled.keys.contains(&own);
            self.expect(ACKNOWLEDGED, sees || !self.is_of_it(other), || {
                "a handle that was read again does not see what was kept before".to_owned()
            });
        }
    }

    fn broken_off(&self, seen: &Seen) {
        if !seen.panicked() && !seen.was_dropped() || !self.is_of_it(seen) {
            return;
        }
        let other = self.other(seen);
        if seen.op.moves_epoch() && seen.acted.is_some() && !self.is_idle() {
            let is_alone = !other.op.moves_epoch() && !other.op.ends();
            let was_early = seen.panicked() || !seen.has_answered;
            let promise = if was_early { NO_LOGIN } else { NO_LOGIN_KEPT };
            let opens = self.old_ticket_opens();
            self.expect(promise, opens || !is_alone, || "the old ticket opens nothing".to_owned());
        }
    }

    fn closures(&self, seen: &Seen) {
        let Some(runs) = seen.acted.as_ref().and_then(|acted| acted.runs.as_ref()) else { return };
        let runs = runs.load(Ordering::Relaxed);
        let for_it = |who: Who| {
            who == seen.who || who == Who::Background && (seen.panicked() || seen.was_dropped())
        };
        let is_conflict = |event: &&Event| match event {
            Event::Call(call) => for_it(call.who) && call.answer.starts_with("conflict"),
            _ => false,
        };
        let conflicts = self.it.events.iter().filter(is_conflict).count();
        let when_called = seen.runs_when_called;
        self.expect(CLOSURES, when_called == 1, || format!("{when_called} times when called"));
        self.expect(CLOSURES, runs <= 1 + conflicts, || {
            format!("{runs} times with {conflicts} conflicts")
        });
    }

    fn failures(&self, seen: &Seen) {
        if let Some(found) = &seen.found {
            let holds = !found.is_new || self.can_be_gone(seen);
            self.expect(NOT_EMPTY, holds, || "it finds a new session".to_owned());
        }
        let failed = match &seen.outcome {
            Some(Outcome::Response { status, .. }) => *status != seen.ending.status(),
            _ => false,
        };
        self.expect(NO_FAILURE, self.is_faulted(seen) || !failed && seen.error.is_none(), || {
            format!("an answer of {}", self.status(seen))
        });
    }

    fn status(&self, seen: &Seen) -> u16 {
        match &seen.outcome {
            Some(Outcome::Response { status, .. }) => *status,
            _ => seen.error.unwrap_or_default(),
        }
    }

    fn token(&self, seen: &Seen) {
        let Some(token) = seen.acted.as_ref().and_then(|acted| acted.token.as_ref()) else {
            return;
        };
        let other = self.other(seen);
        if !self.is_of_it(seen) || !self.it.by_jar.is_live || seen.is_gone() {
            return;
        }
        let is_accepted = self.it.by_jar.accepts(token);
        if other.op.moves_epoch() {
            if self.is_kept(other) && other.is_delivered() && self.is_of_it(other) {
                self.expect(TOKEN, !is_accepted, || "it stands after a login".to_owned());
            }
        } else if !other.op.ends() && !self.is_idle() {
            self.expect(TOKEN, is_accepted || !seen.is_delivered(), || "it is not accepted".into());
        }
    }

    fn others(&self, seen: &Seen) {
        let it = self.it;
        let (other, acted) = (self.other(seen), seen.acted.as_ref());
        let is_live = it.device.is_live;
        let revoked = acted.and_then(|acted| acted.revoked.as_deref());
        if revoked == Some(ADA) {
            self.expect(ENDED, !is_live, || "the other device is signed in".to_owned());
        }
        let is_theirs = |seen: &Seen| matches!(seen.op, Op::RevokeAll | Op::RevokeOthers);
        if !self.is_idle() && !is_theirs(seen) && !is_theirs(other) {
            self.expect(OTHERS, is_live, || "the other device is signed out".to_owned());
        }
        // S29: nobody who came later is signed in by an old ticket.
        if seen.op == Op::RevokeAll && revoked.is_some() && it.record.is_some() {
            let races = other.op.signs_in().is_some()
                && self.may_be_kept(other)
                && (other.op == Op::SignInOther || !other.is_before(seen));
            self.expect(ENDED, races, || "the session is there after all were revoked".to_owned());
        }
    }
}

/// Messages.
impl Judge<'_> {
    fn messages(&self) {
        let it = self.it;
        if self.is_idle() {
            return;
        }
        let flashed = |message: u32| {
            it.seen.iter().find(|seen| seen.op == Op::Flash && number(seen.who) == message)
        };
        let is_of_jar = it.by_jar_later.is_live && it.by_jar_later.id.as_deref() == Some(&it.id);
        for message in [100, 1, 2] {
            let shown = it.seen.iter().filter(|seen| self.has_shown(seen, message)).count();
            self.expect(ONCE, shown <= 1, || format!("it is shown {shown} times"));
            if !is_of_jar {
                continue;
            }
            let waits = |messages: &[u32]| messages.iter().filter(|it| **it == message).count();
            let now = if it.by_jar.is_live { waits(&it.by_jar.messages) } else { 0 };
            let later = waits(&it.by_jar_later.messages);
            self.expect(ONCE, later + shown <= 1, || {
                format!("it is shown {shown} times, and waits {later} times")
            });
            let must = message == 100
                || flashed(message).is_some_and(|seen| self.is_kept(seen) && self.is_of_it(seen));
            self.expect(NOT_LOST, !must || later + shown >= 1, || "it is nowhere".to_owned());
            let is_calm = it.faulted.is_none();
            self.expect(NOT_LOST, !must || !is_calm || now + shown >= 1, || {
                "it waits for its lease to end".to_owned()
            });
            let may = message == 100 || flashed(message).is_some_and(|seen| self.may_be_kept(seen));
            self.expect(NOT_INVENTED, may || later + shown == 0, || {
                "the message is there".to_owned()
            });
        }
    }

    /// Whether somebody has seen the message.
    fn has_shown(&self, seen: &Seen, message: u32) -> bool {
        let popped = seen.acted.as_ref().is_some_and(|acted| acted.popped.contains(&message));
        popped && seen.is_delivered() && seen.ending.is_seen()
    }
}

/// Times.
impl Judge<'_> {
    fn limits(&self) {
        let it = self.it;
        let Some(record) = &it.record else { return };
        let base = Limits { idle: Some(IDLE), persistent: it.case.persistent, ..Limits::DEFAULT };
        let set = |seen: &Seen| {
            let sets = seen.op == Op::SetLimits && self.is_of_it(seen);
            sets.then(|| own_limits(seen.who, !it.case.persistent))
        };
        let must = it.seen.iter().any(|seen| set(seen).is_some() && self.is_kept(seen));
        let may = it.seen.iter().filter(|seen| self.may_be_kept(seen)).filter_map(set);
        let mut allowed: Vec<_> = may.collect();
        if !must {
            allowed.push(base);
        }
        let is_it = it.by_jar.is_live && it.by_jar.id.as_deref() == Some(&it.id);
        let limits = if is_it { it.by_jar.limits.unwrap_or(base) } else { allowed[0] };
        self.expect(ACKNOWLEDGED, allowed.contains(&limits), || "the limits are others".to_owned());
        if !is_it {
            return;
        }
        let idle = limits.idle.unwrap();
        // What a revocation asks the session is no look.
        let is_use = |seen: &Seen| !matches!(seen.op, Op::RevokeOthers | Op::RevokeAll);
        let used = it.seen.iter().filter(|seen| {
            self.is_of_it(seen) && seen.is_delivered() && !seen.is_gone() && is_use(seen)
        });
        let least = used.map(|seen| {
            // Where there was nothing to take, these only look.
            let may_look = seen.op.only_looks() || matches!(seen.op, Op::Remove | Op::Pop);
            let slack = if may_look { TOUCH_AFTER } else { Duration::ZERO };
            seen.begun_at.saturating_add(idle - slack)
        });
        let latest = it.seen.iter().map(|seen| seen.ended_at).max().unwrap();
        let most = latest
            .saturating_add(idle)
            .min(record.created.saturating_add(Limits::DEFAULT.absolute.unwrap()));
        let end = record.expires_at;
        self.expect(NOT_LONGER, end <= most, || "the record ends later".to_owned());
        if let Some(least) = least.max() {
            self.expect(NOT_SHORTER, end >= least, || "the record ends earlier".to_owned());
            let forgets = it.jar.expires;
            let keeps =
                forgets.is_none_or(|end| end.saturating_add(Duration::from_secs(1)) >= least);
            // A ticket that was renewed periodically still serves for a moment, but the response to it cannot bring the
            // new one again, and must not bring the old one.
            // And limits whose response did not come may hold without their cookie.
            let is_lost = |seen: &Seen| seen.op == Op::SetLimits && !seen.is_delivered();
            let is_alias = it.case.has(Op::Periodic) || it.seen.iter().any(is_lost);
            self.expect(NOT_SHORTER, keeps || is_alias, || "the browser forgets it earlier".into());
            self.expect(ACKNOWLEDGED, forgets.is_some() == limits.persistent || is_alias, || {
                format!("the limits say persistent: {}, the cookie does not", limits.persistent)
            });
        }
    }
}

fn kind(sent: &Sent) -> &'static str {
    match sent {
        Sent::Nothing => "nothing",
        Sent::Removed => "a cookie that removes",
        Sent::Ticket { .. } => "a ticket",
    }
}
