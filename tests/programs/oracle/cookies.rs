//! Sessions in signed cookies: whoever sends one gets what it holds, and nothing is shared. So each request is judged
//! on its own, by the cookie it came with.

use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value as Json;

use super::dict::{Change, Dict, is_reserved, queue_key};
use super::operating::ONCE;
use super::state::{Arrival, Asked};
use super::{Breach, ensure};
use crate::history::{Answer, Did, Event, Facts, Sent, What};
use crate::program::{Ending, Op, Program, Settings};
use crate::run::START;

const TOKEN_KEY: &str = "_csrft_";
const TIMEOUT: &str = "R62: A session expires when more than the timeout has passed since its last renewal; at exactly the \
                       timeout it lives. R64, R66: A write renews the cookie always; the time of renewal stays only \
                       after `changed` alone";
const CREATED: &str = "R14: The time of creation stays through renewals, clear and invalidate";
const HOLDS: &str = "R12: What one request stores, the client's next request reads";
const TOKEN: &str = "R39, R41, S51: the token is the same as long as it stands; a new one, a renewal or the session's end \
                     replaces it";
const SHOWN: &str =
    "In a session that lives in a cookie a message is shown at least once and never lost";
const SENDS: &str = "A response carries a cookie when a method that writes was called, or when the session was looked at and \
                     its cookie is older than the reissue time. A new session that nothing was put into gets none";
const DROPS: &str = "set_on_exception: Whether the session is kept when the handler answered 5xx; a logout always is";
const NOTHING: &str = "the signed cookie has no owners, no limits and no handles: a typed error, and nothing is changed";

/// What a cookie holds.
#[derive(Debug, Clone)]
struct Bag {
    dict: Dict,
    token: Token,
    created: (u64, u64),
    renewed: (u64, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Absent,
    Is(String),
    /// Another one than before, or none yet.
    Another(String),
    /// There may be one.
    Unknown,
}

/// A request and the cookie it came with.
struct Visit {
    asked: Asked,
    bag: Option<Bag>,
    expired: bool,
    token: Token,
    /// A method that writes was called; one beside `changed`, too.
    wrote: bool,
    wrote_more: bool,
    /// What was written may have made no difference.
    perhaps_wrote: bool,
    invalidated: bool,
}

pub fn judge(program: &Program, events: &[Event]) -> Result<(), Breach> {
    let mut oracle = Oracle {
        settings: program.settings,
        now: START,
        bags: HashMap::new(),
        visits: HashMap::new(),
    };
    events.iter().try_for_each(|event| oracle.sees(&event.what))
}

struct Oracle {
    settings: Settings,
    now: u64,
    bags: HashMap<Rc<str>, Bag>,
    visits: HashMap<usize, Visit>,
}

impl Oracle {
    fn sees(&mut self, what: &What) -> Result<(), Breach> {
        match what {
            What::Waited(seconds) => self.now += seconds,
            What::Opened { request, browser, cookie, facts, .. } => {
                self.opened(*request, *browser, cookie.clone(), facts)?;
            }
            What::Did { request, op, did, .. } => {
                self.visits.get_mut(request).expect("was opened").did(*op, did)?;
            }
            What::Ended { request, ending, answer } => self.ended(*request, *ending, answer)?,
            What::Delivered { .. } | What::Left { .. } | What::Listed { .. } => {}
        }
        Ok(())
    }

    fn opened(
        &mut self,
        request: usize,
        browser: usize,
        cookie: Option<Rc<str>>,
        facts: &Facts,
    ) -> Result<(), Breach> {
        let (now, timeout) = (self.now, self.settings.lifetime.idle);
        let bag = cookie.as_ref().and_then(|cookie| self.bags.get_mut(cookie));
        let (surely, perhaps) = match &bag {
            Some(bag) => (now <= bag.renewed.0 + timeout, now <= bag.renewed.1 + timeout),
            None => (false, false),
        };
        ensure(if facts.is_new { !surely } else { perhaps }, TIMEOUT, || {
            format!("request {request} is new: {}, lives: {surely} or {perhaps}", facts.is_new)
        })?;
        let expired = facts.is_new && bag.is_some();
        ensure(
            facts.was_expired == expired,
            "R15: an expired one is new too and says that it expired",
            || format!("request {request}: expired {}", facts.was_expired),
        )?;
        if let Some(bag) = bag {
            let created = bag.created;
            ensure((created.0..=created.1).contains(&facts.created), CREATED, || {
                format!("request {request}: {} and not {created:?}", facts.created)
            })?;
            bag.created = (facts.created, facts.created);
        }
        let bag = cookie.as_ref().and_then(|cookie| self.bags.get(cookie)).cloned();
        let mut asked = Asked::new(browser, cookie, Arrival::Fresh { expired }, now);
        let mut token = Token::Absent;
        if let Some(bag) = bag.as_ref().filter(|_| !expired) {
            (asked.base, asked.view) = (bag.dict.clone(), bag.dict.clone());
            asked.unsure_order = true;
            token = bag.token.clone();
        }
        let visit = Visit {
            asked,
            bag,
            expired,
            token,
            wrote: false,
            wrote_more: false,
            perhaps_wrote: false,
            invalidated: false,
        };
        self.visits.insert(request, visit);
        Ok(())
    }

    fn ended(&mut self, request: usize, ending: Ending, answer: &Answer) -> Result<(), Breach> {
        let visit = self.visits.remove(&request).expect("was opened");
        let status = match ending {
            Ending::Status(status) => Some(status),
            Ending::Head => Some(200),
            Ending::Panic | Ending::Fail => None,
        };
        ensure(answer.status == status && !answer.gone, SENDS, || {
            format!("request {request}: {:?}, gone {}: {}", answer.status, answer.gone, answer.body)
        })?;
        ensure(
            answer.cookies.len() <= 1,
            "S14: A response carries at most one cookie of the session's",
            || format!("{} cookies", answer.cookies.len()),
        )?;
        let Some(status) = answer.status else { return Ok(()) };
        let kept = status != 500 || self.settings.keep_on_error;
        let seen = matches!(ending, Ending::Status(200 | 404));
        let sent = answer.cookies.first();
        if !kept && !visit.invalidated {
            return ensure(sent.is_none(), DROPS, || format!("request {request} sends a cookie"));
        }
        visit.sends(request, sent, self.now, &self.settings, kept)?;
        if let Some(Sent { value: Some(text), .. }) = sent {
            let bag = visit.leaves(seen, self.now, kept);
            self.bags.entry(text.clone()).or_insert(bag);
        }
        Ok(())
    }
}

impl Visit {
    fn did(&mut self, op: Op, did: &Did) -> Result<(), Breach> {
        match op {
            Op::SetOwner(_) | Op::ForgetOwner | Op::SetLimits(_) | Op::TakeHandle => {
                return ensure(*did == Did::Failed("not_supported"), NOTHING, || {
                    format!("{op} gave {did:?}")
                });
            }
            Op::HandleInsert(..)
            | Op::HandleModify(..)
            | Op::HandleGet(_)
            | Op::HandleReload
            | Op::HandleCommit
            | Op::RevokeOthers
            | Op::RevokeAll(_)
            | Op::RevokeOne(_) => return Ok(()),
            Op::Csrf | Op::NewCsrf => return self.token(op == Op::NewCsrf, did),
            Op::Renew => {
                self.writes(true);
                self.token = match std::mem::replace(&mut self.token, Token::Unknown) {
                    Token::Is(old) | Token::Another(old) => Token::Another(old),
                    Token::Absent | Token::Unknown => Token::Unknown,
                };
                return ensure(*did == Did::Unit, NOTHING, || format!("renew gave {did:?}"));
            }
            Op::Invalidate => {
                self.writes(true);
                self.asked.empty();
                self.invalidated = true;
                self.token = self.token.without();
                return ensure(*did == Did::Unit, NOTHING, || format!("invalidate gave {did:?}"));
            }
            Op::PopFlash(queue) => return self.popped(queue_key(queue), did),
            Op::Look => return self.looked(did),
            Op::Changed => self.writes(false),
            Op::Get(_) | Op::Has(_) | Op::Keys | Op::PeekFlash(_) => self.asked.looked = true,
            _ => self.writes(true),
        }
        if op == Op::Clear {
            // What was taken is gone with it, whoever saw it.
            self.asked.changes.push(Change::Clear);
            self.token = self.token.without();
        }
        if matches!(did, Did::Pair(Some((key, _))) if key == TOKEN_KEY) {
            self.token = self.token.without();
            return Ok(());
        }
        let done = self.asked.dictionary(op, &without_token(did), true);
        done.map_err(|it| if it.promise == ONCE { Breach { promise: SHOWN, ..it } } else { it })
    }

    fn writes(&mut self, more: bool) {
        self.wrote = true;
        self.wrote_more |= more;
        self.asked.looked |= more;
    }

    fn token(&mut self, new: bool, did: &Did) -> Result<(), Breach> {
        let Did::Token(text) = did else {
            return Err(Breach::new(TOKEN, format!("asking for a token gave {did:?}")));
        };
        let stands = match &self.token {
            Token::Is(old) => (text == old) != new,
            Token::Another(old) => text != old,
            Token::Absent | Token::Unknown => true,
        };
        ensure(stands, TOKEN, || format!("{text} where {:?} stood", self.token))?;
        match self.token {
            Token::Is(_) if !new => self.asked.looked = true,
            Token::Another(_) | Token::Unknown if !new => {
                (self.perhaps_wrote, self.asked.looked) = (true, true);
            }
            _ => self.writes(true),
        }
        self.token = Token::Is(text.clone());
        Ok(())
    }

    fn popped(&mut self, key: &'static str, did: &Did) -> Result<(), Breach> {
        let waiting = self.asked.view.messages(key);
        ensure(*did == Did::Messages(waiting.clone()), SHOWN, || {
            format!("pop gave {did:?} and not {waiting:?}")
        })?;
        self.asked.looked = true;
        if !waiting.is_empty() {
            self.writes(true);
            self.asked.view.remove(key);
            self.asked.changes.extend(waiting.into_iter().map(|it| Change::Take(key, it)));
        }
        Ok(())
    }

    fn looked(&mut self, did: &Did) -> Result<(), Breach> {
        self.asked.looked = true;
        let Did::Saw(saw) = did else {
            return Err(Breach::new(HOLDS, format!("looking gave {did:?}")));
        };
        let mut entries: Vec<(String, Json)> = saw.entries.clone();
        entries.retain(|(key, _)| key != TOKEN_KEY);
        let same = self.asked.view.looks_like(&entries, true);
        let (mut ordinary, mut mine) = (entries.clone(), self.asked.view.clone());
        ordinary.retain(|(key, _)| !is_reserved(key));
        mine.0.retain(|(key, _)| !is_reserved(key));
        let promise = if mine.looks_like(&ordinary, true) { SHOWN } else { HOLDS };
        ensure(same, promise, || format!("{entries:?} is there and not {:?}", self.asked.view.0))?;
        for (token, accepted) in &saw.tokens {
            let right = match &self.token {
                Token::Absent => !accepted,
                Token::Is(own) => *accepted == (token == own),
                Token::Another(old) => !accepted || token != old,
                Token::Unknown => true,
            };
            ensure(right, TOKEN, || format!("{token} accepted: {accepted}, and {:?}", self.token))?;
        }
        Ok(())
    }

    /// Which cookie may go out.
    fn sends(
        &self,
        request: usize,
        sent: Option<&Sent>,
        now: u64,
        settings: &Settings,
        kept: bool,
    ) -> Result<(), Breach> {
        let content = !self.asked.view.0.is_empty()
            || self.token != Token::Absent
            || !self.asked.left(false).0.is_empty();
        let had_one = self.bag.is_some();
        if self.invalidated && (!content || !kept) {
            return ensure(
                sent.is_some() || !had_one,
                "S26: the browser is told to forget its cookie",
                || format!("request {request} logged out, and sends nothing"),
            );
        }
        let opened = self.asked.opened_at;
        let age = self.bag.as_ref().map(|bag| {
            let age = |renewed: u64| opened.saturating_sub(renewed);
            (age(bag.renewed.1), now.saturating_sub(bag.renewed.0))
        });
        let reissue = settings.lifetime.idle / 10;
        let due = age.is_some_and(|age| age.0 > reissue) && self.asked.looked;
        let perhaps_due = age.is_some_and(|age| age.1 > reissue) && self.asked.looked;
        let surely_content = !self.asked.view.0.is_empty() || matches!(self.token, Token::Is(_));
        let alive = had_one && !self.expired;
        let must = (self.wrote && (alive || surely_content)) || (due && alive);
        let may = self.wrote || self.perhaps_wrote || perhaps_due || self.expired;
        ensure(if sent.is_some() { may } else { !must }, SENDS, || {
            format!("request {request}: cookie {}, must {must}, may {may}", sent.is_some())
        })
    }

    /// What the cookie that went out has to hold.
    fn leaves(&self, seen: bool, now: u64, kept: bool) -> Bag {
        let mut dict = self.asked.left(seen);
        let (mut token, opened) = (self.token.clone(), self.asked.opened_at);
        if !kept {
            (dict, token) = (Dict::default(), self.token.without());
        }
        let created = self.bag.as_ref().map_or((opened, now), |bag| bag.created);
        let only_changed =
            self.wrote && !self.wrote_more && !self.asked.looked && !self.perhaps_wrote;
        let renewed = match &self.bag {
            Some(bag) if only_changed => (bag.renewed.0, now),
            _ => (opened, now),
        };
        Bag { dict, token, created, renewed }
    }
}

impl Token {
    /// What is left where there is none any more.
    fn without(&self) -> Self {
        match self {
            Self::Is(old) | Self::Another(old) => Self::Another(old.clone()),
            Self::Absent | Self::Unknown => Self::Absent,
        }
    }
}

/// The same without the key of the token, whose place is nobody's business.
fn without_token(did: &Did) -> Did {
    match did {
        Did::Keys(keys) => {
            Did::Keys(keys.iter().filter(|key| *key != TOKEN_KEY).cloned().collect())
        }
        other => other.clone(),
    }
}
