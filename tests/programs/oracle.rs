//! The oracle: says whether what was seen can have come from sessions as the documents promise them.
//!
//! It knows the promises and none of the code. It keeps a set of states that the promises allow so far, and has each
//! event choose among them: an event that no state allows is a breach, and carries the sentence that it breaks. What
//! ran at the same time is tried in every order that the times of the events allow.

use crate::history::{Event, What};
use crate::program::{Place, Program};

mod asking;
mod cookies;
mod dict;
mod ending;
mod handles;
mod keeping;
mod opening;
mod operating;
mod settling;
mod state;

use state::State;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The sentence.
    pub promise: &'static str,
    /// What was seen instead.
    pub seen: String,
}

impl Breach {
    fn new(promise: &'static str, seen: impl Into<String>) -> Self {
        Self { promise, seen: seen.into() }
    }
}

/// The states after an event, or why there are none.
type Outcome = Result<Vec<State>, Breach>;

fn ensure(holds: bool, promise: &'static str, seen: impl FnOnce() -> String) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach::new(promise, seen())) }
}

/// Whether these events keep all promises.
pub fn judge(program: &Program, events: &[Event]) -> Result<(), Breach> {
    if program.settings.place == Place::Cookie {
        return cookies::judge(program, events);
    }
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by_key(|event| event.start);
    let first = State::new(program.settings, program.is_sequential());
    explain(vec![first], &events).map_err(|(_, breach)| breach)
}

/// Looks for an order of the events that some state explains. The error is that of the order that got furthest.
fn explain(states: Vec<State>, events: &[&Event]) -> Result<(), (usize, Breach)> {
    let Some(first_end) = events.iter().map(|event| event.end).min() else { return Ok(()) };
    let mut furthest: Option<(usize, Breach)> = None;
    for (index, event) in events.iter().enumerate().take_while(|(_, it)| it.start <= first_end) {
        if !is_next_of_its_request(events, index) {
            continue;
        }
        let depth = events.len();
        let result = after(&states, event).map_err(|breach| (depth, breach)).and_then(|states| {
            let mut rest = events.to_vec();
            rest.remove(index);
            explain(states, &rest)
        });
        match result {
            Ok(()) => return Ok(()),
            // Fewer events were left where it got further.
            Err((left, breach)) => {
                if furthest.as_ref().is_none_or(|(least, _)| left < *least) {
                    furthest = Some((left, breach));
                }
            }
        }
    }
    Err(furthest.expect("the event that ends first can come first"))
}

/// Whether nothing of the same request comes before this event.
fn is_next_of_its_request(events: &[&Event], index: usize) -> bool {
    let request = request_of(&events[index].what);
    request.is_none() || !events[..index].iter().any(|event| request_of(&event.what) == request)
}

fn request_of(what: &What) -> Option<usize> {
    match what {
        What::Opened { request, .. }
        | What::Did { request, .. }
        | What::Ended { request, .. }
        | What::Delivered { request, .. }
        | What::Left { request, .. } => Some(*request),
        What::Waited(_) | What::Listed { .. } => None,
    }
}

/// What any of these states may become by this event.
fn after(states: &[State], event: &Event) -> Outcome {
    let (mut next, mut refused) = (Vec::new(), None);
    for state in states {
        match state.after(&event.what) {
            Ok(states) => {
                for state in states {
                    if !next.contains(&state) {
                        next.push(state);
                    }
                }
            }
            Err(breach) => refused = refused.or(Some(state.blames(breach))),
        }
    }
    match refused {
        Some(breach) if next.is_empty() => Err(breach),
        _ => Ok(next),
    }
}
