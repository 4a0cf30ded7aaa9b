//! Users who read and write without a pause while something fails, and what each answer to them has to be: their own
//! session, or a refusal. Never another's, and none that is empty while the engine still has the full one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use cloakroom_testbed::{Answer, Connection, Service};

const USERS: usize = 8;

/// A user, and what he knows for sure about the number that he counts up.
struct User<'a> {
    mark: String,
    connection: Connection,
    ticket: Option<String>,
    /// The least and the most that it can be.
    least: u64,
    most: u64,
    /// Whether a refused write may take effect later. Only one can: the others were meant for the same version.
    is_undecided: bool,
    seen: &'a Seen,
    allowed: &'a Allowed,
}

/// What a user has come across so far.
#[derive(Default)]
struct Seen {
    served: AtomicU64,
    refused: AtomicU64,
    forgotten: AtomicU64,
    /// The number that he saw last.
    number: AtomicU64,
    /// The number that a replica has for sure.
    replicated: AtomicU64,
}

/// What may happen to users at present.
#[derive(Default)]
struct Allowed {
    /// All sessions may be gone.
    forgetting: AtomicBool,
    /// What was acknowledged may be undone, if no replica had it.
    undoing: AtomicBool,
}

/// Users at work.
pub(crate) struct Users<'a> {
    seen: &'a [Seen],
    allowed: &'a Allowed,
    somebody_failed: &'a AtomicBool,
}

/// Sets a flag at the end of a block, however it ends.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Has users at work while `disturb` disturbs. In the end, each has what he was told is kept.
pub(crate) fn while_users_work(service: &Service, disturb: impl FnOnce(&Users<'_>)) {
    let seen: Vec<Seen> = (0..USERS).map(|_| Seen::default()).collect();
    let allowed = &Allowed::default();
    let [is_over, somebody_failed] = &[const { AtomicBool::new(false) }; 2];
    thread::scope(|scope| {
        let _stop = AtEnd(is_over);
        for (number, seen) in seen.iter().enumerate() {
            let mut user = User::new(number, service, seen, allowed);
            scope.spawn(move || {
                let _report = AtEnd(somebody_failed);
                while !is_over.load(Ordering::SeqCst) {
                    user.read();
                    user.write();
                    thread::sleep(Duration::from_millis(2));
                }
                until("a last look", || user.read());
            });
        }
        let users = Users { seen: &seen, allowed, somebody_failed };
        users.are_all_served();
        disturb(&users);
        users.are_all_served();
    });
}

impl Users<'_> {
    /// Each gets his own session from now on, several times.
    pub(crate) fn are_all_served(&self) {
        self.wait("everybody is served", |seen| &seen.served, 4);
    }

    /// Each gets a refusal from now on, to a read and to a write: the one after the first was begun after now.
    pub(crate) fn are_all_refused(&self) {
        self.wait("everybody is refused", |seen| &seen.refused, 3);
    }

    /// Somebody gets a refusal from now on.
    pub(crate) fn is_one_refused(&self) {
        let before = self.refused();
        self.until("somebody is refused", || self.refused() > before);
    }

    /// How many refusals there were.
    pub(crate) fn refused(&self) -> u64 {
        self.seen.iter().map(|seen| seen.refused.load(Ordering::SeqCst)).sum()
    }

    /// Has the engine forget everything; each notices once, logs in again, and is forgotten no more.
    pub(crate) fn are_forgotten_once(&self, forget: impl FnOnce()) {
        self.allowed.forgetting.store(true, Ordering::SeqCst);
        let times = |user: usize| self.seen[user].forgotten.load(Ordering::SeqCst);
        let before: Vec<u64> = (0..USERS).map(times).collect();
        forget();
        self.until("everybody notices", || (0..USERS).all(|user| times(user) > before[user]));
        self.allowed.forgetting.store(false, Ordering::SeqCst);
        self.are_all_served();
        assert!((0..USERS).all(|user| times(user) == before[user] + 1), "twice");
    }

    /// Has a replica take its master's place. A master answers before its replica has a write: what it acknowledged in
    /// its last moments may be undone. What it acknowledged before `replicate` may not, since that waits for the replica.
    pub(crate) fn lose_a_master(&self, replicate: impl FnOnce(), fail: impl FnOnce()) {
        for seen in self.seen {
            seen.replicated.store(seen.number.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        replicate();
        self.allowed.undoing.store(true, Ordering::SeqCst);
        let before = self.refused();
        fail();
        self.until("somebody is refused", || self.refused() > before);
        self.are_all_served();
        self.allowed.undoing.store(false, Ordering::SeqCst);
        self.are_all_served();
    }

    fn wait(&self, what: &str, count: fn(&Seen) -> &AtomicU64, more: u64) {
        let now = |seen: &Seen| count(seen).load(Ordering::SeqCst);
        let goals: Vec<u64> = self.seen.iter().map(|seen| now(seen) + more).collect();
        self.until(what, || self.seen.iter().zip(&goals).all(|(seen, goal)| now(seen) >= *goal));
    }

    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        until(what, || {
            assert!(!self.somebody_failed.load(Ordering::SeqCst), "a user failed before {what}");
            is_so()
        });
    }
}

/// Asks again and again until it is so. What never comes about is a failed test, after half a minute at the least.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

impl<'a> User<'a> {
    fn new(number: usize, service: &Service, seen: &'a Seen, allowed: &'a Allowed) -> Self {
        let (mark, connection) = (format!("mark-of-user-{number}"), Connection::to(service));
        let (ticket, least, most, is_undecided) = (None, 0, 0, false);
        Self { mark, connection, ticket, least, most, is_undecided, seen, allowed }
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

    /// Asks for this, or for a session if he has none; whether it was done. The answer is all that is in it.
    fn ask(&mut self, then: &Value) -> bool {
        let login = json!([{"route": "/login", "body": {"user": self.mark}}, {"route": "/all"}]);
        let is_login = self.ticket.is_none();
        let then = if is_login { &login } else { then };
        let body = json!({"sleep_ms": 0, "then": then});
        let ticket = self.ticket.clone().unwrap_or_default();
        let answer = self.connection.post("/slow", &ticket, &body);
        if answer.status != 200 {
            self.is_refused(&answer);
            return false;
        }
        if is_login {
            self.ticket = Some(answer.set_cookie().expect("a ticket").value);
            (self.least, self.most, self.is_undecided) = (0, 0, false);
        }
        self.is_served(&answer.json()["values"]);
        true
    }

    /// In words, without a cookie, and with nothing of a session.
    fn is_refused(&self, answer: &Answer) {
        assert_eq!(answer.error(), (503, "store".into()), "{}", self.mark);
        assert_eq!(answer.set_cookie(), None, "{}", self.mark);
        assert!(!answer.text.contains("mark-of"), "{}: {}", self.mark, answer.text);
        self.seen.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn is_served(&mut self, values: &Value) {
        if values.get("user").is_none() {
            let may_be = self.allowed.forgetting.load(Ordering::SeqCst);
            assert!(may_be, "{} was forgotten: {values}", self.mark);
            self.ticket = None;
            self.seen.forgotten.fetch_add(1, Ordering::SeqCst);
            return;
        }
        assert_eq!(values["user"], json!(self.mark), "somebody else's: {values}");
        let (kept, known) = (values["n"].as_u64().unwrap_or(0), self.least()..=self.most);
        assert!(known.contains(&kept), "{}: {kept} is not within {known:?}", self.mark);
        (self.least, self.most) = (kept, kept + u64::from(self.is_undecided));
        self.seen.number.store(kept, Ordering::SeqCst);
        self.seen.served.fetch_add(1, Ordering::SeqCst);
    }

    fn least(&self) -> u64 {
        if self.allowed.undoing.load(Ordering::SeqCst) {
            return self.seen.replicated.load(Ordering::SeqCst);
        }
        self.least
    }
}
