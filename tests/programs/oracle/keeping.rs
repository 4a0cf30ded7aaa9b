//! What has to be kept of a request that was not late: one function for each way to end, and of those that were.

use std::rc::Rc;

use super::dict::Change;
use super::ending::{End, Out, REFUSE};
use super::state::{Asked, Life, Standing, State, Wish};
use super::{Outcome, ensure};

pub const ONE_THING: &str = "a login and its cookie are one thing: either the old ticket still opens the old session, or \
                             the new one is in that response, whatever its status";
const REVIVED: &str = "S64: What was ended stays ended: a slower request revives nothing, sends no cookie, and the \
                       application sees it";
const TABLE: &str = "S15 and the table of StoredFactory: a cookie goes out when a session is made, renewed, ended, or its \
                     browser keeps it, and only then";
const MADE: &str = "no acknowledged change is missing: a visitor without a session who wrote gets one, with its ticket";
const FORGET: &str = "S26: After a logout the browser is told to forget its cookie";
const SIGNED_OUT: &str = "no visitor ends signed out who was just signed in, unless a logout or a revocation was among \
                          the requests after";

impl State {
    pub(super) fn commits_fresh(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        expired: bool,
    ) -> Outcome {
        let content = asked.leaves_content(end);
        // Limits count from when the request began: what it makes may be over before it is made, and has no cookie.
        let too_late = self.is_stillborn(asked);
        let must = end.delivered && end.keep && content && !too_late;
        let may = asked.may_have_content() && (end.delivered || end.left == Some(true));
        match out {
            Out::Ticket(ticket) => {
                ensure(may, TABLE, || {
                    format!("request {request} left nothing, and gets a session")
                })?;
                let session = self.create(asked, end, Some(ticket.clone()), None)?;
                self.settle_handle(request, Some(session));
                Ok(vec![self])
            }
            Out::Removal | Out::Nothing => {
                ensure(!must, MADE, || {
                    format!("request {request} left {:?}, and has no ticket", asked.view.0)
                })?;
                let forgets = expired && asked.wish == Wish::Logout;
                ensure(*out == Out::Nothing || forgets, TABLE, || {
                    format!("request {request} had no session, and is told to forget it")
                })?;
                let mut not_made = self.clone();
                not_made.settle_handle(request, None);
                let mut next = vec![not_made];
                if (end.left == Some(true) || too_late) && may {
                    let session = self.create(asked, end, None, None)?;
                    self.settle_handle(request, Some(session));
                    next.push(self);
                }
                Ok(next)
            }
        }
    }

    pub(super) fn logs_out(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        session: usize,
    ) -> Outcome {
        let was_over = self.sessions[session].ended.is_some() || self.life(session) != Life::Lives;
        let is_there = self.life(session) != Life::Over;
        let place = is_there.then_some(session);
        if place.is_none() || !matches!(out, Out::Ticket(_)) {
            self.ends_for_good(session);
        } else {
            self.sessions[session].ended = Some("by a logout");
        }
        let content = asked.leaves_content(end);
        let must = end.delivered && end.keep && content && !was_over;
        match out {
            Out::Ticket(ticket) => {
                ensure(asked.may_have_content() && end.delivered, TABLE, || {
                    format!("request {request} logged out, left nothing, and gets a session")
                })?;
                let made = self.create(asked, end, Some(ticket.clone()), place)?;
                self.settle_handle(request, Some(made));
                Ok(vec![self])
            }
            Out::Removal | Out::Nothing => {
                ensure(!must, MADE, || {
                    format!(
                        "request {request} wrote {:?} after its logout, and has no ticket",
                        asked.view.0
                    )
                })?;
                ensure(*out == Out::Removal || was_over || !end.delivered, FORGET, || {
                    format!("request {request} logged out, and its browser is not told")
                })?;
                let mut next = vec![self.clone()];
                next[0].settle_handle(request, None);
                if end.left == Some(true) && asked.may_have_content() {
                    let made = self.create(asked, end, None, place)?;
                    self.settle_handle(request, Some(made));
                    next.push(self);
                }
                Ok(next)
            }
        }
    }

    /// Another owner's session begins in place of this one.
    pub(super) fn replaces(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        session: usize,
    ) -> Outcome {
        let mut next = Vec::new();
        if let Out::Ticket(ticket) = out {
            let ended = self.sessions[session].ended;
            self.sessions[session].ended = ended.or(Some("by the login of another"));
            let made = self.create(asked, end, Some(ticket.clone()), Some(session))?;
            self.settle_handle(request, Some(made));
            return Ok(vec![self]);
        }
        let lives = self.life(session) == Life::Lives;
        let must = end.delivered && lives;
        ensure(!must && (*out == Out::Nothing || !lives), ONE_THING, || {
            format!("request {request} signed in {:?}, and has no ticket", asked.owner)
        })?;
        if end.left == Some(true) {
            let mut done = self.clone();
            done.sessions[session].ended = Some("by the login of another");
            let made = done.create(asked, end, None, Some(session))?;
            done.settle_handle(request, Some(made));
            next.push(done);
        }
        self.settle_handle(request, None);
        next.extend(self.clone().with_wishes_alone(asked, session));
        if asked.owner.is_none() {
            next.extend(self.clone().without_owner(asked, session, End { keep: false, ..end }));
        }
        next.push(self);
        Ok(next)
    }

    pub(super) fn renews(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        session: usize,
    ) -> Outcome {
        let (_, must_be_refused) = self.refuses(asked, session);
        ensure(!(must_be_refused && end.keep && end.delivered), REFUSE, || {
            format!("request {request} overwrote what it had not seen")
        })?;
        let mut next = Vec::new();
        if let Out::Ticket(ticket) = out {
            ensure(self.session_of(ticket).is_none(), ONE_THING, || {
                format!("request {request} was renewed, and gets an old ticket")
            })?;
            let changes: &[Change] = if end.keep { &asked.changes } else { &[] };
            for mut state in self.with_changes(asked, changes, session, end) {
                state.renew(asked, session, Some(ticket.clone()), end);
                state.settle_handle(request, Some(session));
                next.push(state);
            }
            return Ok(next);
        }
        let lives = self.life(session) == Life::Lives;
        let must = end.delivered && lives;
        ensure(!must && (*out == Out::Nothing || !lives), ONE_THING, || {
            format!("request {request} was renewed, and has no ticket")
        })?;
        let loses_owner = asked.owner_set && asked.owner.is_none();
        if loses_owner {
            next.extend(self.clone().without_owner(asked, session, end));
        }
        if end.left == Some(true) {
            let changes: &[Change] = if end.keep { &asked.changes } else { &[] };
            for mut state in self.clone().with_changes(asked, changes, session, end) {
                state.renew(asked, session, None, end);
                next.push(state);
            }
        }
        next.iter_mut().for_each(|state| state.settle_handle(request, Some(session)));
        self.settle_handle(request, None);
        if !(loses_owner && lives) {
            next.extend(self.clone().with_wishes_alone(asked, session));
            next.push(self);
        }
        Ok(next)
    }

    /// Of two logins that race the second may be Gone. Where it is not, it has to be whole.
    pub(super) fn renews_late(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        session: usize,
    ) -> Outcome {
        self.settle_handle(request, None);
        let Out::Ticket(ticket) = out else {
            ensure(!end.delivered || (end.failed && *out == Out::Nothing), REVIVED, || {
                format!(
                    "request {request} was renewed in a session that had ended, and is not Gone"
                )
            })?;
            return Ok(vec![self]);
        };
        let kept = &self.sessions[session];
        let (ended, same) =
            (kept.ended.is_some(), kept.owner.is_none() || kept.owner == asked.owner);
        ensure(!ended && asked.owner_set && asked.owner.is_some(), REVIVED, || {
            format!(
                "request {request} came from a session that was ended or renewed, and gets a ticket"
            )
        })?;
        if !same {
            self.create(asked, end, Some(ticket.clone()), None)?;
            return Ok(vec![self]);
        }
        let mut next = self.with_changes(asked, &asked.changes, session, end);
        next.iter_mut().for_each(|state| state.renew(asked, session, Some(ticket.clone()), end));
        Ok(next)
    }

    pub(super) fn keeps_late(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
    ) -> Outcome {
        ensure(*out == Out::Nothing, REVIVED, || {
            format!(
                "request {request} came from a session that was ended or renewed, and sends a cookie"
            )
        })?;
        let acknowledged = asked.has_changes() && end.keep && end.delivered;
        ensure(!acknowledged, REVIVED, || {
            format!(
                "request {request} wrote into a session that was ended or renewed, and is not Gone"
            )
        })?;
        self.settle_handle(request, None);
        Ok(vec![self])
    }

    pub(super) fn keeps(
        mut self,
        request: usize,
        asked: &Asked,
        end: End,
        out: &Out,
        session: usize,
    ) -> Outcome {
        if self.life(session) == Life::Over {
            return self.keeps_late(request, asked, end, out);
        }
        let lives = self.life(session) == Life::Lives;
        ensure(*out != Out::Removal, SIGNED_OUT, || {
            format!("request {request} is told to forget a session that it did not end")
        })?;
        self.settle_handle(request, None);
        let (refused, must_be) = self.refuses(asked, session);
        ensure(!(must_be && end.keep && end.delivered), REFUSE, || {
            format!("request {request} overwrote what it had not seen")
        })?;
        let mut next = Vec::new();
        // Without a response nobody is told of a refusal, or that nothing was kept.
        let perhaps = end.left.is_some() || end.answerless || !end.delivered && (refused || !lives);
        if !end.keep || perhaps {
            next.push(self.clone());
            next.extend(self.clone().with_wishes_alone(asked, session));
        }
        if end.keep && !must_be {
            next.extend(self.with_changes(asked, &asked.changes, session, end));
        }
        for state in &mut next {
            state.touches(asked, session, end, lives);
        }
        if end.left == Some(true) {
            let renewed: Vec<Self> =
                next.iter().filter_map(|state| state.rotated(asked, session)).collect();
            next.extend(renewed);
        }
        match out {
            Out::Ticket(ticket) => {
                let mut sent = Vec::new();
                for state in next {
                    sent.extend(state.resent(request, asked, session, ticket)?);
                }
                Ok(sent)
            }
            Out::Nothing | Out::Removal => Ok(next),
        }
    }

    /// Whether this request is refused for what it overwrites: perhaps, and certainly.
    fn refuses(&self, asked: &Asked, session: usize) -> (bool, bool) {
        if self.settings.refuse { self.overwrites(asked, session) } else { (false, false) }
    }

    /// Whether this request has limits to say with a ticket, and its own was exchanged by another one.
    fn is_told(&self, asked: &Asked, session: usize) -> bool {
        let own = asked.cookie.as_ref().and_then(|own| self.sessions[session].standing(own));
        asked.limits.is_some() && matches!(own, Some(Standing::Grace(..)))
    }

    /// A new ticket of the same rights that went to a client that had left.
    fn rotated(&self, asked: &Asked, session: usize) -> Option<Self> {
        let (now, mut state) = (self.now, self.clone());
        let kept = &mut state.sessions[session];
        let age = now - kept.ticket_made.0;
        let is_due = self.settings.renew_every.is_some_and(|every| age >= every)
            || self.is_told(asked, session);
        let becomes = Standing::Grace(asked.opened_at, now);
        kept.renew(None, now, asked.opened_at, becomes);
        is_due.then_some(state)
    }

    /// A cookie of a live session that was neither renewed nor ended by this request.
    pub(super) fn resent(
        mut self,
        request: usize,
        asked: &Asked,
        session: usize,
        ticket: &Rc<str>,
    ) -> Outcome {
        let now = self.now;
        let kept = &self.sessions[session];
        if let Some(standing) = kept.standing(ticket) {
            ensure(asked.limits.is_some() && standing == Standing::Current, TABLE, || {
                format!(
                    "request {request} gets the ticket that it has, or an older one: {standing:?}"
                )
            })?;
            return Ok(vec![self]);
        }
        let age = now - kept.ticket_made.0;
        let due = self.settings.renew_every.is_some_and(|every| age >= every);
        ensure(due || self.is_told(asked, session), TABLE, || {
            format!("request {request} gets a new ticket after {age} s")
        })?;
        let becomes = Standing::Grace(asked.opened_at, now);
        self.sessions[session].renew(Some(ticket.clone()), now, asked.opened_at, becomes);
        Ok(vec![self])
    }
}
