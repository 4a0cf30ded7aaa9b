//! The session of the start: what is in it, whose it is, and which tickets open it.

use super::*;

impl Judge<'_> {
    pub(super) fn tickets(&self) {
        let it = self.it;
        let by_jar = if it.by_jar.is_live { &it.by_jar_later } else { &it.by_jar };
        let (is_live, is_it) = (by_jar.is_live, by_jar.id.as_deref() == Some(&it.id));
        let in_jar = it.jar.cookie.as_deref();
        let has_live = self.live_tickets().any(|ticket| {
            // When the session has ended by itself, what its last response brings is no more, and may come late.
            Some(ticket) != in_jar && (!self.is_idle() || self.opens_it(ticket))
        });
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
    pub(super) fn change(&self, seen: &Seen) {
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
        if self.was_emptied() {
            return; // Nothing may be there, of either.
        }
        self.expect(ACKNOWLEDGED, there || !is_kept, || "what it did is not there".to_owned());
        let removed_by_other = seen.op == Op::Remove && self.other(seen).op == Op::Remove;
        let promise = if seen.is_gone() { GONE } else { NOT_INVENTED };
        self.expect(promise, !there || may || removed_by_other, || {
            "what it did is there".to_owned()
        });
    }

    /// What a request kept that found no session.
    pub(super) fn anonymous(&self, seen: &Seen) {
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
    pub(super) fn common_values(&self) {
        let it = self.it;
        let Some(record) = it.record.as_ref().filter(|_| !self.was_emptied()) else { return };
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
    pub(super) fn owner(&self) {
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

    /// What a login of somebody else leaves of the session.
    pub(super) fn emptied(&self) {
        let Some(record) = self.it.record.as_ref().filter(|_| self.was_emptied()) else { return };
        let keys: Vec<_> = record.entries.iter().map(|(key, _)| key.to_string()).collect();
        self.expect(EMPTIED, keys.is_empty(), || format!("{} are there", keys.join(", ")));
        let logins = self.it.seen.iter().filter(|seen| seen.op == Op::SignInOther);
        let since = logins.map(|seen| seen.begun_at).min();
        let is_new = since.is_some_and(|since| record.created >= Some(since));
        self.expect(EMPTIED, is_new, || "it is as old as the former one".to_owned());
    }

    pub(super) fn token(&self, seen: &Seen) {
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

    pub(super) fn others(&self, seen: &Seen) {
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
