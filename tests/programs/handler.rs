//! The handler of all requests: does the operations of its script, and notes what each one gave.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use cloakroom::session::{SessionHandle, Standing};
use cloakroom::{Error, Session, SessionLayer, StoredFactory, Value};
use http::{Request, Response, StatusCode};
use serde_json::Value as Json;

use crate::history::{Did, Event, Facts, Own, Saw, What};
use crate::paced::{Paced, gate};
use crate::program::{Ending, KEYS, OWNERS, Op, QUEUES, Script};
use crate::run::{START, limits};

/// A handler's way to say that it failed.
#[derive(Debug)]
pub struct Failed;

pub enum Rooms {
    Stored(StoredFactory<Paced>),
    Cookie(SessionLayer),
}

/// What handlers share with the test.
pub struct Notes {
    pub rooms: Rooms,
    /// Distinguishes the owners of this program from those of others in the same file.
    pub program: u64,
    pub count: Cell<usize>,
    pub now: Cell<u64>,
    pub events: RefCell<Vec<Event>>,
    pub handle: RefCell<Option<SessionHandle>>,
    /// The session that each browser was last seen with, and whose it was.
    pub seen: RefCell<BTreeMap<usize, (String, String)>>,
    pub tokens: RefCell<Vec<String>>,
    /// Each request's session, and when its handler had answered.
    pub requests: RefCell<BTreeMap<usize, (Session, Option<usize>)>>,
}

impl Notes {
    pub fn new(rooms: Rooms, program: u64) -> Self {
        Self {
            rooms,
            program,
            count: Cell::new(0),
            now: Cell::new(START),
            events: RefCell::default(),
            handle: RefCell::default(),
            seen: RefCell::default(),
            tokens: RefCell::default(),
            requests: RefCell::default(),
        }
    }

    pub fn tick(&self) -> usize {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    pub fn note(&self, start: usize, what: What) {
        let end = self.tick();
        self.events.borrow_mut().push(Event { start, end, what });
    }

    pub fn owner(&self, owner: usize) -> String {
        format!("{}-{}", OWNERS[owner], self.program)
    }
}

pub fn plain<'a>(entries: impl Iterator<Item = (&'a str, Value)>) -> Vec<(String, Json)> {
    entries.map(|(key, value)| (key.to_owned(), json(&value))).collect()
}

pub fn json(value: &Value) -> Json {
    serde_json::from_str(value.as_json()).unwrap()
}

pub async fn handle(
    head: Request<()>,
    request: usize,
    script: Rc<Script>,
    cookie: Option<Rc<str>>,
    notes: Rc<Notes>,
) -> Result<Response<String>, Failed> {
    gate().await;
    let (start, asked_at) = (notes.tick(), notes.now.get());
    let session = Session::of(&head).await.expect("a store that works opens every session");
    let facts = Facts {
        is_new: session.is_new(),
        was_expired: session.was_expired(),
        owner: session.owner().map(|owner| owner.to_string()),
        id: session.id(),
        created: session.created().as_secs() as u64,
    };
    if let (Some(id), Some(owner)) = (&facts.id, &facts.owner) {
        notes.seen.borrow_mut().insert(script.browser, (id.clone(), owner.clone()));
    }
    notes.requests.borrow_mut().insert(request, (session.clone(), None));
    notes.note(start, What::Opened { request, browser: script.browser, cookie, asked_at, facts });
    for op in &script.ops {
        gate().await;
        let start = notes.tick();
        let own = Own { owner: session.owner().map(|owner| owner.to_string()), id: session.id() };
        let own = match (op, notes.seen.borrow().get(&target(op))) {
            (Op::RevokeOne(_), Some((id, owner))) => {
                Own { owner: Some(owner.clone()), id: Some(id.clone()) }
            }
            (Op::RevokeAll(owner) | Op::SetOwner(owner), _) => {
                Own { owner: Some(notes.owner(*owner)), id: None }
            }
            _ => own,
        };
        let did = perform(&session, op, &own, &notes).await;
        let did = did.unwrap_or_else(|error| Did::Failed(error.kind()));
        notes.note(start, What::Did { request, op: *op, did, own });
    }
    gate().await;
    let done = notes.tick();
    notes.requests.borrow_mut().get_mut(&request).expect("was opened").1 = Some(done);
    let status = match script.ending {
        Ending::Status(status) => status,
        Ending::Head => 200,
        Ending::Fail => return Err(Failed),
        Ending::Panic => resume_unwind(Box::new("as scripted")),
    };
    let mut response = Response::new("a page".to_owned());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    Ok(response)
}

/// Whose session a revocation is about.
fn target(op: &Op) -> usize {
    match op {
        Op::RevokeOne(browser) => *browser,
        _ => usize::MAX,
    }
}

async fn perform(session: &Session, op: &Op, own: &Own, notes: &Notes) -> Result<Did, Error> {
    Ok(match *op {
        Op::Get(_)
        | Op::Has(_)
        | Op::Keys
        | Op::Insert(..)
        | Op::Remove(_)
        | Op::Take(_)
        | Op::PopItem
        | Op::Clear
        | Op::Extend(..)
        | Op::GetOrInsert(..)
        | Op::Modify(..)
        | Op::Changed => dictionary(session, op)?,
        Op::Flash(..) | Op::FlashUnique(..) | Op::PopFlash(_) | Op::PeekFlash(_) => {
            flash(session, op).await?
        }
        Op::Csrf => token(session.csrf_token()?.plain(), notes),
        Op::NewCsrf => token(session.new_csrf_token()?.plain(), notes),
        Op::Renew => unit(session.renew()?),
        Op::SetOwner(owner) => unit(session.set_owner(notes.owner(owner))?),
        Op::ForgetOwner => unit(session.forget_owner()?),
        Op::Invalidate => unit(session.invalidate()?),
        Op::SetLimits(lifetime) => unit(session.set_limits(lifetime.map(limits))?),
        Op::TakeHandle => {
            let handle = session.handle()?;
            notes.handle.replace(Some(handle));
            Did::Unit
        }
        Op::HandleInsert(..)
        | Op::HandleModify(..)
        | Op::HandleGet(_)
        | Op::HandleReload
        | Op::HandleCommit => with_handle(op, notes).await?,
        Op::RevokeOthers | Op::RevokeAll(_) | Op::RevokeOne(_) => {
            revoke(session, op, own, notes).await?
        }
        Op::Look => look(session, notes),
    })
}

fn unit((): ()) -> Did {
    Did::Unit
}

fn token(plain: &str, notes: &Notes) -> Did {
    let mut tokens = notes.tokens.borrow_mut();
    if !tokens.iter().any(|known| known == plain) {
        tokens.push(plain.to_owned());
    }
    Did::Token(plain.to_owned())
}

fn dictionary(session: &Session, op: &Op) -> Result<Did, Error> {
    Ok(match *op {
        Op::Get(key) => Did::Value(session.get(KEYS[key])?),
        Op::Has(key) => Did::Flag(session.contains_key(KEYS[key])),
        Op::Keys => Did::Keys(session.keys()),
        Op::Insert(key, value) => Did::Value(session.insert(KEYS[key], value)?.as_ref().map(json)),
        Op::Remove(key) => Did::Value(session.remove(KEYS[key])?.as_ref().map(json)),
        Op::Take(key) => Did::Value(session.take::<u64>(KEYS[key])?.map(Json::from)),
        Op::PopItem => Did::Pair(session.pop_item()?.map(|(key, value)| (key, json(&value)))),
        Op::Clear => unit(session.clear()?),
        Op::Extend(one, other) => unit(session.extend([(KEYS[0], one), (KEYS[2], other)])?),
        Op::GetOrInsert(key, value) => {
            Did::Value(Some(session.get_or_insert_with(KEYS[key], || value)?.into()))
        }
        Op::Modify(key, by) => Did::Value(Some(add(session, key, by)?)),
        _ => unit(session.changed()?),
    })
}

fn add(session: &Session, key: usize, by: u64) -> Result<Json, Error> {
    let sum = session.modify(KEYS[key], move |value: &mut u64| {
        *value += by;
        *value
    })?;
    Ok(sum.into())
}

async fn flash(session: &Session, op: &Op) -> Result<Did, Error> {
    Ok(match *op {
        Op::Flash(queue, message) => unit(session.flash_to(QUEUES[queue], message)?),
        Op::FlashUnique(queue, message) => Did::Flag(session.flash_unique(QUEUES[queue], message)?),
        Op::PopFlash(queue) => Did::Messages(session.pop_flash(QUEUES[queue]).await?),
        Op::PeekFlash(queue) => Did::Messages(session.peek_flash(QUEUES[queue])?),
        _ => unreachable!(),
    })
}

async fn with_handle(op: &Op, notes: &Notes) -> Result<Did, Error> {
    let Some(mut handle) = notes.handle.take() else { return Ok(Did::Skipped) };
    let did = match *op {
        Op::HandleInsert(key, value) => {
            handle.insert(KEYS[key], value).map(|old| Did::Value(old.as_ref().map(json)))
        }
        Op::HandleModify(key, by) => add(&handle, key, by).map(|sum| Did::Value(Some(sum))),
        Op::HandleGet(key) => handle.get(KEYS[key]).map(Did::Value),
        Op::HandleReload => handle.reload().await.map(|it| Did::Stands(it == Standing::Live)),
        _ => handle.commit().await.map(|it| Did::Stands(it == Standing::Live)),
    };
    notes.handle.replace(Some(handle));
    did
}

async fn revoke(session: &Session, op: &Op, own: &Own, notes: &Notes) -> Result<Did, Error> {
    let Rooms::Stored(factory) = &notes.rooms else { return Ok(Did::Skipped) };
    Ok(match (op, &own.owner, &own.id) {
        (Op::RevokeOthers, ..) => Did::Count(factory.revoke_others(session).await?),
        (Op::RevokeAll(_), Some(owner), _) => Did::Count(factory.revoke_all(owner).await?),
        (Op::RevokeOne(_), Some(owner), Some(id))
            if notes.seen.borrow().contains_key(&target(op)) =>
        {
            Did::Flag(factory.revoke(owner, id).await?)
        }
        _ => Did::Skipped,
    })
}

fn look(session: &Session, notes: &Notes) -> Did {
    let limits = session.limits().map(|limits| {
        let seconds = |span: Option<Duration>| span.map_or(u64::MAX, |span| span.as_secs());
        (seconds(limits.idle), seconds(limits.absolute), limits.persistent)
    });
    let tokens = notes.tokens.borrow();
    let tokens = tokens.iter().map(|token| (token.clone(), session.is_csrf_token(token)));
    Did::Saw(Box::new(Saw {
        entries: plain(session.entries().iter()),
        limits,
        tokens: tokens.collect(),
    }))
}
