//! Users who read and write without a pause while something fails, and what each answer to them has to be: their own
//! session, or a refusal. Never another's, and none that is empty while the engine still has the full one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_testbed::Service;

use crate::user::{Allowed, Habits, Seen, User};

/// A few, who are in a hurry and stay logged in.
const HABITS: Habits = Habits { users: 8, pause: Duration::from_millis(2), leave_in: None };

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

/// Something may happen to users as long as this is there.
pub(crate) struct Permit<'a>(&'a AtomicBool);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Has users at work while `disturb` disturbs. In the end, each has what he was told is kept.
pub(crate) fn while_users_work(service: &Service, disturb: impl FnOnce(&Users<'_>)) {
    while_a_crowd_works(HABITS, &[service], disturb);
}

/// The same with other users, of several processes on one store.
pub(crate) fn while_a_crowd_works(
    habits: Habits,
    services: &[&Service],
    disturb: impl FnOnce(&Users<'_>),
) {
    let seen: Vec<Seen> = (0..habits.users).map(|_| Seen::at(services.len())).collect();
    let [forgetting, undoing, is_over, somebody_failed] = [const { AtomicBool::new(false) }; 4];
    let allowed = Allowed { forgetting, undoing, work: RwLock::new(()), began: Instant::now() };
    thread::scope(|scope| {
        let _stop = AtEnd(&is_over);
        for (number, seen) in seen.iter().enumerate() {
            let mut user = User::new(number, habits, services, seen, &allowed);
            let (is_over, somebody_failed) = (&is_over, &somebody_failed);
            scope.spawn(move || {
                let _report = AtEnd(somebody_failed);
                while !is_over.load(Ordering::SeqCst) {
                    user.work();
                    thread::sleep(habits.pause);
                }
                user.look_a_last_time();
            });
        }
        let (seen, allowed, somebody_failed) = (&seen[..], &allowed, &somebody_failed);
        let users = Users { seen, allowed, somebody_failed };
        users.are_all_served();
        disturb(&users);
        users.are_all_served();
    });
}

impl Users<'_> {
    /// Each gets his own session from now on, several times, and from each process: the second time, he asked after now.
    pub(crate) fn are_all_served(&self) {
        let served = || self.seen.iter().flat_map(|seen| &seen.served);
        let more = if self.seen[0].served.len() == 1 { 4 } else { 2 };
        self.wait("everybody is served", &served, more);
    }

    /// Each has his own session of each process, and has asked for it after now.
    pub(crate) fn are_all_served_once(&self) {
        let now = self.allowed.now();
        let asked = |seen: &Seen| {
            seen.asked_at.iter().all(|asked_at| asked_at.load(Ordering::SeqCst) > now)
        };
        self.until("everybody is served", || self.seen.iter().all(asked));
    }

    /// Each gets a refusal from now on, to a read and to a write: the one after the first was begun after now.
    pub(crate) fn are_all_refused(&self) {
        self.wait("everybody is refused", &|| self.seen.iter().map(|seen| &seen.refused), 3);
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

    /// How long after a moment the last refusal came, if any did.
    pub(crate) fn refused_after(&self, moment: Instant) -> Duration {
        let last = self.seen.iter().map(|seen| seen.refused_at.load(Ordering::SeqCst)).max();
        let last = self.allowed.began + Duration::from_micros(last.unwrap_or(0));
        last.saturating_duration_since(moment)
    }

    /// All sessions may be gone while the permit is there, and after it those only that were seen since.
    pub(crate) fn forgetting(&self) -> Permit<'_> {
        self.allowed.forgetting.store(true, Ordering::SeqCst);
        Permit(&self.allowed.forgetting)
    }

    /// What is acknowledged from now on may be undone while the permit is there. What was acknowledged before, a replica
    /// is to have before anything happens.
    pub(crate) fn undoing(&self) -> Permit<'_> {
        for seen in self.seen {
            seen.replicated.store(seen.number.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        self.allowed.undoing.store(true, Ordering::SeqCst);
        Permit(&self.allowed.undoing)
    }

    /// Nobody asks anything meanwhile, and nobody waits for an answer.
    pub(crate) fn while_all_rest(&self, happen: impl FnOnce()) {
        let _nobody = self.allowed.work.write().unwrap_or_else(PoisonError::into_inner);
        happen();
    }

    /// Has the engine forget everything; each notices once, logs in again, and is forgotten no more.
    pub(crate) fn are_forgotten_once(&self, forget: impl FnOnce()) {
        let forgetting = self.forgetting();
        let times = || self.seen.iter().map(|seen| seen.forgotten.load(Ordering::SeqCst));
        let before: Vec<u64> = times().collect();
        forget();
        let all = |more| times().zip(&before).all(|(now, before)| now >= before + more);
        self.until("everybody notices", || all(1));
        drop(forgetting);
        self.are_all_served();
        assert!(!times().zip(&before).any(|(now, before)| now > before + 1), "twice");
    }

    /// Has a replica take its master's place. A master answers before its replica has a write: what it acknowledged in
    /// its last moments may be undone. What it acknowledged before `replicate` may not, since that waits for the replica.
    pub(crate) fn lose_a_master(&self, replicate: impl FnOnce(), fail: impl FnOnce()) {
        let undoing = self.undoing();
        replicate();
        let before = self.refused();
        fail();
        self.until("somebody is refused", || self.refused() > before);
        self.are_all_served();
        drop(undoing);
        self.are_all_served();
    }

    fn wait<'a, I: Iterator<Item = &'a AtomicU64>>(
        &self,
        what: &str,
        counts: &dyn Fn() -> I,
        more: u64,
    ) {
        let now = |count: &AtomicU64| count.load(Ordering::SeqCst);
        let goals: Vec<u64> = counts().map(|count| now(count) + more).collect();
        self.until(what, || counts().zip(&goals).all(|(count, goal)| now(count) >= *goal));
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
