//! Runs a program: polls its requests by hand, one step at a time, as its turns say, and writes down what is seen.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use cloakroom::factory::Overwrite;
use cloakroom::session::{Gone, Limits};
use cloakroom::testing::FakeClock;
use cloakroom::{Secret, SessionLayer, SignedCookieFactory, StoredFactory};
use http::{Method, Request, Response, header};
use tower::{Layer, Service, service_fn};

use crate::dice::Foretold;
use crate::handler::{Failed, Notes, Rooms, handle, plain};
use crate::history::{Answer, Event, Owned, Sent, What};
use crate::paced::{Care, Engine, Paced, has_stopped, is_working};
use crate::program::{
    Ending, GRACE, LEASE, Lifetime, OWNERS, Op, Place, Program, Script, Settings, Turn,
};

pub const START: u64 = 1_700_000_000;
const COOKIE: &str = "session";

type Answering = Pin<Box<dyn Future<Output = Result<Response<String>, Failed>>>>;

/// The rooms that all programs of a thread run in.
pub struct House {
    runtime: tokio::runtime::Runtime,
    sqlite: Option<(tempfile::TempDir, Engine)>,
    waker: Waker,
    programs: u64,
}

impl House {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        Self { runtime, sqlite: None, waker, programs: 0 }
    }

    /// What is seen when this program runs.
    pub fn run(&mut self, program: &Program, care: Care) -> Vec<Event> {
        self.programs += 1;
        let clock = FakeClock::at(START as f64);
        let rooms = self.rooms(&program.settings, &clock, program.seed, care);
        let notes = Rc::new(Notes::new(rooms, self.programs));
        let mut stage = Stage::new(self, program, clock, notes);
        stage.play();
        let notes = stage.notes.clone();
        drop(stage);
        let events = notes.events.take();
        drop(notes.handle.take());
        events
    }

    fn rooms(&mut self, settings: &Settings, clock: &FakeClock, seed: u64, care: Care) -> Rooms {
        let engine = match settings.place {
            Place::Cookie => {
                let factory = cookie_factory(settings, clock, seed);
                return Rooms::Cookie(SessionLayer::new(factory));
            }
            Place::Memory => Engine::Memory(
                cloakroom::store::MemoryStore::builder()
                    .capacity(1000)
                    .clock(clock.clone())
                    .build(),
            ),
            Place::Sqlite => self.sqlite.get_or_insert_with(sqlite).1.clone(),
        };
        let policy = if settings.refuse { Overwrite::Refuse } else { Overwrite::LastWins };
        let factory = StoredFactory::builder("shop", Paced::new(engine, care))
            .limits(limits(settings.lifetime))
            .renew_every(settings.renew_every.map(Duration::from_secs))
            .grace(Duration::from_secs(GRACE))
            .flash_lease(Duration::from_secs(LEASE))
            .keep_on_error(settings.keep_on_error)
            .on_overwrite(policy)
            .io_timeout(None)
            .cookie(cloakroom::cookie::CookieSettings::new(COOKIE))
            .insecure_plain_http()
            .clock(clock.clone())
            .random(Foretold::new(self.programs.wrapping_mul(0x5851_f42d_4c95_7f2d)))
            .build()
            .unwrap();
        Rooms::Stored(factory)
    }
}

/// One file for all programs: their tickets and owners differ.
fn sqlite() -> (tempfile::TempDir, Engine) {
    let folder = tempfile::tempdir().unwrap();
    let store = cloakroom::store::SqliteStore::options(folder.path().join("sessions.db"))
        .durability(cloakroom::store::Durability::Fast)
        .sweep_every(None)
        .open()
        .unwrap();
    (folder, Engine::Sqlite(store))
}

fn cookie_factory(settings: &Settings, clock: &FakeClock, seed: u64) -> SignedCookieFactory {
    SignedCookieFactory::builder(Secret::insecure("0123456789abcdefghijklmnopqrstuvwxyzABCD"))
        .timeout(Duration::from_secs(settings.lifetime.idle))
        .set_on_exception(settings.keep_on_error)
        .insecure_plain_http()
        .clock(clock.clone())
        .random(Foretold::new(seed))
        .build()
        .unwrap()
}

pub fn limits(lifetime: Lifetime) -> Limits {
    Limits {
        idle: Some(Duration::from_secs(lifetime.idle)),
        absolute: Some(Duration::from_secs(lifetime.absolute)),
        persistent: lifetime.persistent,
    }
}

/// Wakes the thread that runs the programs, when an engine on another thread has answered.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A request on its way.
struct OnTheWay {
    answering: Answering,
    steps: usize,
}

enum Progress {
    Moved,
    /// Waits for another request.
    Waits,
    Over,
}

struct Stage<'a> {
    house: &'a House,
    program: &'a Program,
    clock: FakeClock,
    notes: Rc<Notes>,
    /// Value and, if it is kept, until when.
    jars: Vec<Option<(Rc<str>, Option<u64>)>>,
    scripts: Vec<Script>,
    under_way: Vec<Option<OnTheWay>>,
    sent: Vec<bool>,
    /// Events of clients that left: their end is not known before nothing is at work any more.
    left: Vec<usize>,
    tickets: Vec<Rc<str>>,
}

impl<'a> Stage<'a> {
    fn new(house: &'a House, program: &'a Program, clock: FakeClock, notes: Rc<Notes>) -> Self {
        Self {
            house,
            program,
            clock,
            notes,
            jars: vec![None; 2],
            scripts: program.requests.clone(),
            under_way: program.requests.iter().map(|_| None).collect(),
            sent: vec![false; program.requests.len()],
            left: Vec::new(),
            tickets: Vec::new(),
        }
    }

    fn play(&mut self) {
        for turn in &self.program.turns {
            match *turn {
                Turn::Step(request) => drop(self.step(request)),
                Turn::Run(request) => self.run(request),
                Turn::Wait(seconds) => self.wait(seconds),
                Turn::Background => self.background(),
                Turn::Quiet => self.quiet(),
            }
        }
        self.finish();
        self.look_around();
    }

    /// Sends the request, or has it go on to its next gate.
    fn step(&mut self, request: usize) -> Progress {
        if !self.sent[request] {
            self.send(request);
            return Progress::Moved;
        }
        let Some(mut on_the_way) = self.under_way[request].take() else { return Progress::Over };
        on_the_way.steps += 1;
        if self.scripts[request].leaves_after.is_some_and(|steps| on_the_way.steps > steps) {
            self.leave(request, on_the_way);
            return Progress::Over;
        }
        let _tokio = self.house.runtime.enter();
        loop {
            let mut context = Context::from_waker(&self.house.waker);
            let polled =
                catch_unwind(AssertUnwindSafe(|| on_the_way.answering.as_mut().poll(&mut context)));
            match polled {
                Ok(Poll::Ready(answer)) => {
                    drop(on_the_way);
                    self.answered(request, answer.ok());
                    return Progress::Over;
                }
                Err(panic) if panic.downcast_ref() == Some(&"as scripted") => {
                    drop(on_the_way);
                    self.answered(request, None);
                    return Progress::Over;
                }
                Err(panic) => resume_unwind(panic),
                Ok(Poll::Pending) if is_working() => {
                    std::thread::park_timeout(Duration::from_millis(1));
                }
                Ok(Poll::Pending) => {
                    let moved = has_stopped();
                    self.under_way[request] = Some(on_the_way);
                    return if moved { Progress::Moved } else { Progress::Waits };
                }
            }
        }
    }

    fn run(&mut self, request: usize) {
        while matches!(self.step(request), Progress::Moved) {}
    }

    fn send(&mut self, request: usize) {
        self.sent[request] = true;
        let script = Rc::new(self.scripts[request].clone());
        let cookie = self.cookie(script.browser);
        self.send_with(request, script, cookie);
    }

    fn cookie(&self, browser: usize) -> Option<Rc<str>> {
        let (value, until) = self.jars[browser].as_ref()?;
        until.is_none_or(|until| until > self.notes.now.get()).then(|| value.clone())
    }

    fn send_with(&mut self, request: usize, script: Rc<Script>, cookie: Option<Rc<str>>) {
        let mut head = Request::new(());
        if script.ending == Ending::Head {
            *head.method_mut() = Method::HEAD;
        }
        if let Some(cookie) = &cookie {
            let value = format!("{COOKIE}={cookie}").parse().unwrap();
            head.headers_mut().insert(header::COOKIE, value);
        }
        let notes = self.notes.clone();
        let handler = service_fn(move |head: Request<()>| {
            handle(head, request, script.clone(), cookie.clone(), notes.clone())
        });
        let answering: Answering = match &self.notes.rooms {
            Rooms::Stored(factory) => {
                let mut service = SessionLayer::new(factory.clone()).layer(handler);
                Box::pin(service.call(head))
            }
            Rooms::Cookie(layer) => {
                let mut service = layer.layer(handler);
                Box::pin(service.call(head))
            }
        };
        self.under_way[request] = Some(OnTheWay { answering, steps: 0 });
    }

    /// The client goes away.
    fn leave(&mut self, request: usize, on_the_way: OnTheWay) {
        let start = self.notes.tick();
        {
            let _tokio = self.house.runtime.enter();
            drop(on_the_way);
        }
        let opened =
            self.notes.requests.borrow_mut().remove(&request).map(|(_, done)| done.is_some());
        if let Some(committing) = opened {
            self.left.push(self.notes.events.borrow().len());
            self.notes.note(start, What::Left { request, committing });
        }
    }

    fn answered(&mut self, request: usize, response: Option<Response<String>>) {
        // Out of the notes: while somebody has the session, it may be that its handles wait for it.
        let noted = self.notes.requests.borrow_mut().remove(&request);
        let Some((session, start)) = noted.map(|(session, start)| (session, start.unwrap())) else {
            return;
        };
        let script = &self.scripts[request];
        let (browser, ending) = (script.browser, script.ending);
        let answer = Answer {
            status: response.as_ref().map(|response| response.status().as_u16()),
            gone: response.as_ref().is_some_and(|it| it.extensions().get::<Gone>().is_some()),
            knows_gone: session.is_gone(),
            cookies: response.as_ref().map(cookies).unwrap_or_default(),
            body: response.map(Response::into_body).unwrap_or_default(),
        };
        for cookie in &answer.cookies {
            let until = cookie.max_age.map(|seconds| self.notes.now.get() + seconds);
            self.jars[browser] = cookie.value.clone().map(|value| (value, until));
            self.tickets.extend(cookie.value.clone().filter(|it| !self.tickets.contains(it)));
        }
        let left_work = answer.status.is_none();
        if left_work {
            self.left.push(self.notes.events.borrow().len());
        }
        self.notes.note(start, What::Ended { request, ending, answer });
        if !left_work {
            let now = self.notes.tick();
            self.notes.note(now, What::Delivered { request, browser });
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.notes.now.set(self.notes.now.get() + seconds);
        self.clock.advance(Duration::from_secs(seconds));
        let now = self.notes.tick();
        self.notes.note(now, What::Waited(seconds));
    }

    /// Tasks that dropped requests left behind go on to their next gate.
    fn background(&mut self) {
        loop {
            self.house.runtime.block_on(tokio::task::yield_now());
            has_stopped();
            if !is_working() {
                break;
            }
            std::thread::park_timeout(Duration::from_micros(20));
        }
        if self.house.runtime.metrics().num_alive_tasks() == 0 {
            self.all_quiet();
        }
    }

    fn quiet(&mut self) {
        self.background();
        while self.house.runtime.metrics().num_alive_tasks() > 0 {
            self.background();
        }
    }

    /// Nothing of the requests whose clients left is at work any more.
    fn all_quiet(&mut self) {
        for index in self.left.drain(..) {
            let end = self.notes.tick();
            self.notes.events.borrow_mut()[index].end = end;
        }
    }

    /// Brings everything to its end.
    fn finish(&mut self) {
        for _ in 0..1000 {
            for request in 0..self.sent.len() {
                self.run(request);
            }
            self.background();
            let at_work = self.under_way.iter().any(Option::is_some);
            if !at_work && self.house.runtime.metrics().num_alive_tasks() == 0 {
                return;
            }
        }
        panic!("requests wait for each other for ever, or a task never ends");
    }

    /// What everybody's cookies lead to, all former tickets, and the lists of owners.
    fn look_around(&mut self) {
        let jars: Vec<_> = (0..self.jars.len()).map(|browser| self.cookie(browser)).collect();
        for (browser, cookie) in jars.iter().enumerate() {
            self.look(browser, cookie.clone());
        }
        for ticket in self.tickets.clone() {
            if !jars.contains(&Some(ticket.clone())) {
                // Nobody's browser: 9 has no jar that anything could be put into.
                self.look(9, Some(ticket));
            }
        }
        let Rooms::Stored(factory) = &self.notes.rooms else { return };
        for owner in 0..OWNERS.len() {
            let owner = self.notes.owner(owner);
            let start = self.notes.tick();
            let sessions = self.house.runtime.block_on(factory.sessions_of(&owner)).unwrap();
            has_stopped();
            let sessions = sessions
                .into_iter()
                .map(|one| Owned {
                    id: one.id,
                    owner: one.owner.map(|owner| owner.to_string()),
                    entries: plain(one.entries.iter()),
                })
                .collect();
            self.notes.note(start, What::Listed { owner, sessions });
        }
    }

    fn look(&mut self, browser: usize, cookie: Option<Rc<str>>) {
        let request = self.sent.len();
        let script = Script {
            browser,
            ops: vec![Op::Look],
            ending: Ending::Status(200),
            leaves_after: None,
        };
        self.jars.resize(self.jars.len().max(browser + 1), None);
        self.scripts.push(script.clone());
        self.under_way.push(None);
        self.sent.push(true);
        self.send_with(request, Rc::new(script), cookie);
        self.run(request);
    }
}

fn cookies(response: &Response<String>) -> Vec<Sent> {
    let all = response.headers().get_all(header::SET_COOKIE).iter();
    all.filter_map(|line| {
        let mut parts = line.to_str().unwrap().split(';').map(str::trim);
        let value = parts.next()?.strip_prefix(COOKIE)?.strip_prefix('=')?;
        let max_age = parts.find_map(|part| part.strip_prefix("Max-Age=")?.parse().ok());
        let removed = value.is_empty() || max_age == Some(0);
        Some(Sent { value: (!removed).then(|| value.into()), max_age })
    })
    .collect()
}
