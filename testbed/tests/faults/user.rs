//! One user: what he does, what he knows for sure, and what each answer to him has to be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Connection, Service};

use crate::users::until;

/// How many of his ended sessions a user remembers.
const ENDED: usize = 8;

/// How users live.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) users: usize,
    /// Between two rounds of a read and a write.
    pub(crate) pause: Duration,
    /// In which round they log out, to log in again in the next one.
    pub(crate) leave_in: Option<usize>,
}

/// A user, and what he knows for sure about the number that he counts up.
pub(crate) struct User<'a> {
    mark: String,
    habits: Habits,
    /// To each process that serves him. He goes to them in turn.
    connections: Vec<Connection>,
    turn: usize,
    asked_at: u64,
    rounds: usize,
    ticket: Option<String>,
    /// The least and the most that it can be.
    least: u64,
    most: u64,
    /// Whether a refused write may take effect later. Only one can: the others were meant for the same version.
    is_undecided: bool,
    /// Whether his session began when that could be undone.
    is_young: bool,
    /// Whether he asked for his session's end, and was refused.
    is_leaving: bool,
    /// The tickets of sessions whose end was acknowledged.
    ended: Vec<String>,
    seen: &'a Seen,
    allowed: &'a Allowed,
}

/// What a user has come across so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// At each process.
    pub(crate) served: Vec<AtomicU64>,
    /// When he had asked each for what it served last, in microseconds of the crowd's time.
    pub(crate) asked_at: Vec<AtomicU64>,
    pub(crate) refused: AtomicU64,
    /// When the last refusal came, by the same clock.
    pub(crate) refused_at: AtomicU64,
    pub(crate) forgotten: AtomicU64,
    /// The number that he saw last.
    pub(crate) number: AtomicU64,
    /// The number that a replica has for sure.
    pub(crate) replicated: AtomicU64,
}

impl Seen {
    /// Nothing yet, at so many processes.
    pub(crate) fn at(processes: usize) -> Self {
        let none = || (0..processes).map(|_| AtomicU64::new(0)).collect();
        Self { served: none(), asked_at: none(), ..Self::default() }
    }
}

/// What may happen to users at present.
pub(crate) struct Allowed {
    /// All sessions may be gone.
    pub(crate) forgetting: AtomicBool,
    /// What was acknowledged may be undone, if no replica had it.
    pub(crate) undoing: AtomicBool,
    /// Whoever has it for himself keeps all of them from work.
    pub(crate) work: RwLock<()>,
    /// When the crowd's time began.
    pub(crate) began: Instant,
}

impl Allowed {
    /// In microseconds of the crowd's time.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap()
    }
}

impl<'a> User<'a> {
    pub(crate) fn new(
        number: usize,
        habits: Habits,
        services: &[&Service],
        seen: &'a Seen,
        allowed: &'a Allowed,
    ) -> Self {
        Self {
            mark: format!("mark-of-user-{number}"),
            habits,
            connections: services.iter().map(|service| Connection::to(service)).collect(),
            turn: number,
            asked_at: 0,
            // They do not leave all at once.
            rounds: number,
            ticket: None,
            least: 0,
            most: 0,
            is_undecided: false,
            is_young: false,
            is_leaving: false,
            ended: Vec::new(),
            seen,
            allowed,
        }
    }

    /// One round.
    pub(crate) fn work(&mut self) {
        self.rounds += 1;
        // Reads and writes come to each process.
        self.turn += 1;
        let is_time = self.habits.leave_in.is_some_and(|round| self.rounds.is_multiple_of(round));
        if self.is_leaving || is_time && self.ticket.is_some() {
            return self.leave();
        }
        self.read();
        self.write();
        if self.rounds.is_multiple_of(4) && !self.ended.is_empty() {
            let ticket = self.ended[self.rounds / 4 % self.ended.len()].clone();
            self.stays_ended(&ticket);
        }
    }

    /// His own session, and none of those that he ended.
    pub(crate) fn look_a_last_time(&mut self) {
        until("a last look", || self.read());
        for ticket in std::mem::take(&mut self.ended) {
            until("a look at an ended session", || self.stays_ended(&ticket));
        }
    }

    fn read(&mut self) -> bool {
        self.ask(&json!([{"route": "/all"}]))
    }

    fn write(&mut self) {
        self.most += 1;
        let add = json!({"route": "/add", "body": {"key": "n", "by": 1}});
        let is_done = self.ask(&json!([add, {"route": "/all"}]));
        // What is done stands in the way of whatever was meant for the version before.
        self.is_undecided = !is_done;
    }

    /// Asks for his session's end, again and again until that is acknowledged.
    fn leave(&mut self) {
        let Some(ticket) = self.ticket.clone() else { return };
        let answer = self.post("/logout", &ticket, &json!({}));
        self.is_leaving = answer.status != 200;
        if self.is_leaving {
            return self.is_refused(&answer);
        }
        self.has_no_session();
        if !self.may_be_undone() {
            self.ended.push(ticket);
            let excess = self.ended.len().saturating_sub(ENDED);
            self.ended.drain(..excess);
        }
    }

    /// Whether a look at a session that was ended was answered: by nothing.
    fn stays_ended(&mut self, ticket: &str) -> bool {
        let answer = self.post("/slow", ticket, &json!({"sleep_ms": 0, "then": {"route": "/all"}}));
        if answer.status != 200 {
            self.is_refused(&answer);
            return false;
        }
        assert_eq!(answer.json(), json!({"values": {}}), "{}: it came back", self.mark);
        true
    }

    /// Asks for this, or for a session if he has none; whether it was done. The answer is all that is in it.
    fn ask(&mut self, then: &Value) -> bool {
        let login = json!([{"route": "/login", "body": {"user": self.mark}}, {"route": "/all"}]);
        let is_login = self.ticket.is_none();
        let then = if is_login { &login } else { then };
        let body = json!({"sleep_ms": 0, "then": then});
        let ticket = self.ticket.clone().unwrap_or_default();
        let answer = self.post("/slow", &ticket, &body);
        if answer.status != 200 {
            self.is_refused(&answer);
            return false;
        }
        if is_login {
            self.ticket = Some(answer.set_cookie().expect("a ticket").value);
            (self.least, self.most, self.is_undecided) = (0, 0, false);
            self.is_young = self.may_be_undone();
            self.seen.replicated.store(0, Ordering::SeqCst);
        }
        self.is_served(&answer.json()["values"]);
        true
    }

    /// Asks the process whose turn it is, unless all are kept from work.
    fn post(&mut self, path: &str, ticket: &str, body: &Value) -> Answer {
        let _work = self.allowed.work.read().unwrap_or_else(PoisonError::into_inner);
        self.turn += 1;
        self.asked_at = self.allowed.now();
        let turn = self.turn % self.connections.len();
        self.connections[turn].post(path, ticket, body)
    }

    /// In words, without a cookie, and with nothing of a session.
    fn is_refused(&self, answer: &Answer) {
        assert_eq!(answer.error(), (503, "store".into()), "{}", self.mark);
        assert_eq!(answer.set_cookie(), None, "{}", self.mark);
        assert!(!answer.text.contains("mark-of"), "{}: {}", self.mark, answer.text);
        self.seen.refused_at.store(self.allowed.now(), Ordering::SeqCst);
        self.seen.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn is_served(&mut self, values: &Value) {
        if values.get("user").is_none() {
            let is_undone = self.is_young && self.may_be_undone();
            let may_be = is_undone || self.allowed.forgetting.load(Ordering::SeqCst);
            assert!(may_be, "{} was forgotten: {values}", self.mark);
            self.has_no_session();
            self.seen.forgotten.fetch_add(1, Ordering::SeqCst);
            return;
        }
        assert_eq!(values["user"], json!(self.mark), "somebody else's: {values}");
        let (kept, known) = (values["n"].as_u64().unwrap_or(0), self.least()..=self.most);
        assert!(known.contains(&kept), "{}: {kept} is not within {known:?}", self.mark);
        (self.least, self.most) = (kept, kept + u64::from(self.is_undecided));
        self.is_young &= self.may_be_undone();
        self.seen.number.store(kept, Ordering::SeqCst);
        let process = self.turn % self.connections.len();
        self.seen.asked_at[process].store(self.asked_at, Ordering::SeqCst);
        self.seen.served[process].fetch_add(1, Ordering::SeqCst);
    }

    /// The next one begins to count anew.
    fn has_no_session(&mut self) {
        self.ticket = None;
        self.seen.number.store(0, Ordering::SeqCst);
    }

    fn least(&self) -> u64 {
        if self.may_be_undone() {
            return self.seen.replicated.load(Ordering::SeqCst);
        }
        self.least
    }

    fn may_be_undone(&self) -> bool {
        self.allowed.undoing.load(Ordering::SeqCst)
    }
}
