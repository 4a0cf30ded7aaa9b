//! How long the session and the browser's cookie live.

use super::*;

impl Judge<'_> {
    pub(super) fn limits(&self) {
        let it = self.it;
        let Some(record) = &it.record else { return };
        let base = Limits { idle: Some(IDLE), persistent: it.case.persistent, ..Limits::DEFAULT };
        let set = |seen: &Seen| {
            let sets = seen.op == Op::SetLimits && self.is_of_it(seen);
            sets.then(|| own_limits(seen.who, !it.case.persistent))
        };
        let set = |seen: &Seen| set(seen).filter(|_| !self.was_emptied());
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
        let touch_after = idle / 10;
        // What a revocation asks the session is no look.
        let is_use = |seen: &Seen| !matches!(seen.op, Op::RevokeOthers | Op::RevokeAll);
        let used = it.seen.iter().filter(|seen| {
            self.is_of_it(seen) && seen.is_delivered() && !seen.is_gone() && is_use(seen)
        });
        let least = used.map(|seen| {
            // Where there was nothing to take, these only look.
            let may_look = seen.op.only_looks() || matches!(seen.op, Op::Remove | Op::Pop);
            let slack = if may_look { touch_after } else { Duration::ZERO };
            seen.begun_at.saturating_add(idle - slack)
        });
        let ends =
            |seen: &Seen| seen.handled.as_ref().map_or(seen.ended_at, |handled| handled.ended_at);
        let latest = it.seen.iter().map(ends).max().unwrap();
        let most = latest
            .saturating_add(idle)
            .min(record.created.unwrap().saturating_add(Limits::DEFAULT.absolute.unwrap()));
        let end = record.expires_at;
        self.expect(NOT_LONGER, end <= most, || "the record ends later".to_owned());
        // Calls take no time to speak of, but here the clock may move within one: a write with the end of before may
        // then follow one with the end of after, as no touch moves the version on.
        let least = if self.is_late_in_clock() { least.min() } else { least.max() };
        if let Some(least) = least {
            self.expect(NOT_SHORTER, end >= least, || "the record ends earlier".to_owned());
            let forgets = it.jar.expires;
            // The cookie counts in whole seconds.
            let (absolute, second) = (Limits::DEFAULT.absolute.unwrap(), Duration::from_secs(1));
            let until = record.created.unwrap().saturating_add(absolute);
            // And is a span, from when it was made: the clock may move on before it comes.
            let late = second + it.case.clock.span().unwrap_or_default();
            let is_until = |end: Timestamp| {
                end.saturating_add(second) >= until && end <= until.saturating_add(late)
            };
            // Limits whose response did not come may hold without their cookie.
            let is_lost = |seen: &Seen| seen.op == Op::SetLimits && !seen.is_delivered();
            // A ticket that was renewed periodically still serves for a moment, but the response to it cannot bring the
            // new one again, and must not bring the old one.
            let is_alias = it.case.has(Op::Periodic) || it.seen.iter().any(is_lost);
            self.expect(FORGOTTEN, forgets.is_none_or(is_until) || is_alias, || {
                format!("it forgets it at {forgets:?}, and the limit is {until:?}")
            });
            self.expect(ACKNOWLEDGED, forgets.is_some() == limits.persistent || is_alias, || {
                format!("the limits say persistent: {}, the cookie does not", limits.persistent)
            });
        }
    }

    /// Whether a request that began before the clock moved wrote after that.
    fn is_late_in_clock(&self) -> bool {
        let events = &self.it.events;
        let moved = events.iter().position(|event| matches!(event, Event::Moved));
        let Some(moved) = moved else { return false };
        events[moved..].iter().any(|event| match event {
            Event::Call(call) if call.has_effect => {
                let seen = self.it.seen.iter().find(|seen| seen.who == call.who);
                seen.is_none_or(|seen| seen.begun <= moved)
            }
            _ => false,
        })
    }
}
