//! What each of the two requests may do, by what became of it.

use super::*;

impl Judge<'_> {
    pub(super) fn lateness(&self, seen: &Seen) {
        let (it, other) = (self.it, self.other(seen));
        let is_late = other.op.moves_epoch()
            && other.is_before(seen)
            && self.is_of_it(other)
            && other.sent().ticket().is_some()
            && self.is_kept(other);
        // Who comes later than that is only a stranger.
        let is_late = is_late && seen.ended_at < other.begun_at.saturating_add(GRACE);
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

    pub(super) fn overtaken(&self, seen: &Seen) {
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
        let overtaken = others.into_iter().flatten().flat_map(calls).find(|(at, call)| {
            // Two touches do the same, and the second undoes nothing.
            let writes = call.has_effect && call.name != "touch";
            writes && *at > loaded && *at < seen.ended
        });
        let Some((overtaken, _)) = overtaken else { return };
        let mut effects = calls(seen.who).filter(|(_, call)| call.has_effect);
        let own = effects.clone().find(|(at, _)| *at > overtaken).map(|(_, call)| call.name);
        let is_earlier = effects.any(|(at, _)| at < overtaken);
        // What a handle does later is another matter: it looks anew.
        self.expect(OVERTAKEN, own.is_none(), || format!("it calls {}", own.unwrap_or_default()));
        let is_silent = is_earlier || *seen.sent() == Sent::Nothing;
        self.expect(OVERTAKEN, is_silent, || format!("it sends {}", kind(seen.sent())));
    }

    pub(super) fn handle(&self, seen: &Seen) {
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
                // A login of somebody else leaves nothing of what was written before it.
                Some(has) => has == is_live || self.was_emptied(),
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

    pub(super) fn broken_off(&self, seen: &Seen) {
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

    pub(super) fn closures(&self, seen: &Seen) {
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

    pub(super) fn failures(&self, seen: &Seen) {
        if let Some(found) = &seen.found {
            let holds = !found.is_new || self.can_be_gone(seen);
            self.expect(NOT_EMPTY, holds, || "it finds a new session".to_owned());
        }
        let failed = match &seen.outcome {
            Some(Outcome::Response { status, .. }) => *status != seen.ending.status(),
            _ => false,
        };
        let has_revoked = seen.acted.as_ref().map(|acted| acted.revoked.is_some());
        if seen.op == Op::RevokeOthers {
            let had_nobody = self.it.case.owner().is_none() || self.can_be_gone(seen);
            self.expect(NO_OWNER, has_revoked != Some(false), || "it is not".to_owned());
            if had_nobody && seen.error == Some(403) {
                return;
            }
        }
        self.expect(NO_FAILURE, self.is_faulted(seen) || !failed && seen.error.is_none(), || {
            format!("an answer of {}", self.status(seen))
        });
    }

    pub(super) fn cookie(&self, seen: &Seen) {
        let is_new = seen.found.as_ref().is_some_and(|found| found.is_new);
        let holds = match seen.sent() {
            Sent::Nothing => true,
            Sent::Removed => seen.op == Op::SignOut,
            Sent::Ticket { .. } if seen.op.moves_epoch() || seen.op == Op::SetLimits => true,
            Sent::Ticket { .. } => self.it.case.has(Op::Periodic) || is_new,
        };
        self.expect(COOKIES, holds, || format!("it sends {}", kind(seen.sent())));
    }

    fn status(&self, seen: &Seen) -> u16 {
        match &seen.outcome {
            Some(Outcome::Response { status, .. }) => *status,
            _ => seen.error.unwrap_or_default(),
        }
    }
}
