//! What is drawn: the record, the requests, the browser and the two machines, at one moment.

use std::fmt;

/// The browser begins with number 0; the request at place `n` makes number `n + 1`.
pub type Ticket = usize;

/// Which write left a record: how many there were, and which request made it. No two histories share both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    pub number: usize,
    pub writer: Option<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Record {
    pub version: Version,
    /// The tickets that there were, the good one last. Each changed the session's rights: their number is the epoch.
    pub tickets: Vec<Ticket>,
    /// The requests whose changes are in it.
    pub changes: Vec<usize>,
}

impl Record {
    pub fn first() -> Self {
        let version = Version { number: 1, writer: None };
        Self { version, tickets: vec![0], changes: Vec::new() }
    }

    /// Whether this ticket is the good one, or was before others came after it.
    pub fn has_had(&self, ticket: Ticket) -> bool {
        self.tickets.contains(&ticket)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version { number, writer } = self.version;
        write!(f, "v{number} by {writer:?} tickets {:?} changes {:?}", self.tickets, self.changes)
    }
}

/// What a request is for, and what the table in `src/factory/plan.rs` makes of it where its ticket opens the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `Plan::Renew`.
    Login,
    /// `Plan::Remove`; where nothing is there any more `Plan::Confirm`.
    Logout,
    /// A logout, and something written after it: `Plan::Restart`.
    Restart,
    /// `Plan::Replace`.
    Change,
    /// `Plan::Touch`.
    Look,
}

impl Kind {
    pub fn makes_ticket(self) -> bool {
        matches!(self, Self::Login | Self::Restart)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// 200: what was asked for is done.
    Done,
    /// 200: the session was gone, and nothing was done.
    Nothing,
    /// 503: done, and not confirmed.
    NotConfirmed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cookie {
    Keep,
    Set(Ticket),
    Forget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    pub status: Status,
    pub cookie: Cookie,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Unsent,
    Sent,
    /// Has loaded this, or been told of it by a conflict.
    Opened(Record),
    /// Has written what has to hold, in this term.
    Written {
        term: usize,
        answer: Answer,
    },
    /// Waits for the replica to take so many writes.
    Waits {
        behind: usize,
        answer: Answer,
    },
    /// Its answer is on the way.
    Answered(Answer),
    Over(Status),
}

impl Step {
    /// An answer without a cookie may as well be there at once: nothing depends on when.
    pub fn answered(status: Status, cookie: Cookie) -> Self {
        match cookie {
            Cookie::Keep => Self::Over(status),
            Cookie::Set(_) | Cookie::Forget => Self::Answered(Answer { status, cookie }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub kind: Kind,
    /// What it was sent with.
    pub ticket: Option<Ticket>,
    pub step: Step,
}

impl Request {
    /// How it ended, as soon as its answer leaves.
    pub fn status(&self) -> Option<Status> {
        match &self.step {
            Step::Answered(Answer { status, .. }) | Step::Over(status) => Some(*status),
            Step::Unsent
            | Step::Sent
            | Step::Opened(_)
            | Step::Written { .. }
            | Step::Waits { .. } => None,
        }
    }

    pub fn is_acknowledged_logout(&self) -> bool {
        self.kind == Kind::Logout && self.status() == Some(Status::Done)
    }
}

/// What happened and does not show afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// A touch changed more than an end, or the end of what it had not seen.
    pub wrong_touch: bool,
    /// A write took the place of a record that it had not seen.
    pub wrong_replace: bool,
    /// A write was made again on a session of another ticket than the one that had let it in.
    pub crossing: bool,
    /// A master was lost when a logout had been acknowledged.
    pub loss_after_logout: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// How often the replica has become the master.
    pub term: usize,
    pub replica: Option<Record>,
    /// What the replica has yet to take: what the master had after each write, in order.
    pub ahead: Vec<Option<Record>>,
    pub requests: Vec<Request>,
    pub jar: Option<Ticket>,
    pub seen: Seen,
}

impl State {
    pub fn master(&self) -> Option<&Record> {
        self.ahead.last().unwrap_or(&self.replica).as_ref()
    }

    /// Whether nothing is under way.
    pub fn is_quiet(&self) -> bool {
        let rests = |request: &Request| matches!(request.step, Step::Unsent | Step::Over(_));
        self.requests.iter().all(rests)
    }

    pub fn replicate(&mut self) {
        self.replica = self.ahead.remove(0);
        for request in &mut self.requests {
            if let Step::Waits { behind, .. } = &mut request.step {
                *behind = behind.saturating_sub(1);
            }
        }
    }
}
