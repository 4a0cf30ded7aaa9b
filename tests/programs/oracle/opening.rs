//! A request asks for its session: what its cookie may lead to.

use std::rc::Rc;

use super::dict::Dict;
use super::state::{Arrival, Asked, BY_AGE, Life, SHORTLY, Standing, State, Wish};
use super::{Breach, Outcome, ensure};
use crate::history::Facts;
use crate::program::GRACE;

const ENDED: &str = "S64: What was ended stays ended: a slower request revives nothing, sends no cookie, and the \
                     application sees it.";
const AGED: &str = "S22: Idle and absolute limits are both on, hold to the second, and are judged by the library \
                    whatever the store does.";
const DEAD: &str =
    "S19: A renewal or a change of owner makes a new ticket, and the old one is dead at once.";
const LOST: &str = "no session dies before its idle or absolute limit; a live ticket opens its session (R12: What one \
                    request stores, the client's next request reads)";
const WHOSE: &str = "a login and its cookie are one thing; R1: A session belongs to one client";
const NEW: &str = "R15: A session is new when no usable cookie came; an expired one is new too and says that it expired.";

/// What a ticket may lead to.
struct Ways {
    session: Option<usize>,
    live: bool,
    fresh: bool,
    late: bool,
    expired: bool,
    /// What is broken if it opens its session all the same.
    shut: &'static str,
}

impl State {
    pub fn opened(
        self,
        request: usize,
        browser: usize,
        cookie: Option<Rc<str>>,
        asked_at: u64,
        facts: &Facts,
    ) -> Outcome {
        let ways = self.ways(cookie.as_deref());
        let mut next = Vec::new();
        let whose = ways.session.map(|index| &self.sessions[index]);
        if !facts.is_new && !ways.live && !ways.late {
            let why = whose.map_or("there never was one", |kept| kept.ended.unwrap_or("not ended"));
            return Err(Breach::new(
                ways.shut,
                format!("request {request} opened a session ({why})"),
            ));
        }
        if facts.is_new && !ways.fresh && !ways.late {
            return Err(Breach::new(LOST, format!("request {request} found no session")));
        }
        if !facts.is_new && ways.live {
            let asked =
                Asked::new(browser, cookie.clone(), Arrival::Fresh { expired: false }, asked_at);
            next.push(self.clone().opened_live(request, asked, facts, &ways)?);
        }
        if let (true, true, Some(session)) = (ways.late, facts.is_new, ways.session) {
            ensure(facts.owner.is_none() && facts.id.is_none(), DEAD, || {
                format!(
                    "request {request} is {:?}'s by a ticket from before the login",
                    facts.owner
                )
            })?;
            let arrival = Arrival::Late { session };
            let asked = Asked::new(browser, cookie.clone(), arrival, asked_at);
            next.push(self.clone().with(asked, request));
        }
        if facts.is_new && ways.fresh {
            ensure(facts.owner.is_none() && facts.id.is_none(), NEW, || {
                format!("request {request} is new, and of {:?}", facts.owner)
            })?;
            ensure(!facts.was_expired || ways.expired, NEW, || {
                format!("request {request} is said to have come with an expired session")
            })?;
            let mut state = self;
            if let (Some(session), true) = (ways.session, ways.live) {
                state.sessions[session].ended = Some(BY_AGE);
            }
            let arrival = Arrival::Fresh { expired: ways.expired };
            ensure(facts.created == asked_at, NEW, || {
                format!("request {request} began at {}, and not at {asked_at}", facts.created)
            })?;
            next.push(state.with(Asked::new(browser, cookie, arrival, asked_at), request));
        }
        Ok(next)
    }

    fn ways(&self, cookie: Option<&str>) -> Ways {
        let mut ways = Ways {
            session: None,
            live: false,
            fresh: true,
            late: false,
            expired: false,
            shut: ENDED,
        };
        let Some((index, standing)) = cookie.and_then(|cookie| self.session_of(cookie)) else {
            return ways;
        };
        ways.session = Some(index);
        let (life, by_age) = (self.life(index), self.sessions[index].ended);
        ways.expired = self.sessions[index].life_by_age(&self.settings, self.now) != Life::Lives;
        if life == Life::Over {
            ways.shut = if by_age.is_none_or(|why| why == BY_AGE) { AGED } else { ENDED };
            ways.late = by_age.is_none() && self.is_shortly_after(index, standing).1;
            return ways;
        }
        ways.shut = DEAD;
        match standing {
            Standing::Current => (ways.live, ways.fresh) = (true, life == Life::Perhaps),
            Standing::Grace(from, _) if self.now < from + GRACE => {
                (ways.live, ways.fresh) = (true, life == Life::Perhaps);
            }
            Standing::Grace(..) | Standing::Before(..) => {
                let (surely, perhaps) = self.is_shortly_after(index, standing);
                (ways.late, ways.fresh) = (perhaps, !surely || life == Life::Perhaps);
                ways.live = matches!(standing, Standing::Grace(_, to) if self.now <= to + GRACE);
            }
        }
        ways
    }

    /// Whether this ticket was retired a moment ago: certainly, and perhaps. What keeps it late for longer is that the
    /// ticket after it is exchanged, too.
    fn is_shortly_after(&self, session: usize, standing: Standing) -> (bool, bool) {
        let is_short = |since: u64| self.now - since < SHORTLY;
        match standing {
            Standing::Current => (false, false),
            Standing::Grace(from, to) | Standing::Before(from, to) => {
                let exchanged = self.sessions[session].ticket_made.1;
                (is_short(from), is_short(to) || is_short(exchanged))
            }
        }
    }

    fn opened_live(
        mut self,
        request: usize,
        mut asked: Asked,
        facts: &Facts,
        ways: &Ways,
    ) -> Result<Self, Breach> {
        let session = ways.session.expect("there is one");
        let kept = &mut self.sessions[session];
        ensure(facts.owner == kept.owner, WHOSE, || {
            format!("request {request} is of {:?} in a session of {:?}", facts.owner, kept.owner)
        })?;
        ensure(facts.id.is_some() && (kept.id.is_none() || kept.id == facts.id), WHOSE, || {
            format!("request {request} opened {:?} and not {:?}", facts.id, kept.id)
        })?;
        kept.id = facts.id.clone();
        let created = kept.created;
        ensure(facts.created == created, "S24: No use of a session moves its beginning", || {
            format!("request {request}: it began at {}, not at {created}", facts.created)
        })?;
        // It has not expired, so what was perhaps has been.
        let limits = kept.lifetime(&self.settings);
        let used = asked.opened_at.saturating_sub(limits.idle);
        kept.used.0 = kept.used.0.max(used.min(kept.used.1));
        asked.arrival = Arrival::Live { session, epoch: kept.epoch };
        asked.base = kept.dict.clone();
        asked.view = kept.dict.clone();
        asked.unsure_order = kept.unsure_order;
        asked.owner = kept.owner.clone();
        asked.left = kept.left.clone();
        asked.csrf = kept.csrf.clone();
        asked.csrf_count = kept.csrf_count;
        Ok(self.with(asked, request))
    }

    fn with(mut self, asked: Asked, request: usize) -> Self {
        self.requests.insert(request, asked);
        self
    }
}

impl Asked {
    pub fn new(browser: usize, cookie: Option<Rc<str>>, arrival: Arrival, now: u64) -> Self {
        Self {
            browser,
            cookie,
            arrival,
            opened_at: now,
            base: Dict::default(),
            view: Dict::default(),
            unsure_order: false,
            changes: Vec::new(),
            wish: Wish::Keep,
            owner: None,
            left: None,
            owner_set: false,
            switched: false,
            undelivered: false,
            limits: None,
            looked: false,
            handed: false,
            forced: false,
            csrf: None,
            csrf_count: 0,
            csrf_new: false,
            csrf_made: false,
            own: Vec::new(),
            read: Vec::new(),
            perhaps_read: Vec::new(),
            popped: false,
            over: false,
            sent: None,
            gone: false,
        }
    }
}
