//! The world of a run: a site, a browser with a session, another device of the same owner, and a clock.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::random::Random;
use cloakroom::session::Limits;
use cloakroom::store::{MemoryStore, Record, Store, StoreKey};
use cloakroom::testing::FakeClock;
use cloakroom::time::Clock;
use cloakroom::{Entries, Error, Session, SessionLayer, StoredFactory, Timestamp};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use crate::operation::{Ending, Op};
use crate::run::{Fault, Run};
use crate::store::{Flaw, Scheduled};

pub const ADA: &str = "ada";
pub const BOB: &str = "bob";

/// How long a session lives unused. A touch is due after a tenth of it, which is less than the grace of a ticket that
/// was renewed periodically and the lease of a flash message (30 s), so that the clock can pass it alone.
pub const IDLE: Duration = Duration::from_secs(200);
const TOUCH_AFTER: Duration = Duration::from_secs(20);
const RENEW_EVERY: Duration = Duration::from_secs(60);
/// How long who comes with a ticket that was replaced is told so.
pub const GRACE: Duration = Duration::from_secs(30);
/// How long messages that were taken wait for their response.
const LEASE: Duration = Duration::from_secs(30);
/// Longer than a grace and a lease.
pub const LATER: Duration = Duration::from_secs(31);
const SECOND: Duration = Duration::from_secs(1);

/// By how much the clock moves in one step, at some moment of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    None,
    PastTouch,
    PastIdle,
}

impl Move {
    pub fn span(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::PastTouch => Some(TOUCH_AFTER + SECOND),
            Self::PastIdle => Some(IDLE + SECOND),
        }
    }
}

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub ops: [Op; 2],
    pub endings: [Ending; 2],
    pub persistent: bool,
    pub clock: Move,
    pub fault: Option<Fault>,
    pub flaw: Flaw,
}

impl Case {
    pub const fn of(first: Op, second: Op) -> Self {
        Self {
            ops: [first, second],
            endings: [Ending::OK; 2],
            persistent: false,
            clock: Move::None,
            fault: None,
            flaw: Flaw::None,
        }
    }

    pub fn has(&self, op: Op) -> bool {
        self.ops.contains(&op)
    }

    /// Who is signed in before the run.
    pub fn owner(&self) -> Option<&'static str> {
        (!self.has(Op::SignInFirst)).then_some(ADA)
    }

    /// Whether nothing goes wrong in it.
    pub fn is_plain(&self) -> bool {
        self.endings == [Ending::OK; 2] && self.clock == Move::None && self.fault.is_none()
    }
}

/// Bytes that differ each time, and are the same in each run.
struct Counted(Mutex<u64>);

impl Random for Counted {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        for part in buffer.chunks_mut(8) {
            let mut state = self.0.lock().unwrap();
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            // splitmix64
            let mut bits = *state;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            part.copy_from_slice(&(bits ^ (bits >> 31)).to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

/// What a response does to the browser's cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    Nothing,
    Removed,
    Ticket { cookie: String, max_age: Option<i64> },
}

impl Sent {
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(line) = headers.get(SET_COOKIE) else { return Self::Nothing };
        let line = line.to_str().unwrap();
        let cookie = line.split(';').next().unwrap().to_owned();
        let max_age = line.split(';').find_map(|part| part.trim().strip_prefix("Max-Age="));
        let max_age = max_age.map(|seconds| seconds.parse().unwrap());
        if max_age == Some(0) { Self::Removed } else { Self::Ticket { cookie, max_age } }
    }

    pub fn ticket(&self) -> Option<&str> {
        match self {
            Self::Ticket { cookie, .. } => Some(cookie),
            _ => None,
        }
    }
}

/// The browser's cookie: as the last response that came left it.
#[derive(Debug, Clone, Default)]
pub struct Jar {
    pub cookie: Option<String>,
    /// When the browser forgets it; `None` when it is closed.
    pub expires: Option<Timestamp>,
}

impl Jar {
    pub fn take(&mut self, sent: &Sent, now: Timestamp) {
        match sent {
            Sent::Nothing => {}
            Sent::Removed => *self = Self::default(),
            Sent::Ticket { cookie, max_age } => {
                let span = max_age.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
                self.expires = span.map(|span| now.saturating_add(span));
                self.cookie = Some(cookie.clone());
            }
        }
    }
}

/// What a cookie opens.
#[derive(Debug, Clone)]
pub struct View {
    pub is_live: bool,
    pub id: Option<String>,
    pub owner: Option<String>,
    pub limits: Option<Limits>,
    pub entries: Entries,
    pub messages: Vec<u32>,
    session: Session,
}

impl View {
    pub fn number(&self, key: &str) -> Option<u32> {
        self.entries.get(key).map(|value| value.get().unwrap())
    }

    pub fn accepts(&self, token: &str) -> bool {
        self.session.is_csrf_token(token)
    }
}

/// How a world begins.
struct Start {
    /// Whether sessions are persistent, and who is signed in.
    like: (bool, Option<&'static str>),
    records: Vec<(StoreKey, Record)>,
    jar: Jar,
    id: String,
    device: String,
}

thread_local! {
    static START: Cell<Option<Start>> = const { Cell::new(None) };
}

/// Everything that the two requests share.
pub struct World {
    pub case: Case,
    pub run: Arc<Run>,
    pub clock: FakeClock,
    pub store: MemoryStore,
    pub sessions: StoredFactory<Scheduled>,
    /// The same sessions, by a factory that neither touches nor renews them.
    observer: StoredFactory<Scheduled>,
    pub jar: Mutex<Jar>,
    /// The cookie with which both requests come.
    pub first: String,
    pub id: String,
    /// The cookie of ada's other device.
    pub device: String,
}

impl World {
    /// Makes the world as it is before the two requests.
    pub async fn new(case: Case) -> Self {
        let (clock, run) = (FakeClock::at(1_700_000_000.0), Run::new());
        let store = MemoryStore::builder().capacity(100).clock(clock.clone()).build();
        let scheduled = Scheduled { flaw: case.flaw, store: store.clone(), run: run.clone() };
        let limits = Limits { idle: Some(IDLE), persistent: case.persistent, ..Limits::DEFAULT };
        let builder = |random: u64| {
            let builder = StoredFactory::builder("shop", scheduled.clone()).clock(clock.clone());
            let builder = builder.limits(limits).random(Counted(Mutex::new(random)));
            builder.flash_lease(LEASE).io_timeout(None)
        };
        let renew = case.has(Op::Periodic).then_some(RENEW_EVERY);
        let sessions = builder(1).renew_every(renew).build().unwrap();
        let observer = builder(2).touch_after(Duration::MAX).build().unwrap();
        let mut world = Self {
            case,
            run,
            clock,
            store,
            sessions,
            observer,
            jar: Mutex::default(),
            first: String::new(),
            id: String::new(),
            device: String::new(),
        };
        world.begin().await;
        world
    }

    /// Begins with the records of the last world that was like this one: most of what a run costs is its beginning.
    async fn begin(&mut self) {
        let like = (self.case.persistent, self.case.owner());
        let start = match START.take() {
            Some(start) if start.like == like => start,
            _ => self.start(like).await,
        };
        for (key, record) in &start.records {
            // They may be there, if they were made just now.
            let _ = self.store.create(key, record).await.unwrap();
        }
        *self.jar.lock().unwrap() = start.jar.clone();
        (self.first, self.id, self.device) =
            (start.jar.cookie.clone().unwrap(), start.id.clone(), start.device.clone());
        START.set(Some(start));
        if self.case.has(Op::Periodic) {
            self.clock.advance(RENEW_EVERY + SECOND);
        } else if self.case.has(Op::Look) {
            self.clock.advance(TOUCH_AFTER + SECOND);
        }
    }

    /// Has the sessions begun by requests.
    async fn start(&self, like: (bool, Option<&'static str>)) -> Start {
        let begin = |session: &Session| {
            session.insert("n", 0).unwrap();
            session.insert("removed", 1).unwrap();
            session.flash(100).unwrap();
            like.1.map_or(Ok(()), |owner| session.set_owner(owner)).unwrap();
        };
        let mut jar = Jar::default();
        let (sent, ()) = self.visit(&self.observer, None, begin).await;
        jar.take(&sent, self.clock.now());
        let begin = |session: &Session| session.set_owner(ADA).unwrap();
        let device = self.visit(&self.observer, None, begin).await.0.ticket().unwrap().to_owned();
        let id = |cookie: &str| {
            let value = cookie.split_once('=').unwrap().1;
            StoredFactory::<Scheduled>::id_in_cookie(value).unwrap()
        };
        let ids = [id(jar.cookie.as_deref().unwrap()), id(&device)];
        let mut records = Vec::new();
        for key in ids.each_ref().map(|id| StoreKey::parse(id).unwrap()) {
            records.push((key, self.store.load(&key).await.unwrap().unwrap().record));
        }
        let [id, _] = ids;
        Start { like, records, jar, id, device }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn request(cookie: Option<&str>, method: Method) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        }
        request
    }

    async fn visit<R>(
        &self,
        sessions: &StoredFactory<Scheduled>,
        cookie: Option<&str>,
        act: impl FnOnce(&Session) -> R,
    ) -> (Sent, R) {
        let (once, done) = (Mutex::new(Some(act)), Mutex::new(None));
        let service = service_fn(async |request: Request<()>| {
            let session = Session::of(&request).await.unwrap();
            let act = once.lock().unwrap().take().unwrap();
            *done.lock().unwrap() = Some(act(&session));
            Ok::<_, std::convert::Infallible>(Response::<String>::default())
        });
        let layer = SessionLayer::new(sessions.clone());
        let request = Self::request(cookie, Method::GET);
        let response = layer.layer(service).oneshot(request).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        (Sent::of(response.headers()), done.into_inner().unwrap().unwrap())
    }

    /// What this cookie opens, without disturbing it.
    pub async fn look(&self, cookie: Option<&str>) -> View {
        let look = |session: &Session| View {
            is_live: !session.is_new(),
            id: session.id(),
            owner: session.owner().as_deref().map(str::to_owned),
            limits: session.limits(),
            entries: session.entries(),
            messages: session.peek_flash("").unwrap(),
            session: session.clone(),
        };
        self.visit(&self.observer, cookie, look).await.1
    }

    /// Whether a real request with this cookie can write.
    pub async fn can_write(&self, cookie: &str) -> bool {
        let write = |session: &Session| session.insert("afterwards", 1).unwrap();
        let (sent, _) = self.visit(&self.sessions, Some(cookie), write).await;
        let cookie = sent.ticket().unwrap_or(cookie).to_owned();
        self.look(Some(&cookie)).await.number("afterwards") == Some(1)
    }
}
