//! What was seen while a program ran: one event for each thing that happened, with when it began and when it ended.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use serde_json::Value as Json;

use crate::program::{Ending, Op};

/// Something that happened. It took effect at one moment between `start` and `end`, which count what happened so far.
#[derive(Debug, Clone)]
pub struct Event {
    pub start: usize,
    pub end: usize,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// The clock went on by so many seconds.
    Waited(u64),
    /// A handler asked for its session at this time, and got it.
    Opened { request: usize, browser: usize, cookie: Option<Rc<str>>, asked_at: u64, facts: Facts },
    /// An operation of a request, and what it gave.
    Did { request: usize, op: Op, did: Did, own: Own },
    /// The handler had answered at `start`, and the response was there at `end`.
    Ended { request: usize, ending: Ending, answer: Answer },
    /// The response arrived at its browser.
    Delivered { request: usize, browser: usize },
    /// The client went away; `end` is when nothing of the request was at work any more.
    Left { request: usize, committing: bool },
    /// What an owner's list said.
    Listed { owner: String, sessions: Vec<Owned> },
}

/// What a session says of itself without being looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub is_new: bool,
    pub was_expired: bool,
    pub owner: Option<String>,
    pub id: Option<String>,
    pub created: u64,
}

/// Whose session and which it was when a revocation was asked for; the arguments of that call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    pub owner: Option<String>,
    pub id: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    pub id: String,
    pub owner: Option<String>,
    pub entries: Vec<(String, Json)>,
}

/// What an operation gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    Unit,
    Flag(bool),
    Count(usize),
    Value(Option<Json>),
    Pair(Option<(String, Json)>),
    Keys(Vec<String>),
    /// Flash messages.
    Messages(Vec<u64>),
    /// A CSRF token, plain.
    Token(String),
    /// A handle's session is there, or is not.
    Stands(bool),
    Saw(Box<Saw>),
    /// An error of this kind.
    Failed(&'static str),
    /// There was nothing to do it with: no handle, no session to be revoked.
    Skipped,
}

/// All that can be seen of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Saw {
    pub entries: Vec<(String, Json)>,
    /// Idle limit, absolute limit, persistence.
    pub limits: Option<(u64, u64, bool)>,
    /// Which of all tokens that were seen so far it accepts.
    pub tokens: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `None` if there was no response but an error or a panic.
    pub status: Option<u16>,
    pub gone: bool,
    /// What `Session::is_gone` said at the end.
    pub knows_gone: bool,
    pub cookies: Vec<Sent>,
    pub body: String,
}

/// One `Set-Cookie` of the session's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// `None` if it removes the cookie.
    pub value: Option<Rc<str>>,
    pub max_age: Option<u64>,
}

impl fmt::Display for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "  {:>3}-{:<3} ", self.start, self.end)?;
        match &self.what {
            What::Waited(seconds) => write!(out, "{seconds} s pass"),
            What::Opened { request, browser, cookie, facts, .. } => write!(
                out,
                "request {request} of browser {browser} opened, cookie {}: {}{}owner {:?}, id {}",
                short(cookie.as_deref()),
                if facts.is_new { "new, " } else { "" },
                if facts.was_expired { "expired, " } else { "" },
                facts.owner,
                short(facts.id.as_deref()),
            ),
            What::Did { request, op, did, .. } => {
                write!(out, "request {request}: {op} gave {did:?}")
            }
            What::Ended { request, ending, answer } => {
                write!(out, "request {request} ended, {ending:?}: status {:?}", answer.status)?;
                write!(out, "{}", if answer.gone { ", Gone" } else { "" })?;
                for cookie in &answer.cookies {
                    write!(out, ", cookie {}", short(cookie.value.as_deref()))?;
                    write!(out, " for {:?}", cookie.max_age)?;
                }
                Ok(())
            }
            What::Delivered { request, browser } => {
                write!(out, "response {request} arrived at browser {browser}")
            }
            What::Left { request, committing } => {
                write!(out, "client of request {request} left")?;
                write!(out, "{}", if *committing { " during the commit" } else { "" })
            }
            What::Listed { owner, sessions } => {
                let ids: Vec<String> = sessions.iter().map(|one| short(Some(&one.id))).collect();
                write!(out, "sessions of {owner}: {}", ids.join(" "))
            }
        }
    }
}

/// Enough of a ticket or a cookie to tell it from others.
pub fn short(text: Option<&str>) -> String {
    match text {
        None => "none".into(),
        Some(text) if text.len() <= 80 => format!("{}..{}", &text[..4], &text[text.len() - 4..]),
        Some(text) => format!("{}..", &text[..10]),
    }
}
