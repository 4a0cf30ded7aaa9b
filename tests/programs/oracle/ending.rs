//! A request ends: what of it has to be kept, what must not be, and which cookie may go out.

use std::rc::Rc;

use super::dict::{Change, QUEUE_KEYS};
use super::state::{Arrival, Asked, Life, Standing, State, Wish};
use super::{Breach, Outcome, ensure};
use crate::history::{Answer, Sent};
use crate::program::{Ending, KEYS, Lifetime};

const LATE: &str =
    "a pre-login request arriving just after keeps nothing, sends nothing and is Gone";
pub(super) const REFUSE: &str =
    "Overwrite::Refuse: The request fails with Error::Overwrites, 409, and nothing of it is kept";
const PLANNED: &str =
    "an error is for what nobody planned: a request that could be kept has its handler's status";

const GONE: &str = "Gone: Whether another request ended this session while this one was under way, by a logout, a renewal \
                    or a revocation; then its changes were dropped and no cookie was sent";
const REVIVED: &str = "S64: What was ended stays ended: a slower request revives nothing, sends no cookie, and the \
                       application sees it";
const JAR: &str = "whoever got a live cookie last can use it, and nobody else's older cookie arrives later and replaces it \
                   in the jar";
const SIGNED_OUT: &str = "no visitor ends signed out who was just signed in, unless a logout or a revocation was among \
                          the requests after";
const PERSISTS: &str = "Limits::persistent: Whether the browser keeps the cookie when it is closed, for as long as the \
                        session can live at most";

/// How a request ended, as far as it matters for what is kept.
#[derive(Clone, Copy)]
pub(super) struct End {
    /// There is a response, which can carry a cookie.
    pub(super) delivered: bool,
    pub(super) failed: bool,
    /// Ordinary changes are to be kept.
    pub(super) keep: bool,
    /// Somebody sees the page.
    pub(super) seen: bool,
    /// The service failed without a response, of which the documents only say what becomes of renewals and logouts.
    pub(super) answerless: bool,
    /// The client left; then whether the handler had answered.
    pub(super) left: Option<bool>,
}

/// The cookie that went out.
#[derive(Clone, PartialEq)]
pub(super) enum Out {
    Nothing,
    Removal,
    Ticket(Rc<str>),
}

impl Asked {
    /// Whether there is something of which its handler was told that it will be there.
    pub(super) fn has_content(&self) -> bool {
        !self.view.0.is_empty() || self.owner.is_some() || self.csrf_new
    }

    /// The same, or something that may be worth a session.
    pub(super) fn may_have_content(&self) -> bool {
        self.has_content()
            || self.forced
            || self.limits.is_some()
            || self.owner_set
            || !self.changes.is_empty()
            || self.wish != Wish::Keep
    }

    /// The same of a new session, with the messages that were pushed and taken here if nobody saw them.
    pub(super) fn leaves_content(&self, end: End) -> bool {
        self.has_content() || !self.left(end.seen).0.is_empty()
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty() || self.csrf_new || self.limits.is_some()
    }
}

impl State {
    pub fn ended(mut self, request: usize, ending: Ending, answer: &Answer) -> Outcome {
        let mut asked = self.asked(request);
        (asked.over, asked.gone) = (true, answer.gone);
        ensure(
            answer.cookies.len() <= 1,
            "S14: A response carries at most one cookie of the session's",
            || format!("{} cookies", answer.cookies.len()),
        )?;
        ensure(answer.status.is_none() || answer.gone == answer.knows_gone, GONE, || {
            format!("the response says {}, Session::is_gone {}", answer.gone, answer.knows_gone)
        })?;
        let sent = answer.cookies.first();
        let out = match sent {
            None => Out::Nothing,
            Some(Sent { value: None, .. }) => Out::Removal,
            Some(Sent { value: Some(ticket), .. }) => Out::Ticket(ticket.clone()),
        };
        asked.sent = sent.map(|sent| sent.value.clone());
        let end = self.end_of(ending);
        let status = match ending {
            Ending::Status(status) => Some(status),
            Ending::Head => Some(200),
            Ending::Panic | Ending::Fail => None,
        };
        self.requests.insert(request, asked.clone());
        if answer.status == Some(409) && status != answer.status {
            return self.refused(request, &asked, &out);
        }
        let too_old = asked.limits.is_some_and(|limits| self.may_be_too_old(&asked, limits));
        let is_refused = too_old && answer.status == Some(500);
        ensure(answer.status == status || is_refused, PLANNED, || {
            format!("{:?} instead of {status:?}: {}", answer.status, answer.body)
        })?;
        if answer.status != status {
            return Ok(vec![self]);
        }
        if answer.gone {
            return self.was_gone(request, &asked, end, &out);
        }
        // Without a response nobody is told that nothing was kept.
        let (mut fitting, mut refused) = (Vec::new(), None);
        if too_old && out == Out::Nothing && (end.failed || !end.delivered) {
            fitting.push(self.clone());
        }
        match self.commits(request, &asked, end, &out) {
            Ok(states) => {
                for state in states {
                    match state.persistence(request, sent) {
                        Ok(()) => fitting.push(state),
                        Err(breach) => refused = Some(breach),
                    }
                }
            }
            Err(breach) => refused = Some(breach),
        }
        refused.filter(|_| fitting.is_empty()).map_or(Ok(fitting), Err)
    }

    /// The client left, and nobody knows an answer.
    pub fn left(mut self, request: usize, committing: bool) -> Outcome {
        let mut asked = self.asked(request);
        asked.over = true;
        self.requests.insert(request, asked.clone());
        // Which status its response had is not known, nor what its handler took for seen.
        let (mut next, mut refused) = (Vec::new(), None);
        if asked.limits.is_some_and(|limits| self.may_be_too_old(&asked, limits)) {
            next.push(self.clone());
        }
        for (keep, seen) in [(true, false), (true, true), (false, false)] {
            if (seen && !committing) || (!keep && self.settings.keep_on_error) {
                continue;
            }
            let (failed, answerless, left) = (false, false, Some(committing));
            let end = End { delivered: false, failed, keep, seen, answerless, left };
            match self.clone().commits(request, &asked, end, &Out::Nothing) {
                Ok(states) => next.extend(states),
                Err(breach) => refused = Some(breach),
            }
        }
        refused.filter(|_| next.is_empty()).map_or(Ok(next), Err)
    }

    /// Whether the session may be older than these limits let it be, so that they are refused.
    pub(super) fn may_be_too_old(&self, asked: &Asked, limits: Option<Lifetime>) -> bool {
        let Arrival::Live { session, .. } = asked.arrival else { return false };
        let absolute = limits.unwrap_or(self.settings.lifetime).absolute;
        self.now >= self.sessions[session].created + absolute
    }

    fn end_of(&self, ending: Ending) -> End {
        let failed = matches!(ending, Ending::Status(500) | Ending::Panic | Ending::Fail);
        End {
            delivered: matches!(ending, Ending::Status(_) | Ending::Head),
            failed,
            keep: !failed || self.settings.keep_on_error,
            seen: matches!(ending, Ending::Status(200 | 404)),
            answerless: ending == Ending::Fail,
            left: None,
        }
    }

    fn refused(self, request: usize, asked: &Asked, out: &Out) -> Outcome {
        let Arrival::Live { session, .. } = asked.arrival else {
            return Err(Breach::new(PLANNED, "409 without a session"));
        };
        let (perhaps, _) = self.overwrites(asked, session);
        ensure(self.settings.refuse && perhaps, REFUSE, || {
            format!("refused where {:?} became {:?}", asked.base.0, self.sessions[session].dict.0)
        })?;
        let end = End {
            delivered: true,
            failed: true,
            keep: false,
            seen: false,
            answerless: false,
            left: None,
        };
        // What was wished for the session as a whole holds all the same, and its cookie is in this response.
        let next = if asked.wish == Wish::Renew {
            self.renews(request, asked, end, out, session)?
        } else {
            self.keeps(request, asked, end, out, session)?
        };
        Ok(next.into_iter().flat_map(|state| state.settle(request, end, false)).collect())
    }

    /// Whether this request overwrites what another one wrote: perhaps, and certainly.
    pub(super) fn overwrites(&self, asked: &Asked, session: usize) -> (bool, bool) {
        let (mut perhaps, mut surely) = (false, false);
        for key in KEYS.into_iter().chain(QUEUE_KEYS) {
            let there = self.sessions[session].dict.get(key);
            let mut touching =
                asked.changes.iter().filter(|it| super::asking::changes_key(it, key));
            let Some(last) = touching.next_back() else { continue };
            if there == asked.base.get(key) {
                continue;
            }
            let read = asked.read.contains(&key);
            perhaps |= read || asked.perhaps_read.contains(&key);
            surely |= read
                && !asked.popped
                && !asked.changes.contains(&Change::Clear)
                && matches!(last, Change::Set(_, value) if there != Some(&super::dict::Value::Number(*value)));
        }
        (perhaps, surely)
    }

    fn was_gone(mut self, request: usize, asked: &Asked, end: End, out: &Out) -> Outcome {
        let justified = match asked.arrival {
            Arrival::Live { session, epoch } => {
                let has_ended = self.life(session) != Life::Lives;
                let begins = matches!(asked.wish, Wish::Logout | Wish::Replace);
                self.is_late(session, epoch) || has_ended || begins && self.is_stillborn(asked)
            }
            Arrival::Late { .. } => true,
            Arrival::Fresh { .. } => self.is_stillborn(asked),
        };
        ensure(justified, GONE, || {
            format!("request {request} is Gone, and nobody ended its session")
        })?;
        let asked_to_forget = *out == Out::Removal && asked.wish == Wish::Logout;
        ensure(*out == Out::Nothing || asked_to_forget, REVIVED, || {
            format!("request {request} is Gone, and sends a cookie")
        })?;
        self.settle_handle(request, None);
        if let (Arrival::Live { session, .. }, Wish::Logout) = (asked.arrival, asked.wish) {
            self.ends_for_good(session);
        }
        let mut next = self.clone().settle(request, end, true);
        next.extend(self.clone().settle(request, End { seen: false, ..end }, false));
        // Or they wait until their lease ends.
        next.push(self);
        Ok(next)
    }

    /// Limits count from when the request began: what it makes may be over before it is made.
    pub(super) fn is_stillborn(&self, asked: &Asked) -> bool {
        let limits = asked.limits.flatten().unwrap_or(self.settings.lifetime);
        self.now >= asked.opened_at + limits.absolute
    }

    fn commits(mut self, request: usize, asked: &Asked, end: End, out: &Out) -> Outcome {
        if let (false, Some(noted)) = (end.delivered, self.requests.get_mut(&request)) {
            noted.undelivered = matches!(asked.wish, Wish::Renew | Wish::Replace);
        }
        match asked.arrival {
            Arrival::Late { .. } => {
                let wrote = asked.has_changes() || asked.wish != Wish::Keep || asked.looked;
                ensure(*out == Out::Nothing, LATE, || format!("request {request} sends a cookie"))?;
                ensure(!(wrote && end.delivered), LATE, || {
                    format!("request {request} did something, and is not Gone")
                })?;
                self.settle_handle(request, None);
                Ok(vec![self])
            }
            Arrival::Fresh { expired } => self.commits_fresh(request, asked, end, out, expired),
            Arrival::Live { session, epoch } => {
                let late = self.is_late(session, epoch);
                let next = match asked.wish {
                    Wish::Logout => self.logs_out(request, asked, end, out, session),
                    Wish::Replace => self.replaces(request, asked, end, out, session),
                    Wish::Renew if late => self.renews_late(request, asked, end, out, session),
                    Wish::Renew => self.renews(request, asked, end, out, session),
                    Wish::Keep if late => self.keeps_late(request, asked, end, out),
                    Wish::Keep => self.keeps(request, asked, end, out, session),
                }?;
                let shown = end.seen || end.left == Some(true);
                let mut settled = Vec::new();
                for state in next {
                    if !end.seen && shown {
                        settled.extend(state.clone().settle(
                            request,
                            End { seen: true, ..end },
                            true,
                        ));
                    }
                    if late && !end.seen {
                        // Nobody is there to give them back: they wait until their lease ends.
                        settled.push(state.clone());
                    }
                    settled.extend(state.settle(request, end, end.seen));
                }
                Ok(settled)
            }
        }
    }

    fn persistence(&self, request: usize, sent: Option<&Sent>) -> Result<(), Breach> {
        let Some(Sent { value: Some(ticket), max_age }) = sent else { return Ok(()) };
        let Some((session, _)) = self.session_of(ticket) else { return Ok(()) };
        let (limits, created) = (self.lifetime(session), self.sessions[session].created);
        let opened = self.requests[&request].opened_at;
        let fits = match max_age {
            Some(seconds) => {
                limits.persistent
                    && self.now + seconds >= created + limits.absolute
                    && opened + seconds <= created + limits.absolute
            }
            None => !limits.persistent,
        };
        ensure(fits, PERSISTS, || {
            format!("request {request}: {} session with a cookie for {max_age:?} s", limits.name)
        })
    }

    /// A response reaches its browser, which then has its cookie.
    pub fn delivered(mut self, request: usize, browser: usize) -> Outcome {
        let asked = self.asked(request);
        let Some(sent) = asked.sent else { return Ok(vec![self]) };
        let present = self.jars.get(&browser).cloned().flatten();
        let newer = present.as_ref().filter(|_| present != asked.cookie && present != sent);
        let on_purpose = matches!(asked.wish, Wish::Logout | Wish::Replace);
        if let Some((session, standing)) = newer.and_then(|ticket| self.session_of(ticket)) {
            let live = standing == Standing::Current && self.life(session) == Life::Lives;
            // A browser that got two sessions at once keeps one of them: nobody knew of the other.
            let its_own = match asked.arrival {
                Arrival::Live { session: own, .. } | Arrival::Late { session: own, .. } => {
                    own == session
                }
                Arrival::Fresh { .. } => false,
            };
            if live && !on_purpose {
                ensure(!its_own, JAR, || {
                    format!("response {request} replaces a newer cookie of a live session")
                })?;
                ensure(sent.is_some(), SIGNED_OUT, || {
                    format!(
                        "response {request} has its browser forget a newer cookie of a live session"
                    )
                })?;
            }
        }
        self.jars.insert(browser, sent);
        Ok(vec![self])
    }
}
