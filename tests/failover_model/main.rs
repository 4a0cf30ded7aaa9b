//! A replica that takes the master's place under logins, logouts and looks: a drawing, because no test can bring two
//! machines through every order in which that happens.
//!
//! Drawn are one record; a master, and a replica that takes its writes in order and some time later, or never; the loss
//! of the master, with all that the replica has not taken; and one browser, which sends each of a few requests with
//! the cookie that it has then, and takes cookies in the order in which answers arrive. A request goes through its steps
//! as the library does: load, write on condition, again after a conflict, wait for the replica, answer. The checker goes
//! through every order of all these steps to the end, and prints how many states there are.
//!
//! The table is the design's: `src/factory/plan.rs` says what a request comes to, and each step in `drawing.rs` names the
//! function that it draws. Who changes one of those changes the drawing. It is exact about order and about what is
//! lost, and about nothing else.
//!
//! Not drawn, because the real code is tested for it: what is in a record and in a cookie, time, randomness, flash
//! messages, periodic renewals, sessions that begin, several visitors (`tests/it/`, `tests/schedules.rs`); answers that
//! are lost and engines that hang or restart (`testbed/tests/faults/`); whether an engine's replica has what it says
//! (`tests/redis_replicas.rs`). A master that is cut off and answers somebody still is drawn as one that answered before
//! it was lost: what it takes is lost the same way. That its readers see what was ended elsewhere, until it learns that
//! it is not the master any more, is true of every engine and not drawn.
//!
//! The tests come in two kinds. The first say what holds. The others take one thing out of the design and see the
//! checker find what it was good for. One of those things the library does not have so far: a confirmation that is one of
//! the write (Redis is asked on another connection, which may lead to another master by then).

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod drawing;
mod properties;
mod state;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Path};

use drawing::{Action, Drawing, Slip, Told, Waits};
use properties::{
    BROWSER_IS_IN, HOLDS_UNCONFIRMED, LOGIN_STAYS, LOGOUT_STAYS, LOST, NEVER_CROSSES, OUTLASTS,
    REPLACES_WHAT_IT_SAW, TOUCH_ONLY_TOUCHES, UNDONE,
};
use state::Kind::{self, Change, Login, Logout, Look, Restart};
use state::State;

/// The design with a store that waits for its replica, and one failover at any time.
fn design(kinds: &[Kind]) -> Drawing {
    Drawing {
        kinds: kinds.to_vec(),
        failovers: 1,
        waits: Waits::ForTheWrite,
        versions: Told::ByName,
        epochs: Told::ByName,
        is_persistent: false,
        slip: None,
    }
}

/// What is found in all states there are: properties that do not hold, and those that have to happen and do.
fn explore(drawing: &Drawing) -> BTreeSet<&'static str> {
    let checker = drawing.clone().checker().spawn_bfs().join();
    println!("{} states: {drawing:?}", checker.unique_state_count());
    checker.discoveries().into_iter().map(|(name, path)| tell(name, path)).collect()
}

/// Whether this comes about.
fn finds(drawing: &Drawing, name: &'static str) -> bool {
    let enough = HasDiscoveries::AnyOf([name].into());
    let checker = drawing.clone().checker().finish_when(enough).spawn_bfs().join();
    checker.discovery(name).map(|path| tell(name, path)).is_some()
}

/// Prints the steps that lead there, for whoever reads a failure.
fn tell(name: &'static str, path: Path<State, Action>) -> &'static str {
    println!("{name}: {:?}", path.last_state());
    path.into_actions().iter().for_each(|action| println!("    {action:?}"));
    name
}

#[test]
fn s77_what_is_acknowledged_after_waiting_outlasts_failovers() {
    let alone = Drawing { failovers: 2, ..design(&[Login, Logout, Look]) };
    let with_a_change = design(&[Login, Logout, Look, Change]);
    let logged_in_twice = design(&[Login, Login, Logout]);
    for drawing in [alone, with_a_change, logged_in_twice] {
        assert_eq!(explore(&drawing), [OUTLASTS, HOLDS_UNCONFIRMED, LOST].into());
    }
    let restarted = design(&[Login, Restart, Change]);
    assert_eq!(explore(&restarted), [HOLDS_UNCONFIRMED, LOST].into());
}

#[test]
fn s77_without_waiting_a_failover_undoes_what_was_acknowledged() {
    let drawing = Drawing { waits: Waits::No, ..design(&[Login, Logout, Look]) };
    let undone = [UNDONE, LOGOUT_STAYS, LOGIN_STAYS, BROWSER_IS_IN, OUTLASTS];
    assert_eq!(explore(&drawing), undone.into());
    // And nothing else does.
    assert_eq!(explore(&Drawing { failovers: 0, ..drawing }), [].into());
}

#[test]
fn s77_a_login_a_logout_and_a_look_are_as_safe_with_counted_versions() {
    let (versions, epochs) = (Told::ByCount, Told::ByCount);
    let drawing = Drawing { versions, epochs, ..design(&[Login, Logout, Look]) };
    assert_eq!(explore(&drawing), [OUTLASTS, HOLDS_UNCONFIRMED, LOST].into());
}

// From here on: what each part of the design is good for.

#[test]
fn s77_a_confirmation_of_another_masters_writes_confirms_nothing() {
    // The write was lost with its master; the replica of the next one has all that that one has.
    let drawing = Drawing { waits: Waits::ForThePresentMaster, ..design(&[Login, Logout, Look]) };
    assert!(finds(&drawing, LOGOUT_STAYS));
    assert!(finds(&drawing, LOGIN_STAYS));
}

#[test]
fn s19_s77_a_version_that_is_given_twice_brings_an_old_ticket_back() {
    // A request that saw the lost one writes over the other, and with what it saw comes the ticket of that time.
    let drawing = Drawing { versions: Told::ByCount, ..design(&[Login, Restart, Change]) };
    assert!(finds(&drawing, REPLACES_WHAT_IT_SAW));
    assert!(finds(&drawing, LOGIN_STAYS));
    assert!(finds(&drawing, BROWSER_IS_IN));
}

#[test]
fn s22_s77_a_version_that_is_given_twice_has_an_end_moved_that_nobody_saw() {
    let drawing = Drawing { versions: Told::ByCount, ..design(&[Login, Change, Look]) };
    assert!(finds(&drawing, TOUCH_ONLY_TOUCHES));
}

#[test]
fn s66_s77_an_epoch_that_is_given_twice_lets_a_write_behind_another_ticket() {
    // One login was lost and another came. A write that was let in by the first one's ticket finds as many logins as it knows.
    let drawing = Drawing { epochs: Told::ByCount, ..design(&[Login, Restart, Change]) };
    assert!(finds(&drawing, NEVER_CROSSES));
}

#[test]
fn s19_a_look_that_moves_a_persistent_cookies_end_may_take_the_new_tickets_place() {
    // So a look sends none. Without a failover: it is enough that the login's answer arrives before that of the look, which was made first.
    let drawing = Drawing { failovers: 0, is_persistent: true, ..design(&[Login, Look]) };
    assert!(finds(&drawing, BROWSER_IS_IN));
}

fn slipping(slip: Slip, kinds: &[Kind]) -> Drawing {
    Drawing { slip: Some(slip), ..design(kinds) }
}

#[test]
fn s77_an_answer_before_the_confirmation_is_found() {
    let drawing = slipping(Slip::AnswersBeforeConfirming, &[Login, Logout]);
    assert!(finds(&drawing, LOGOUT_STAYS));
    assert!(finds(&drawing, LOGIN_STAYS));
}

#[test]
fn s77_a_503_without_the_new_ticket_or_with_a_forgotten_one_is_found() {
    assert!(finds(&slipping(Slip::SendsNoTicketWithA503, &[Login]), BROWSER_IS_IN));
    assert!(finds(&slipping(Slip::ForgetsTheCookieWithA503, &[Logout]), BROWSER_IS_IN));
}

#[test]
fn s64_a_touch_that_asks_for_no_version_is_found() {
    let drawing = slipping(Slip::TouchesWhateverIsThere, &[Login, Look]);
    assert!(finds(&drawing, TOUCH_ONLY_TOUCHES));
    assert!(finds(&drawing, LOGIN_STAYS));
}

#[test]
fn s19_an_old_ticket_that_is_let_in_is_found() {
    assert!(finds(&slipping(Slip::LetsTheOldTicketIn, &[Login]), LOGIN_STAYS));
}
