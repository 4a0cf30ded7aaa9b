//! What a request does with its session, and what each operation has to give.

use serde_json::Value as Json;

use super::dict::{Change, Dict, is_reserved, queue_key, replay};
use super::state::{Arrival, Asked, BY_AGE, Claim, Handle, Kept, LISTED, Life, Pin, State, Wish};
use super::{Breach, Outcome, ensure};
use crate::history::{Did, Own, Saw};
use crate::program::Op;

pub const TABLE: &str =
    "R13: Every dictionary method has its effect, as the table in session.rs says.";
const QUEUE: &str = "R28 to R35: a queue gives its messages, oldest first, and each of them once.";
pub const ONCE: &str = "S67: A flash message on a server is shown by exactly one response that somebody sees; after \
                    anything else it waits again.";
const TOKEN: &str = "R39, R41, S51: The CSRF token is the same as long as it stands; a new one, a login or the session's \
                     end replaces it, and the old one is dead at once.";

/// A session as the store has it: its dictionary and its token.
type Refreshed = (Dict, Option<String>, u32);

impl State {
    pub fn did(mut self, request: usize, op: Op, did: &Did, own: &Own) -> Outcome {
        match op {
            Op::PopFlash(queue) => return self.popped(request, queue_key(queue), did),
            Op::TakeHandle => return self.took_handle(request, did),
            Op::HandleInsert(..)
            | Op::HandleModify(..)
            | Op::HandleGet(_)
            | Op::HandleReload
            | Op::HandleCommit => return self.with_handle(op, did),
            Op::RevokeOthers | Op::RevokeAll(_) | Op::RevokeOne(_) => {
                return self.revoked(request, op, did, own);
            }
            _ => {}
        }
        let mut asked = self.asked(request);
        match op {
            Op::Csrf | Op::NewCsrf => self.token(&mut asked, op == Op::NewCsrf, did)?,
            Op::Look => self.looked(&asked, did)?,
            Op::SetLimits(limits) if *did == Did::Failed("setting") => {
                ensure(self.may_be_too_old(&asked, limits), TABLE, || {
                    format!("{op} gave {did:?}")
                })?;
            }
            Op::Renew | Op::SetOwner(_) | Op::ForgetOwner | Op::Invalidate | Op::SetLimits(_) => {
                ensure(*did == Did::Unit, TABLE, || format!("{op} gave {did:?}"))?;
                asked.wishes(op, own);
                self.forget_pin(request);
            }
            _ => asked.dictionary(op, did, self.in_order)?,
        }
        asked.looked |= !matches!(
            op,
            Op::Renew
                | Op::SetOwner(_)
                | Op::ForgetOwner
                | Op::Invalidate
                | Op::SetLimits(_)
                | Op::Changed
        );
        if let Did::Pair(Some((queue, _))) = did {
            self.clears_claims(request, |claim| claim.queue == queue);
        }
        let mut next = vec![self.clone()];
        next[0].requests.insert(request, asked.clone());
        if op == Op::Clear {
            self.clears_claims(request, |_| true);
            // Known: a session that is empty without what was taken is not cleared.
            let is_open = self.requests[&request].view.0.is_empty();
            next.truncate(usize::from(is_open));
            self.requests.insert(request, asked.clone());
            next.push(self.clone());
            if is_open {
                // With something else to keep it clears what another request adds meanwhile; alone it is nothing to keep.
                asked.changes.push(Change::Clear);
                self.requests.insert(request, asked);
                next.push(self);
            }
        }
        Ok(next)
    }

    /// What was taken is cleared away by the request that took it.
    fn clears_claims(&mut self, request: usize, is_cleared: impl Fn(&Claim) -> bool) {
        let claims = self.sessions.iter_mut().flat_map(|kept| &mut kept.claims);
        let own = claims.filter(|claim| claim.request == request && is_cleared(claim));
        own.for_each(|claim| claim.cleared = true);
    }

    /// A handle that was taken in a request that now asks for another ticket may go with it.
    fn forget_pin(&mut self, request: usize) {
        let mine = |it: &&mut Handle| it.request == request && it.pin == Pin::Pending;
        if let Some(handle) = self.handle.as_mut().filter(mine) {
            handle.pin = Pin::Either;
        }
    }

    fn token(&mut self, asked: &mut Asked, new: bool, did: &Did) -> Result<(), Breach> {
        let Did::Token(text) = did else {
            return Err(Breach::new(TOKEN, format!("asking for a token gave {did:?}")));
        };
        let session = match asked.arrival {
            Arrival::Live { session, .. } => Some(session),
            _ => None,
        };
        let same = asked.csrf.as_ref() == Some(text);
        ensure(if new { !same } else { same || asked.csrf.is_none() }, TOKEN, || {
            format!("{text} where {:?} stood", asked.csrf)
        })?;
        if let Some(kept) = session.map(|session| &mut self.sessions[session]) {
            let dead = kept.dead_csrf.contains(text) && kept.csrf_count == asked.csrf_count;
            ensure(!dead, TOKEN, || format!("{text} was dead"))?;
            let untouched = asked.wish == Wish::Keep && !asked.csrf_new && !new;
            if untouched && kept.csrf.is_none() && kept.csrf_count == asked.csrf_count {
                kept.csrf = Some(text.clone());
            }
        }
        asked.csrf_made |= new;
        asked.csrf_new |= new || session.is_none();
        asked.csrf = Some(text.clone());
        Ok(())
    }

    fn looked(&self, asked: &Asked, did: &Did) -> Result<(), Breach> {
        let Did::Saw(saw) = did else {
            return Err(Breach::new(TABLE, format!("looking gave {did:?}")));
        };
        let Saw { entries, limits, tokens } = &**saw;
        let ordinary = |seen: &(String, Json)| !is_reserved(&seen.0);
        let but_messages: Vec<_> = entries.iter().filter(|it| ordinary(it)).cloned().collect();
        let mut mine = asked.view.clone();
        mine.0.retain(|(key, _)| !is_reserved(key));
        let only_messages = mine.looks_like(&but_messages, true);
        let promise = if only_messages { ONCE } else { kept_promise(asked) };
        ensure(asked.view.looks_like(entries, self.in_order), promise, || {
            format!("{entries:?} is there and not {:?}", asked.view.0)
        })?;
        let Arrival::Live { session, .. } = asked.arrival else { return Ok(()) };
        let kept = &self.sessions[session];
        let expected = kept.limits.map(|it| (it.idle, it.absolute, it.persistent));
        ensure(
            *limits == expected,
            "set_limits: Gives this session limits of its own, which it keeps",
            || format!("{limits:?} and not {expected:?}"),
        )?;
        for (token, accepted) in tokens {
            let stands = kept.csrf.as_ref() == Some(token);
            let unknown = kept.csrf.is_none() && !kept.dead_csrf.contains(token);
            ensure(*accepted == stands || unknown, TOKEN, || {
                format!("token {token} accepted: {accepted}, stands: {stands}")
            })?;
        }
        Ok(())
    }

    /// Messages are claimed in the store as it is now.
    fn popped(mut self, request: usize, key: &'static str, did: &Did) -> Outcome {
        let mut asked = self.asked(request);
        asked.looked = true;
        let Did::Messages(seen) = did else {
            ensure(self.has_lost(&asked), QUEUE, || format!("pop_flash gave {did:?}"))?;
            self.requests.insert(request, asked);
            return Ok(vec![self]);
        };
        let own = of_queue(&asked.own, key);
        let mut rest = seen.clone();
        for message in &own {
            ensure(rest.contains(message), QUEUE, || {
                format!("{message} was pushed, and pop gave {seen:?}")
            })?;
            drop_one(&mut rest, *message);
        }
        let refreshed = match asked.arrival {
            Arrival::Live { session, epoch } if matches!(asked.wish, Wish::Keep | Wish::Renew) => {
                let late = self.is_late(session, epoch);
                self.claims(request, &asked, session, late, key, &rest, seen)?
            }
            _ => {
                ensure(rest.is_empty(), QUEUE, || {
                    format!("pop gave {seen:?}, of which {rest:?} was never pushed")
                })?;
                None
            }
        };
        asked.view.remove(key);
        asked.base.remove(key);
        asked.popped = true;
        asked.changes.extend(own.into_iter().map(|message| Change::Take(key, message)));
        asked.own.retain(|(queue, _)| *queue != key);
        Ok(self.with_views(request, asked, refreshed))
    }

    /// Whether the session that a request came with is certainly not there for it any more.
    fn has_lost(&self, asked: &Asked) -> bool {
        match asked.arrival {
            Arrival::Live { session, epoch } => self.is_late(session, epoch),
            Arrival::Late { .. } => true,
            Arrival::Fresh { .. } => false,
        }
    }

    /// Takes messages out of the store, and says what the request may have seen there besides.
    #[allow(clippy::too_many_arguments)] // all of them say what one call of `pop_flash` met
    fn claims(
        &mut self,
        request: usize,
        asked: &Asked,
        session: usize,
        late: bool,
        key: &'static str,
        rest: &[u64],
        seen: &[u64],
    ) -> Result<Option<Refreshed>, Breach> {
        let over = late || self.life(session) != Life::Lives;
        let own = of_queue(&asked.own, key);
        let mut stored = asked.view.messages(key);
        own.iter().for_each(|message| drop_one(&mut stored, *message));
        let (now, in_order) = (self.now, self.in_order);
        let kept = &mut self.sessions[session];
        let there = kept.dict.messages(key);
        for message in rest {
            let claimed = kept.claims.iter().any(|it| !it.lapsed && it.messages.contains(message));
            let perhaps = over && stored.contains(message) && !claimed;
            ensure(there.contains(message) || perhaps, ONCE, || {
                format!("pop gave {message}, which does not wait any more")
            })?;
        }
        for message in &stored {
            ensure(over || rest.contains(message) || !there.contains(message), ONCE, || {
                format!("{message} waits, and pop gave {seen:?}")
            })?;
        }
        ensure(!in_order || over || *seen == [stored.as_slice(), &own].concat(), ONCE, || {
            format!("pop gave {seen:?} and not {stored:?} and {own:?}")
        })?;
        let taken = if late { Vec::new() } else { kept.dict.take(key, rest) };
        if !taken.is_empty() {
            kept.claims.push(Claim::new(request, key, taken, now));
            kept.use_at(0, now);
        }
        let other = !late && kept.dict != asked.base;
        Ok(other.then(|| (kept.dict.clone(), kept.csrf.clone(), kept.csrf_count)))
    }

    /// A request that was at the store may go on with what it saw there, or with what it had.
    fn with_views(
        mut self,
        request: usize,
        asked: Asked,
        refreshed: Option<Refreshed>,
    ) -> Vec<Self> {
        let mut next = Vec::new();
        if let Some((base, csrf, csrf_count)) = refreshed {
            for view in replay(&base, &asked.changes) {
                let mut asked = asked.clone();
                (asked.base, asked.view) = (base.clone(), view);
                if !asked.csrf_new && asked.wish == Wish::Keep {
                    (asked.csrf, asked.csrf_count) = (csrf.clone(), csrf_count);
                }
                let mut state = self.clone();
                state.requests.insert(request, asked);
                next.push(state);
            }
        }
        self.requests.insert(request, asked);
        next.push(self);
        next
    }

    fn revoked(mut self, request: usize, op: Op, did: &Did, own: &Own) -> Outcome {
        if *did == Did::Skipped {
            return Ok(vec![self]);
        }
        let keep = match self.requests[&request].arrival {
            Arrival::Live { session, .. } if op == Op::RevokeOthers => Some(session),
            _ => None,
        };
        if op == Op::RevokeOthers && (own.owner.is_none() || *did == Did::Failed("no_owner")) {
            let fits = own.owner.is_none() && *did == Did::Failed("no_owner");
            ensure(fits, LISTED, || format!("{op} of {:?} gave {did:?}", own.owner))?;
            return Ok(vec![self]);
        }
        let (settings, now) = (self.settings, self.now);
        let (mut surely, mut perhaps) = (0, 0);
        // What has begun in the place of this one, by another request, has its id and is spared like it.
        let place = keep.map(|index| self.sessions[index].id.clone());
        for (index, kept) in self.sessions.iter_mut().enumerate() {
            let meant = kept.owner.is_some()
                && kept.owner == own.owner
                && keep != Some(index)
                && place.as_ref().is_none_or(|place| kept.id != *place)
                && (!matches!(op, Op::RevokeOne(_)) || kept.id == own.id);
            if !meant || kept.ended.is_some_and(|why| why != BY_AGE) {
                continue;
            }
            perhaps += 1;
            surely += usize::from(kept.life(&settings, now) == Life::Lives);
            if kept.life(&settings, now) != Life::Over {
                kept.ended = Some("by a revocation");
            }
        }
        let count = match did {
            Did::Count(count) => *count,
            Did::Flag(found) => usize::from(*found),
            _ => return Err(Breach::new(LISTED, format!("{op} gave {did:?}"))),
        };
        ensure((surely..=perhaps).contains(&count), LISTED, || {
            format!("{op} says {count} of {surely} to {perhaps}")
        })?;
        Ok(vec![self])
    }
}

/// The sentence that is broken where a session holds something else than it should.
fn kept_promise(asked: &Asked) -> &'static str {
    match asked.arrival {
        Arrival::Late { .. } => {
            "a pre-login request arriving just after keeps nothing, sends nothing and is Gone: it sees nothing either"
        }
        _ => {
            "S62, S63: No update is lost unseen; what concurrent requests see is what some order of them, one after \
             the other, would have shown. (S66, S72: nor is something kept that was to be dropped)"
        }
    }
}

fn of_queue(messages: &[(&'static str, u64)], key: &str) -> Vec<u64> {
    messages.iter().filter(|(queue, _)| *queue == key).map(|(_, message)| *message).collect()
}

fn drop_one(messages: &mut Vec<u64>, message: u64) {
    if let Some(index) = messages.iter().rposition(|it| *it == message) {
        messages.remove(index);
    }
}

impl Kept {
    /// The token is another one from now on.
    pub fn exchange_token(&mut self, token: Option<String>) {
        self.dead_csrf.extend(self.csrf.take());
        self.csrf = token;
        self.csrf_count += 1;
    }
}
