//! One of the two requests: sent with the browser's cookie, answered, failed or given up, and what was seen of it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use cloakroom::session::{Gone, Standing};
use cloakroom::{Session, SessionLayer, Timestamp};
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, Service, service_fn};

use crate::explore::work_in_background;
use crate::operation::{Acted, Ending, Op, number};
use crate::run::{Event, Who, as_who};
use crate::world::{Sent, World};

/// What the handler found when it asked for its session.
#[derive(Debug, Clone)]
pub struct Found {
    pub is_new: bool,
    pub id: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Outcome {
    Response { status: u16, sent: Sent, says_gone: bool },
    Panicked,
    Dropped,
}

/// What a handle did after the response.
#[derive(Debug, Clone)]
pub struct Handled {
    pub begun: usize,
    pub ended_at: Timestamp,
    /// `None` where the store failed.
    pub standing: Option<Standing>,
    /// What it sees of the session.
    pub keys: Vec<String>,
    /// Whether the request's own session sees what the handle wrote.
    pub is_shared: bool,
}

/// All that is seen of one request.
pub struct Seen {
    pub who: Who,
    pub op: Op,
    pub ending: Ending,
    pub begun: usize,
    pub begun_at: Timestamp,
    pub ended: usize,
    pub ended_at: Timestamp,
    pub found: Option<Found>,
    pub acted: Option<Acted>,
    /// The status of an error that the handler met.
    pub error: Option<u16>,
    /// How often the closure had run when the handler had called `modify`.
    pub runs_when_called: usize,
    /// Whether the handler came to its end.
    pub has_answered: bool,
    pub session: Option<Session>,
    pub outcome: Option<Outcome>,
    pub handled: Option<Handled>,
}

/// What a request notes while it is under way.
type Notes = Arc<Mutex<Seen>>;

fn noted(notes: &Notes) -> MutexGuard<'_, Seen> {
    notes.lock().unwrap()
}

impl Seen {
    fn new(who: Who, world: &World) -> Self {
        let (op, ending) = (world.case.ops[who as usize], world.case.endings[who as usize]);
        Self {
            who,
            op,
            ending,
            begun: world.run.note(Event::Begun(who)),
            begun_at: world.now(),
            ended: 0,
            ended_at: world.now(),
            found: None,
            acted: None,
            error: None,
            runs_when_called: 0,
            has_answered: false,
            session: None,
            outcome: None,
            handled: None,
        }
    }
}

/// Sends a request, lets the browser take its cookie, and does with its handle what is to be done afterwards.
pub async fn send(world: Arc<World>, who: Who) -> Seen {
    let notes = Arc::new(Mutex::new(Seen::new(who, &world)));
    let outcome = answer(&world, who, &notes).await;
    let text = match &outcome {
        Outcome::Response { status, sent, says_gone } => {
            world.jar.lock().unwrap().take(sent, world.now());
            let cookie = match sent {
                Sent::Nothing => "",
                Sent::Removed => ", cookie removed",
                Sent::Ticket { cookie, .. } if *cookie == world.first => ", the old ticket again",
                Sent::Ticket { .. } => ", a new ticket",
            };
            format!("{status}{cookie}{}", if *says_gone { ", Gone" } else { "" })
        }
        Outcome::Panicked => "panicked".to_owned(),
        Outcome::Dropped => "dropped".to_owned(),
    };
    let ended = world.run.note(Event::Ended(who, text));
    let has_answer = matches!(outcome, Outcome::Response { .. });
    let handle = {
        let mut seen = noted(&notes);
        (seen.ended, seen.ended_at, seen.outcome) = (ended, world.now(), Some(outcome));
        seen.acted.as_mut().and_then(|acted| acted.handle.take())
    };
    let handle = handle.filter(|_| has_answer);
    if let Some(mut handle) = handle {
        as_watched(who, None, async {
            let (begun, own) = (world.run.now(), format!("handle {}", number(who)));
            let op = world.case.ops[who as usize];
            let standing = if op == Op::HandleWrite {
                handle.insert(&own, 1).unwrap();
                handle.commit().await
            } else {
                handle.reload().await
            };
            let standing = standing.ok();
            world.run.note(Event::Ended(who, format!("its handle is {standing:?}")));
            let session = noted(&notes).session.clone().unwrap();
            let is_shared = session.contains_key(&own);
            noted(&notes).handled = Some(Handled {
                begun,
                ended_at: world.now(),
                standing,
                keys: handle.keys(),
                is_shared,
            });
        })
        .await;
    }
    if !has_answer {
        work_in_background(&world).await;
    }
    // Nothing of the request is left that could still note something.
    Arc::into_inner(notes).unwrap().into_inner().unwrap()
}

/// The request itself.
async fn answer(world: &Arc<World>, who: Who, notes: &Notes) -> Outcome {
    let ending = world.case.endings[who as usize];
    let method = if ending == Ending::Head { Method::HEAD } else { Method::GET };
    let request = World::request(Some(&world.first), method);
    let service = service_fn(|request| handle(world.clone(), who, notes.clone(), request));
    let mut service = SessionLayer::new(world.sessions.clone()).layer(service);
    let limit = if let Ending::Dropped(pauses) = ending { Some(pauses) } else { None };
    match as_watched(who, limit, service.call(request)).await {
        Watched::Done(response) => {
            let response: Response<String> =
                response.unwrap_or_else(|never: Infallible| match never {});
            Outcome::Response {
                status: response.status().as_u16(),
                sent: Sent::of(response.headers()),
                says_gone: response.extensions().get::<Gone>().is_some(),
            }
        }
        Watched::Panicked => Outcome::Panicked,
        Watched::Dropped => Outcome::Dropped,
    }
}

/// The handler.
async fn handle(
    world: Arc<World>,
    who: Who,
    notes: Notes,
    request: Request<()>,
) -> Result<Response<String>, Infallible> {
    let (op, ending) = (world.case.ops[who as usize], world.case.endings[who as usize]);
    let mut response = Response::<String>::default();
    let mut fail = |error: &cloakroom::Error| {
        noted(&notes).error = Some(error.status().as_u16());
        *response.status_mut() = error.status();
        Ok(std::mem::take(&mut response))
    };
    let session = match Session::of(&request).await {
        Ok(session) => session,
        Err(error) => return fail(&error),
    };
    // Asking for these is no look, so that it does not touch what the operation would not.
    noted(&notes).found = Some(Found { is_new: session.is_new(), id: session.id() });
    noted(&notes).session = Some(session.clone());
    match op.act(who, &session, &world).await {
        Err(error) => return fail(&error),
        Ok(acted) => {
            let runs = acted.runs.as_ref();
            let runs = runs.map_or(0, |runs| runs.load(std::sync::atomic::Ordering::Relaxed));
            noted(&notes).runs_when_called = runs;
            noted(&notes).acted = Some(acted);
        }
    }
    world.run.point().await;
    if ending == Ending::Panic {
        resume_unwind(Box::new("on purpose")); // without a message
    }
    noted(&notes).has_answered = true;
    *response.status_mut() = StatusCode::from_u16(ending.status()).unwrap();
    Ok(response)
}

enum Watched<T> {
    Done(T),
    Panicked,
    Dropped,
}

/// Does `work` in the name of `who`, as a server does: a panic ends the request alone, and when it has waited `limit`
/// times its client goes away.
async fn as_watched<T>(
    who: Who,
    limit: Option<usize>,
    work: impl Future<Output = T>,
) -> Watched<T> {
    let (mut work, mut pauses) = (Some(Box::pin(work)), 0);
    poll_fn(move |context| {
        let Some(running) = &mut work else { return Poll::Pending };
        if limit.is_some_and(|limit| pauses >= limit) {
            as_who(who, || work = None);
            return Poll::Ready(Watched::Dropped);
        }
        let polled = || as_who(who, || running.as_mut().poll(context));
        match catch_unwind(AssertUnwindSafe(polled)) {
            Ok(Poll::Ready(done)) => Poll::Ready(Watched::Done(done)),
            Ok(Poll::Pending) => {
                pauses += 1;
                Poll::Pending
            }
            Err(_) => {
                as_who(who, || work = None);
                Poll::Ready(Watched::Panicked)
            }
        }
    })
    .await
}
