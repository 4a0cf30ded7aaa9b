//! A program: a few requests of a few browsers, and the order in which they proceed. Written by dice, printed as a
//! script that a person can follow.

use std::fmt;

use crate::dice::Dice;

/// How long sessions live, in seconds: a factory's limits, or those of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    pub name: &'static str,
    pub idle: u64,
    pub absolute: u64,
    pub persistent: bool,
}

pub const USUAL: Lifetime =
    Lifetime { name: "usual", idle: 1200, absolute: 86_400, persistent: false };
pub const SHORT: Lifetime = Lifetime { name: "short", idle: 60, absolute: 600, persistent: false };
pub const KEPT: Lifetime = Lifetime { name: "kept", idle: 3600, absolute: 7200, persistent: true };

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Memory,
    Sqlite,
    Cookie,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub place: Place,
    /// `keep_on_error`, and `set_on_exception` of the signed cookie.
    pub keep_on_error: bool,
    /// Whether overwriting what was read and has changed is refused.
    pub refuse: bool,
    /// After how many seconds tickets are renewed.
    pub renew_every: Option<u64>,
    pub lifetime: Lifetime,
}

/// How long an old ticket opens its session after a periodic renewal.
pub const GRACE: u64 = 25;
/// How long claimed flash messages wait for their response.
pub const LEASE: u64 = 37;

pub const KEYS: [&str; 3] = ["a", "b", "c"];
pub const QUEUES: [&str; 2] = ["", "q"];
pub const OWNERS: [&str; 2] = ["ada", "bob"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Get(usize),
    Has(usize),
    Keys,
    Insert(usize, u64),
    Remove(usize),
    Take(usize),
    PopItem,
    Clear,
    Extend(u64, u64),
    GetOrInsert(usize, u64),
    Modify(usize, u64),
    Changed,
    Flash(usize, u64),
    FlashUnique(usize, u64),
    PopFlash(usize),
    PeekFlash(usize),
    Csrf,
    NewCsrf,
    Renew,
    SetOwner(usize),
    ForgetOwner,
    Invalidate,
    SetLimits(Option<Lifetime>),
    /// Takes a handle on this request's session; there is one place for a handle in a program.
    TakeHandle,
    HandleInsert(usize, u64),
    HandleModify(usize, u64),
    HandleGet(usize),
    HandleReload,
    HandleCommit,
    RevokeOthers,
    RevokeAll(usize),
    /// Ends the session that this browser was last seen with.
    RevokeOne(usize),
    /// Everything that can be seen: what the test asks at the end of a program.
    Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Status(u16),
    Head,
    Panic,
    Fail,
}

/// What one request does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    pub browser: usize,
    pub ops: Vec<Op>,
    pub ending: Ending,
    /// The client goes away after so many steps, if the request has not ended by then.
    pub leaves_after: Option<usize>,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The request is sent, or goes on to its next operation or store call.
    Step(usize),
    /// The request goes on to its end.
    Run(usize),
    /// Seconds pass.
    Wait(u64),
    /// What dropped requests left behind goes on.
    Background,
    /// It goes on to its end.
    Quiet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub seed: u64,
    pub settings: Settings,
    pub requests: Vec<Script>,
    pub turns: Vec<Turn>,
}

/// Within and beyond the touch threshold, the grace, the lease and each limit of each lifetime, and never exactly there.
const WAITS: [u64; 13] = [0, 1, 1, 10, 10, 40, 40, 61, 130, 700, 1301, 7300, 90_000];

impl Program {
    /// The program of this seed. Whether its requests run at the same time is up to the caller.
    pub fn of(seed: u64, place: Place, at_once: bool) -> Self {
        let mut dice = Dice::new(seed);
        let settings = settings(&mut dice, place);
        let browsers = 1 + usize::from(dice.once_in(4));
        let mut messages = 100;
        let mut requests: Vec<Script> =
            (0..3).map(|_| script(&mut dice, place, browsers, &mut messages)).collect();
        if !at_once {
            requests.iter_mut().for_each(|script| script.leaves_after = None);
        }
        let turns = if at_once { interleaved(&mut dice, &requests) } else { in_a_row(&mut dice) };
        Self { seed, settings, requests, turns }
    }

    /// The same without what only a part of the documents speaks of: handles, other owners, responses that nobody sees.
    pub fn plain(mut self) -> Self {
        let in_cookie = self.settings.place == Place::Cookie;
        for script in &mut self.requests {
            script.ops.retain(|op| match op {
                Op::TakeHandle
                | Op::HandleInsert(..)
                | Op::HandleModify(..)
                | Op::HandleGet(_)
                | Op::HandleReload
                | Op::HandleCommit
                | Op::RevokeOthers
                | Op::SetOwner(1) => false,
                Op::Renew => !in_cookie,
                _ => true,
            });
            script.ending = match script.ending {
                Ending::Status(404) => Ending::Status(404),
                _ => Ending::Status(200),
            };
        }
        self
    }

    /// Whether no request begins before the one before it has ended.
    pub fn is_sequential(&self) -> bool {
        !self.turns.iter().any(|turn| matches!(turn, Turn::Step(_)))
            && self.requests.iter().all(|script| script.leaves_after.is_none())
    }
}

fn settings(dice: &mut Dice, place: Place) -> Settings {
    Settings {
        place,
        keep_on_error: !dice.once_in(3),
        refuse: dice.once_in(3),
        renew_every: dice.once_in(3).then_some(55),
        lifetime: dice.one_of(&[USUAL, USUAL, SHORT, KEPT]),
    }
}

fn script(dice: &mut Dice, place: Place, browsers: usize, messages: &mut u64) -> Script {
    let mut ops = Vec::new();
    for _ in 0..1 + dice.below(5) {
        let op = operation(dice, messages);
        // Nobody's session that becomes another's: two documents say two things of its data.
        let after_forgetting = ops.contains(&Op::ForgetOwner) && matches!(op, Op::SetOwner(_));
        if !after_forgetting && (place != Place::Cookie || !matches!(op, Op::RevokeOne(_))) {
            ops.push(op);
        }
    }
    let ending = match dice.below(14) {
        0 => Ending::Status(204),
        1 | 2 => Ending::Status(302),
        3 => Ending::Status(304),
        4 => Ending::Status(404),
        5 | 6 => Ending::Status(500),
        7 => Ending::Head,
        8 => Ending::Panic,
        9 => Ending::Fail,
        _ => Ending::Status(200),
    };
    let leaves_after = dice.once_in(8).then(|| 1 + dice.below(ops.len() + 4));
    Script { browser: dice.below(browsers), ops, ending, leaves_after }
}

fn operation(dice: &mut Dice, messages: &mut u64) -> Op {
    let key = dice.below(KEYS.len());
    let value = dice.next() % 3;
    let queue = dice.below(QUEUES.len());
    let owner = dice.below(OWNERS.len());
    *messages += 1;
    match dice.below(60) {
        0..=3 => Op::Get(key),
        4 => Op::Has(key),
        5 => Op::Keys,
        6..=12 => Op::Insert(key, value),
        13 => Op::Remove(key),
        14 => Op::Take(key),
        15 => Op::PopItem,
        16 => Op::Clear,
        17 => Op::Extend(value, dice.next() % 3),
        18 => Op::GetOrInsert(key, value),
        19..=21 => Op::Modify(key, 10),
        22 => Op::Changed,
        23..=25 => Op::Flash(queue, *messages),
        26 => Op::FlashUnique(queue, value),
        27..=30 => Op::PopFlash(queue),
        31 => Op::PeekFlash(queue),
        32 => Op::Csrf,
        33 => Op::NewCsrf,
        34 | 35 => Op::Renew,
        36..=40 => Op::SetOwner(owner),
        41 => Op::ForgetOwner,
        42..=44 => Op::Invalidate,
        45 | 46 => Op::SetLimits(dice.one_of(&[None, Some(SHORT), Some(KEPT)])),
        47 | 48 => Op::TakeHandle,
        49 => Op::HandleInsert(key, value),
        50 => Op::HandleModify(key, 100),
        51 => Op::HandleGet(key),
        52 => Op::HandleReload,
        53 | 54 => Op::HandleCommit,
        55 => Op::RevokeOthers,
        56 => Op::RevokeAll(owner),
        57 | 58 => Op::RevokeOne(dice.below(2)),
        _ => Op::Insert(key, value + 1),
    }
}

fn in_a_row(dice: &mut Dice) -> Vec<Turn> {
    let mut turns = Vec::new();
    for request in 0..3 {
        turns.extend([Turn::Run(request), Turn::Quiet, Turn::Wait(dice.one_of(&WAITS))]);
    }
    turns
}

fn interleaved(dice: &mut Dice, requests: &[Script]) -> Vec<Turn> {
    let mut turns = Vec::new();
    // Half of the programs begin with a request on its own, so that the others find a session.
    let first = usize::from(dice.once_in(2));
    if first == 1 {
        turns.push(Turn::Run(0));
    }
    let steps: usize = requests[first..].iter().map(|script| script.ops.len() + 4).sum();
    while turns.len() < steps {
        turns.push(match dice.below(12) {
            0 => Turn::Wait(dice.one_of(&WAITS)),
            1 => Turn::Background,
            2 => Turn::Run(first + dice.below(3 - first)),
            _ => Turn::Step(first + dice.below(3 - first)),
        });
    }
    turns
}

impl fmt::Display for Program {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        writeln!(
            out,
            "{:?}, keep on error: {}, overwrites: {}, renewed every: {:?}, limits: {}",
            settings.place,
            settings.keep_on_error,
            if settings.refuse { "refused" } else { "last wins" },
            settings.renew_every,
            settings.lifetime.name,
        )?;
        let turns: Vec<String> = self.turns.iter().map(|turn| format!("{turn:?}")).collect();
        writeln!(out, "  order: {}", turns.join(" "))?;
        for (number, script) in self.requests.iter().enumerate() {
            if script.ops.is_empty() && self.requests.len() > 1 {
                continue;
            }
            let ops: Vec<String> = script.ops.iter().map(Op::to_string).collect();
            write!(out, "  request {number}, browser {}: {}", script.browser, ops.join("; "))?;
            write!(out, " -> {:?}", script.ending)?;
            match script.leaves_after {
                Some(steps) => writeln!(out, ", client leaves after {steps} steps")?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }
}

impl Op {
    /// What it is, roughly.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Get(_) | Self::Has(_) | Self::Keys | Self::Look => "read",
            Self::Insert(..) | Self::Extend(..) | Self::GetOrInsert(..) | Self::Modify(..) => {
                "write"
            }
            Self::Remove(_) | Self::Take(_) | Self::PopItem | Self::Clear => "remove",
            Self::Changed => "changed",
            Self::Flash(..) => "flash",
            Self::FlashUnique(..) => "flash unique",
            Self::PopFlash(_) => "pop",
            Self::PeekFlash(_) => "peek",
            Self::Csrf | Self::NewCsrf => "token",
            Self::Renew => "renew",
            Self::SetOwner(_) => "login",
            Self::ForgetOwner => "forget",
            Self::Invalidate => "logout",
            Self::SetLimits(_) => "limits",
            Self::TakeHandle => "handle",
            Self::HandleInsert(..) | Self::HandleModify(..) => "handle write",
            Self::HandleGet(_) => "handle read",
            Self::HandleReload => "handle reload",
            Self::HandleCommit => "handle commit",
            Self::RevokeOthers | Self::RevokeAll(_) | Self::RevokeOne(_) => "revoke",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Get(key) => write!(out, "get {}", KEYS[key]),
            Self::Has(key) => write!(out, "contains {}", KEYS[key]),
            Self::Insert(key, value) => write!(out, "insert {}={value}", KEYS[key]),
            Self::Remove(key) => write!(out, "remove {}", KEYS[key]),
            Self::Take(key) => write!(out, "take {}", KEYS[key]),
            Self::GetOrInsert(key, value) => write!(out, "get_or_insert {}={value}", KEYS[key]),
            Self::Modify(key, by) => write!(out, "modify {}+={by}", KEYS[key]),
            Self::Flash(queue, message) => write!(out, "flash {:?} {message}", QUEUES[queue]),
            Self::FlashUnique(queue, message) => {
                write!(out, "flash_unique {:?} {message}", QUEUES[queue])
            }
            Self::PopFlash(queue) => write!(out, "pop_flash {:?}", QUEUES[queue]),
            Self::PeekFlash(queue) => write!(out, "peek_flash {:?}", QUEUES[queue]),
            Self::SetOwner(owner) => write!(out, "set_owner {}", OWNERS[owner]),
            Self::RevokeAll(owner) => write!(out, "revoke_all {}", OWNERS[owner]),
            Self::RevokeOne(browser) => write!(out, "revoke browser {browser}"),
            Self::SetLimits(limits) => {
                write!(out, "set_limits {}", limits.map_or("none", |limits| limits.name))
            }
            Self::HandleInsert(key, value) => write!(out, "handle insert {}={value}", KEYS[key]),
            Self::HandleModify(key, by) => write!(out, "handle modify {}+={by}", KEYS[key]),
            Self::HandleGet(key) => write!(out, "handle get {}", KEYS[key]),
            ref other => write!(out, "{}", format!("{other:?}").to_lowercase()),
        }
    }
}
