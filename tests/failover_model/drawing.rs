//! What can happen next: a step of a request, a write that reaches the replica, or the loss of the master.
//!
//! A call to the store is one step, because an engine carries it out at once. Each step names the function that it draws.

use stateright::{Model, Property};

use crate::properties::properties;
use crate::state::{
    Answer, Cookie, Kind, Record, Request, Seen, State, Status, Step, Ticket, Version,
};

/// What is waited for before a login or a logout is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Nothing.
    No,
    /// The replica of the master that took the write has it: what `Store::await_replication` promises.
    ForTheWrite,
    /// The replica of whoever is the master by now has all that this one has.
    ForThePresentMaster,
}

/// By what two states of a record, or two epochs, are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A number, which a new master gives a second time if it was lost with the old one.
    ByCount,
    /// Something that is drawn once and never again, as `Version::next` and `Body::epoch` are.
    ByName,
}

/// A mistake in the design, to see that the checker finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slip {
    AnswersBeforeConfirming,
    SendsNoTicketWithA503,
    ForgetsTheCookieWithA503,
    TouchesWhateverIsThere,
    LetsTheOldTicketIn,
}

#[derive(Clone, Debug)]
pub struct Drawing {
    /// The requests, each of which is sent at some time or never.
    pub kinds: Vec<Kind>,
    pub failovers: usize,
    pub waits: Waits,
    pub versions: Told,
    pub epochs: Told,
    /// Whether a look and a change move the date until which the browser keeps the cookie, as they once did.
    pub is_persistent: bool,
    pub slip: Option<Slip>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Send(Kind, usize),
    Load(Kind, usize),
    Write(Kind, usize),
    AskToConfirm(Kind, usize),
    Confirm(Kind, usize),
    GiveUp(Kind, usize),
    Arrive(Kind, usize),
    Replicate,
    FailOver,
}

impl Drawing {
    fn slips(&self, slip: Slip) -> bool {
        self.slip == Some(slip)
    }

    /// `Body::admit`, without the grace of a periodic renewal.
    pub fn admits(&self, record: &Record, ticket: Ticket) -> bool {
        record.tickets.last() == Some(&ticket)
            || self.slips(Slip::LetsTheOldTicketIn) && record.has_had(ticket)
    }

    fn is_same_version(&self, there: &Record, seen: &Record) -> bool {
        match self.versions {
            Told::ByCount => there.version.number == seen.version.number,
            Told::ByName => there.version == seen.version,
        }
    }

    fn is_same_epoch(&self, there: &Record, seen: &Record) -> bool {
        match self.epochs {
            Told::ByCount => there.tickets.len() == seen.tickets.len(),
            Told::ByName => there.tickets == seen.tickets,
        }
    }

    /// `StoredFactory::open`, and what `plan` makes of an arrival without a session.
    fn load(&self, state: &State, request: &Request) -> Step {
        match (state.master(), request.ticket) {
            (Some(record), Some(ticket)) if self.admits(record, ticket) => {
                Step::Opened(record.clone())
            }
            (None, Some(_)) if request.kind == Kind::Logout => self.removed(state),
            // Late or refused. A session that begins here has a record of its own, which is not drawn.
            _ => Step::Over(Status::Nothing),
        }
    }

    fn write(&self, state: &mut State, at: usize, seen: Record) -> Step {
        match state.requests[at].kind {
            Kind::Login | Kind::Restart | Kind::Change => self.replace(state, at, seen),
            Kind::Look => self.touch(state, at, &seen),
            Kind::Logout => self.remove(state),
        }
    }

    /// One attempt of `Anchor::write`, and what `Visit::replace` does after it.
    fn replace(&self, state: &mut State, at: usize, seen: Record) -> Step {
        let kind = state.requests[at].kind;
        let Some(there) = state.master().cloned() else { return Step::Over(Status::Nothing) };
        if self.is_same_version(&there, &seen) {
            state.seen.wrong_replace |= there != seen;
            let kept = next(kind, at, seen);
            state.ahead.push(Some(kept.clone()));
            return if kind.makes_ticket() {
                self.has_to_hold(state, Cookie::Set(at + 1))
            } else {
                Step::answered(Status::Done, self.own(&state.requests[at], &kept))
            };
        }
        if self.is_same_epoch(&there, &seen) {
            // Somebody was faster: once more, on what is there.
            state.seen.crossing |= there.tickets != seen.tickets;
            return Step::Opened(there);
        }
        // `Visit::overtaken`: a logout holds whoever was faster.
        if kind == Kind::Restart { self.remove(state) } else { Step::Over(Status::Nothing) }
    }

    /// `Visit::touch`.
    fn touch(&self, state: &mut State, at: usize, seen: &Record) -> Step {
        let Some(there) = state.master().cloned() else { return Step::Over(Status::Nothing) };
        let left = if self.slips(Slip::TouchesWhateverIsThere) {
            seen.clone()
        } else if self.is_same_version(&there, seen) {
            there.clone()
        } else {
            return Step::Over(Status::Done);
        };
        state.seen.wrong_touch |= left != there || *seen != there;
        state.ahead.push(Some(left));
        Step::answered(Status::Done, self.own(&state.requests[at], seen))
    }

    /// `Anchor::remove`.
    fn remove(&self, state: &mut State) -> Step {
        state.ahead.push(None);
        self.removed(state)
    }

    fn removed(&self, state: &State) -> Step {
        self.has_to_hold(state, Cookie::Forget)
    }

    fn has_to_hold(&self, state: &State, cookie: Cookie) -> Step {
        let answer = Answer { status: Status::Done, cookie };
        if self.slips(Slip::AnswersBeforeConfirming) {
            return Step::Answered(answer);
        }
        Step::Written { term: state.term, answer }
    }

    /// What `Visit::send_after` does not do any more.
    fn own(&self, request: &Request, kept: &Record) -> Cookie {
        match request.ticket {
            Some(ticket) if self.is_persistent && kept.tickets.last() == Some(&ticket) => {
                Cookie::Set(ticket)
            }
            _ => Cookie::Keep,
        }
    }

    /// `Anchor::confirm`.
    fn ask_to_confirm(&self, state: &State, term: usize, answer: Answer) -> Step {
        match self.waits {
            Waits::No => Step::Answered(answer),
            Waits::ForTheWrite if term != state.term => self.not_confirmed(answer),
            Waits::ForTheWrite | Waits::ForThePresentMaster => {
                Step::Waits { behind: state.ahead.len(), answer }
            }
        }
    }

    /// What `Visit::replace` and `Plan::Remove` answer then: the new ticket goes out, and no cookie is forgotten.
    fn not_confirmed(&self, answer: Answer) -> Step {
        let cookie = match answer.cookie {
            Cookie::Set(_) if self.slips(Slip::SendsNoTicketWithA503) => Cookie::Keep,
            Cookie::Forget if !self.slips(Slip::ForgetsTheCookieWithA503) => Cookie::Keep,
            cookie => cookie,
        };
        Step::answered(Status::NotConfirmed, cookie)
    }

    /// The replica becomes the master with what it has. Another one follows: at once, or so late that it is as if none
    /// did, which are both a matter of when it takes the next write.
    fn fail_over(&self, state: &mut State) {
        state.term += 1;
        state.seen.loss_after_logout |= state.requests.iter().any(Request::is_acknowledged_logout);
        state.ahead.clear();
        for request in &mut state.requests {
            if let Step::Waits { answer, .. } = request.step {
                request.step = self.not_confirmed(answer);
            }
        }
    }

    fn step(&self, state: &mut State, at: usize, action: Action) -> Step {
        match (action, state.requests[at].step.clone()) {
            (Action::Send(..), _) => {
                state.requests[at].ticket = state.jar;
                Step::Sent
            }
            (Action::Load(..), _) => self.load(state, &state.requests[at]),
            (Action::Write(..), Step::Opened(seen)) => self.write(state, at, seen),
            (Action::AskToConfirm(..), Step::Written { term, answer }) => {
                self.ask_to_confirm(state, term, answer)
            }
            (Action::Confirm(..), Step::Waits { answer, .. }) => Step::Answered(answer),
            (Action::GiveUp(..), Step::Waits { answer, .. }) => self.not_confirmed(answer),
            (Action::Arrive(..), Step::Answered(Answer { status, cookie })) => {
                match cookie {
                    Cookie::Keep => {}
                    Cookie::Set(ticket) => state.jar = Some(ticket),
                    Cookie::Forget => state.jar = None,
                }
                Step::Over(status)
            }
            (action, step) => unreachable!("{action:?} at {step:?}"),
        }
    }
}

/// `next` of `src/factory/stored/next.rs`: what was seen, with what the request does to it.
fn next(kind: Kind, at: usize, seen: Record) -> Record {
    let version = Version { number: seen.version.number + 1, writer: Some(at) };
    let mut next = Record { version, ..seen };
    match kind {
        Kind::Login => next.tickets.push(at + 1),
        Kind::Restart => {
            next.tickets.push(at + 1);
            next.changes.clear();
        }
        Kind::Change => next.changes.push(at),
        Kind::Logout | Kind::Look => {}
    }
    next
}

impl Model for Drawing {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let request = |kind: &Kind| Request { kind: *kind, ticket: None, step: Step::Unsent };
        vec![State {
            term: 0,
            replica: Some(Record::first()),
            ahead: Vec::new(),
            requests: self.kinds.iter().map(request).collect(),
            jar: Some(0),
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (at, Request { kind, step, .. }) in state.requests.iter().enumerate() {
            match step {
                Step::Unsent => actions.push(Action::Send(*kind, at)),
                Step::Sent => actions.push(Action::Load(*kind, at)),
                Step::Opened(_) => actions.push(Action::Write(*kind, at)),
                Step::Written { .. } => actions.push(Action::AskToConfirm(*kind, at)),
                Step::Waits { behind, .. } => {
                    actions.push(Action::GiveUp(*kind, at));
                    if *behind == 0 {
                        actions.push(Action::Confirm(*kind, at));
                    }
                }
                Step::Answered(_) => actions.push(Action::Arrive(*kind, at)),
                Step::Over(_) => {}
            }
        }
        if !state.ahead.is_empty() {
            actions.push(Action::Replicate);
        }
        if state.term < self.failovers {
            actions.push(Action::FailOver);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut state = state.clone();
        match action {
            Action::Replicate => state.replicate(),
            Action::FailOver => self.fail_over(&mut state),
            Action::Send(_, at)
            | Action::Load(_, at)
            | Action::Write(_, at)
            | Action::AskToConfirm(_, at)
            | Action::Confirm(_, at)
            | Action::GiveUp(_, at)
            | Action::Arrive(_, at) => {
                let step = self.step(&mut state, at, action);
                let request = &mut state.requests[at];
                if matches!(step, Step::Over(_)) && !request.kind.makes_ticket() {
                    // Nobody asks any more.
                    request.ticket = None;
                }
                request.step = step;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties()
    }
}
