//! What has to hold in every state, and what has to happen in some of them for that to mean anything.

use stateright::Property;

use crate::drawing::Drawing;
use crate::state::{Request, State, Status};

/// S26, S77.
pub const LOGOUT_STAYS: &str = "what an acknowledged logout ended opens with no ticket, ever after";
/// S19, S77.
pub const LOGIN_STAYS: &str =
    "an acknowledged login's ticket is good, and the one before it is dead";
/// S77.
pub const BROWSER_IS_IN: &str =
    "when all is answered, the browser's ticket opens the session that there is";
/// S22.
pub const TOUCH_ONLY_TOUCHES: &str = "a touch moves the end of what was seen, and nothing else";
/// S62.
pub const REPLACES_WHAT_IT_SAW: &str = "a write takes the place of what was seen";
/// S66.
pub const NEVER_CROSSES: &str = "no write lands behind another ticket than the one that let it in";

/// Happens without waiting for replicas, as documented.
pub const UNDONE: &str = "a failover undoes an acknowledged logout";
/// Has to happen: what a logout waited for was good for something.
pub const OUTLASTS: &str = "a logout is acknowledged, and the master that did it is lost";
/// Has to happen.
pub const HOLDS_UNCONFIRMED: &str = "a login is answered with 503, and its ticket is the good one";
/// Has to happen: nobody can know whether the ticket before it is still needed.
pub const LOST: &str = "a login is answered with 503 and then lost, and its visitor is signed out";

pub fn properties() -> Vec<Property<Drawing>> {
    vec![
        Property::always(LOGOUT_STAYS, |_, state| logout_stays(state)),
        Property::always(LOGIN_STAYS, login_stays),
        Property::always(BROWSER_IS_IN, |drawing, state| {
            has_lost_a_login(state) || browser_is_in(drawing, state)
        }),
        Property::always(TOUCH_ONLY_TOUCHES, |_, state: &State| !state.seen.wrong_touch),
        Property::always(REPLACES_WHAT_IT_SAW, |_, state: &State| !state.seen.wrong_replace),
        Property::always(NEVER_CROSSES, |_, state: &State| !state.seen.crossing),
        Property::sometimes(UNDONE, |_, state: &State| state.term > 0 && !logout_stays(state)),
        Property::sometimes(OUTLASTS, |_, state: &State| {
            state.seen.loss_after_logout && state.master().is_none()
        }),
        Property::sometimes(HOLDS_UNCONFIRMED, |drawing, state: &State| {
            let is_in =
                |ticket| state.master().is_some_and(|record| drawing.admits(record, ticket));
            unconfirmed(state).any(|ticket| state.jar == Some(ticket) && is_in(ticket))
        }),
        Property::sometimes(LOST, |drawing, state: &State| {
            let in_jar = unconfirmed(state).any(|ticket| state.jar == Some(ticket));
            in_jar && has_lost_a_login(state) && !browser_is_in(drawing, state)
        }),
    ]
}

/// The tickets of logins that were answered with 503.
fn unconfirmed(state: &State) -> impl Iterator<Item = usize> {
    state.requests.iter().enumerate().filter_map(|(at, request)| {
        let is_one = request.kind.makes_ticket() && request.status() == Some(Status::NotConfirmed);
        is_one.then_some(at + 1)
    })
}

fn logout_stays(state: &State) -> bool {
    state.master().is_none() || !state.requests.iter().any(Request::is_acknowledged_logout)
}

fn login_stays(drawing: &Drawing, state: &State) -> bool {
    let Some(record) = state.master() else { return true };
    state.requests.iter().enumerate().all(|(at, request)| {
        let is_acknowledged = request.kind.makes_ticket() && request.status() == Some(Status::Done);
        let is_dead = |ticket| !drawing.admits(record, ticket);
        !is_acknowledged || record.has_had(at + 1) && request.ticket.is_none_or(is_dead)
    })
}

/// Whether a failover lost a login whose ticket the browser has been sent.
fn has_lost_a_login(state: &State) -> bool {
    let Some(record) = state.master() else { return false };
    unconfirmed(state).any(|ticket| !record.has_had(ticket))
}

fn browser_is_in(drawing: &Drawing, state: &State) -> bool {
    let Some(record) = state.master() else { return true };
    let is_in = state.jar.is_some_and(|ticket| drawing.admits(record, ticket));
    is_in || !state.is_quiet()
}
