//! Flash messages: each is shown once.

use super::*;

impl Judge<'_> {
    pub(super) fn messages(&self) {
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
            let may_be_gone = it.seen.iter().any(|seen| self.may_have_taken(seen, message));
            let must = must && !self.was_emptied() && !may_be_gone;
            self.expect(NOT_LOST, !must || later + shown >= 1, || "it is nowhere".to_owned());
            let is_calm = it.faulted.is_none();
            self.expect(NOT_LOST, !must || !is_calm || now + shown >= 1, || {
                "it waits for its lease to end".to_owned()
            });
            self.expect(EMPTIED, !self.was_emptied() || now + later == 0, || {
                "a message of the former session waits".to_owned()
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

    /// Whether a request took the message whose last write was made, but not acknowledged: it may be kept or not.
    fn may_have_taken(&self, seen: &Seen, message: u32) -> bool {
        let popped = seen.acted.as_ref().is_some_and(|acted| acted.popped.contains(&message));
        let is_after = self.it.case.fault.is_some_and(|fault| fault.when == When::After);
        popped && is_after && self.is_faulted(seen) && !seen.is_delivered()
    }
}
