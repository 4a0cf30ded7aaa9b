//! One run of two requests: what was asked of the store and in which order, which call fails, and where the scheduler
//! may go elsewhere.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use cloakroom::store::StoreKey;

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    First,
    Second,
    /// What goes on for a request that nobody waits for any more.
    Background,
    Clock,
}

impl Who {
    /// The two requests.
    pub const REQUESTS: [Self; 2] = [Self::First, Self::Second];

    /// Those whose calls can fail.
    pub const CALLERS: [Self; 3] = [Self::First, Self::Second, Self::Background];
}

thread_local! {
    static CURRENT: Cell<Who> = const { Cell::new(Who::Background) };
}

/// Does `work` in the name of `who`, who is asked for by the store.
pub fn as_who<T>(who: Who, work: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(who);
    let done = work();
    CURRENT.set(before);
    done
}

/// Which call of the store fails: the `call`-th of `who`'s, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub who: Who,
    pub call: usize,
    pub when: When,
}

/// Whether a call that fails has taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// One thing that happened. Their places in the list are the run's time.
#[derive(Debug, Clone)]
pub enum Event {
    Begun(Who),
    Call(Call),
    Ended(Who, String),
    Moved,
}

/// One call of the store.
#[derive(Debug, Clone)]
pub struct Call {
    pub who: Who,
    pub name: &'static str,
    pub key: Option<StoreKey>,
    /// What the store did, whether or not the caller learnt it.
    pub answer: String,
    /// Whether it changed the store.
    pub has_effect: bool,
    pub failed: Option<When>,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(who) => write!(f, "{who:?}: begins"),
            Self::Ended(who, how) => write!(f, "{who:?}: {how}"),
            Self::Moved => f.write_str("the clock moves"),
            Self::Call(Call { who, name, answer, failed, .. }) => {
                write!(f, "{who:?}: {name} {answer}")?;
                failed.map_or(Ok(()), |when| write!(f, ", FAILS {when:?} its effect"))
            }
        }
    }
}

/// What all parts of a run share.
#[derive(Default)]
pub struct Run(Mutex<State>);

#[derive(Default)]
struct State {
    /// Before and after the two requests nothing yields, fails or is noted.
    is_on: bool,
    fault: Option<Fault>,
    has_begun: [bool; 3],
    calls: [usize; 3],
    events: Vec<Event>,
    faulted: Option<Who>,
    steps: usize,
    waiting: Vec<Waker>,
}

impl Run {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on calls are points at which the scheduler chooses.
    pub fn switch_on(&self, fault: Option<Fault>) {
        let mut state = self.state();
        (state.is_on, state.fault) = (true, fault);
    }

    pub fn switch_off(&self) {
        self.state().is_on = false;
    }

    pub fn is_on(&self) -> bool {
        self.state().is_on
    }

    /// Notes what happened, and returns when.
    pub fn note(&self, event: Event) -> usize {
        let mut state = self.state();
        state.waiting.drain(..).for_each(Waker::wake);
        state.steps += 1;
        state.events.push(event);
        state.events.len()
    }

    pub fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    pub fn now(&self) -> usize {
        self.state().events.len()
    }

    /// How many calls each made.
    pub fn calls(&self) -> [usize; 3] {
        self.state().calls
    }

    /// Moves on whenever somebody gets on.
    pub fn steps(&self) -> usize {
        self.state().steps
    }

    /// Whose call failed.
    pub fn faulted(&self) -> Option<Who> {
        self.state().faulted
    }

    /// Has `waker` woken by what is noted next.
    pub fn wait(&self, waker: &Waker) {
        self.state().waiting.push(waker.clone());
    }

    /// Counts a call of the current caller, and says whether it fails.
    pub fn count(&self) -> (Who, Option<When>) {
        let who = CURRENT.get();
        let mut state = self.state();
        let call = state.calls[who as usize];
        state.calls[who as usize] += 1;
        let is_it = |fault: &Fault| fault.who == who && fault.call == call;
        let fails = state.fault.filter(is_it).map(|fault| fault.when);
        if fails.is_some() {
            state.faulted = Some(who);
        }
        (who, fails)
    }

    /// A point at which a call waits for its turn. A request begins with a choice of the scheduler, so that its first
    /// call, the load, needs no other: going elsewhere between the two shows nothing new.
    pub async fn point_of_call(&self) {
        let is_first = {
            let (mut state, who) = (self.state(), CURRENT.get());
            !std::mem::replace(&mut state.has_begun[who as usize], true)
        };
        if !is_first {
            self.point().await;
        }
    }

    /// A point at which the scheduler may go elsewhere. Works in tasks of any executor.
    pub async fn point(&self) {
        let mut yielded = !self.is_on();
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            self.state().steps += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
