//! Runs a case in every order of its steps, to the end, or in as many as there is time for, drawn at random.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use cloakroom::store::Counts;
use shuttle::future::{block_on, spawn};
use shuttle::scheduler::{DfsScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner};
use tokio::runtime::{Builder, Runtime};

use crate::request::{self, Seen};
use crate::run::{Event, Who, as_who};
use crate::world::{Case, Jar, LATER, View, World};

/// All that is known of a run when it is over.
pub struct History {
    pub case: Case,
    pub events: Vec<Event>,
    pub calls: [usize; 3],
    pub faulted: Option<Who>,
    pub seen: [Seen; 2],
    pub id: String,
    pub jar: Jar,
    /// The cookie at the start, and each that a response brought; what they open.
    pub tickets: Vec<(String, View)>,
    pub by_jar: View,
    pub device: View,
    /// The session of the start, by its id, as the application lists it.
    pub record: Option<cloakroom::factory::OwnedSession>,
    pub counts: Counts,
    pub by_jar_later: View,
    pub can_write: bool,
}

thread_local! {
    /// Where the library keeps what must not be lost with a request. A task of each run lets it work, step by step.
    static RUNTIME: Runtime = Builder::new_current_thread().event_interval(1).build().unwrap();
}

/// A scheduler that is asked only where there is a choice: never about the task that waits for the others.
struct AmongRequests<S>(S);

impl<S: Scheduler> Scheduler for AmongRequests<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        tasks: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        // It begins the others, and waits for them: what it can do, it does at once.
        let is_main = usize::from(tasks[0].id()) == 0;
        self.0.next_task(if is_main { &tasks[..1] } else { tasks }, current, yields)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// What an exploration came to.
#[derive(Debug, Clone, Copy)]
pub struct Explored {
    pub schedules: usize,
    pub is_exhausted: bool,
}

/// Which orders are run.
#[derive(Debug, Clone, Copy)]
pub enum Orders {
    /// All of them; but not more than this.
    All(usize),
    /// So many, from this seed.
    Drawn(usize, u64),
}

/// Runs `case` in these orders, and has `judge` look at each.
pub fn explore(
    case: Case,
    orders: Orders,
    judge: impl Fn(History) + Send + Sync + 'static,
) -> Explored {
    let mut config = Config::new();
    config.stack_size = 256 << 10; // futures of debug builds are large
    config.silence_warnings = true;
    let run = move || {
        judge(block_on(play(case)));
    };
    RUNTIME.with(|runtime| {
        let _entered = runtime.enter();
        match orders {
            Orders::All(limit) => {
                let dfs = DfsScheduler::new(Some(limit), false);
                let schedules = Runner::new(AmongRequests(dfs), config).run(run);
                Explored { schedules, is_exhausted: schedules < limit }
            }
            Orders::Drawn(number, seed) => {
                let random = RandomScheduler::new_from_seed(seed, number);
                let schedules = Runner::new(AmongRequests(random), config).run(run);
                Explored { schedules, is_exhausted: false }
            }
        }
    })
}

/// One run.
async fn play(case: Case) -> History {
    let world = Arc::new(World::new(case).await);
    world.run.switch_on(case.fault);
    let requests = Who::REQUESTS.map(|who| spawn(request::send(world.clone(), who)));
    let clock = case.clock.span().map(|span| {
        let world = world.clone();
        spawn(async move {
            world.clock.advance(span);
            world.run.note(Event::Moved);
        })
    });
    let [first, second] = requests;
    let mut seen = Vec::new();
    for request in [first, second] {
        seen.push(request.await.unwrap());
    }
    if let Some(clock) = clock {
        clock.await.unwrap();
    }
    world.run.switch_off();
    let seen: Result<[Seen; 2], _> = seen.try_into();
    observe(&world, seen.unwrap_or_else(|_| unreachable!())).await
}

/// Lets the library's tasks work until they are done, one step at a time, each a choice of the scheduler.
pub async fn work_in_background(world: &World) {
    let alive = || RUNTIME.with(|runtime| runtime.metrics().num_alive_tasks());
    poll_fn(|context| {
        let before = (alive(), world.run.steps());
        if before.0 == 0 {
            return Poll::Ready(());
        }
        as_who(Who::Background, || {
            RUNTIME.with(|runtime| runtime.block_on(tokio::task::yield_now()));
        });
        if (alive(), world.run.steps()) == before {
            // What is left waits for one of the requests.
            world.run.wait(context.waker());
        } else {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Asks everything that can be asked afterwards.
async fn observe(world: &World, seen: [Seen; 2]) -> History {
    let jar = world.jar.lock().unwrap().clone();
    let mut cookies = vec![world.first.clone()];
    for request in &seen {
        if let Some(request::Outcome::Response { sent, .. }) = &request.outcome {
            let ticket = sent.ticket().map(str::to_owned);
            cookies.extend(ticket.filter(|ticket| !cookies.contains(ticket)));
        }
    }
    let mut tickets = Vec::new();
    for cookie in cookies {
        let view = world.look(Some(&cookie)).await;
        tickets.push((cookie, view));
    }
    let by_jar = world.look(jar.cookie.as_deref()).await;
    let device = world.look(Some(&world.device)).await;
    let record = world.sessions.session_of_id(&world.id).await.unwrap();
    let counts = world.store.counts();
    world.clock.advance(LATER);
    let by_jar_later = world.look(jar.cookie.as_deref()).await;
    let can_write = match &jar.cookie {
        Some(cookie) if by_jar_later.is_live && world.case.is_plain() => {
            world.can_write(cookie).await
        }
        _ => true,
    };
    History {
        case: world.case,
        events: world.run.events(),
        calls: world.run.calls(),
        faulted: world.run.faulted(),
        seen,
        id: world.id.clone(),
        jar,
        tickets,
        by_jar,
        device,
        record,
        counts,
        by_jar_later,
        can_write,
    }
}
