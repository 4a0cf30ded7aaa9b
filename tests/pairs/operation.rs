//! What a request does to its session, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::session::{Limits, SessionHandle};
use cloakroom::{Error, Session};

use crate::run::Who;
use crate::world::{ADA, BOB, IDLE, World};

/// What the handler of a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    Read,
    /// A read when a touch is due.
    Look,
    Set,
    Modify,
    Remove,
    Flash,
    Pop,
    Token,
    Renew,
    /// The owner signs in again.
    SignInSame,
    /// Somebody else signs in.
    SignInOther,
    /// Somebody signs in where nobody was.
    SignInFirst,
    SignOut,
    RevokeOthers,
    RevokeAll,
    SetLimits,
    /// A handle taken by the handler writes after the response.
    HandleWrite,
    HandleReload,
    /// A read when a periodic renewal is due.
    Periodic,
}

impl Op {
    pub const ALL: [Self; 19] = [
        Self::Read,
        Self::Look,
        Self::Set,
        Self::Modify,
        Self::Remove,
        Self::Flash,
        Self::Pop,
        Self::Token,
        Self::Renew,
        Self::SignInSame,
        Self::SignInOther,
        Self::SignInFirst,
        Self::SignOut,
        Self::RevokeOthers,
        Self::RevokeAll,
        Self::SetLimits,
        Self::HandleWrite,
        Self::HandleReload,
        Self::Periodic,
    ];

    /// Whether it makes the old ticket and everybody who came with it late.
    pub const fn moves_epoch(self) -> bool {
        matches!(self, Self::Renew | Self::SignInSame | Self::SignInOther | Self::SignInFirst)
    }

    /// Whether the session may be no more after it.
    pub const fn ends(self) -> bool {
        matches!(self, Self::SignOut | Self::RevokeAll)
    }

    /// Whether the handler only looks.
    pub const fn only_looks(self) -> bool {
        matches!(self, Self::Read | Self::Look | Self::Token | Self::HandleReload | Self::Periodic)
    }

    /// Who is signed in by it.
    pub const fn signs_in(self) -> Option<&'static str> {
        match self {
            Self::SignInSame | Self::SignInFirst => Some(ADA),
            Self::SignInOther => Some(BOB),
            _ => None,
        }
    }
}

/// How a request ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    Status(u16),
    Head,
    Panic,
    /// Its client goes away when it has waited so often.
    Dropped(usize),
}

impl Ending {
    pub const OK: Self = Self::Status(200);

    pub const fn status(self) -> u16 {
        match self {
            Self::Status(status) => status,
            _ => 200,
        }
    }

    /// Whether somebody sees the page, if it comes out.
    pub const fn is_seen(self) -> bool {
        matches!(self, Self::Status(200 | 400..=499) | Self::Dropped(_))
    }
}

/// What came of the operation, as the handler saw it.
#[derive(Default)]
pub struct Acted {
    pub popped: Vec<u32>,
    pub token: Option<String>,
    /// How often the closure given to `modify` ran.
    pub runs: Option<Arc<AtomicUsize>>,
    pub handle: Option<SessionHandle>,
    /// Whose sessions were ended.
    pub revoked: Option<String>,
}

/// What a first and a second request write differs.
pub fn number(who: Who) -> u32 {
    if who == Who::First { 1 } else { 2 }
}

/// What `modify` adds.
pub fn addend(who: Who) -> u32 {
    if who == Who::First { 1 } else { 10 }
}

/// The limits that a session is given.
pub fn own_limits(who: Who, persistent: bool) -> Limits {
    Limits { idle: Some(IDLE * (1 + number(who))), persistent, ..Limits::DEFAULT }
}

impl Op {
    pub async fn act(self, who: Who, session: &Session, world: &World) -> Result<Acted, Error> {
        let mut acted = Acted::default();
        match self {
            Self::Read | Self::Look | Self::Periodic => drop(session.get::<u32>("n")?),
            Self::Set => {
                session.insert(format!("own {}", number(who)), number(who))?;
                session.insert("common", number(who))?;
            }
            Self::Modify => {
                let (runs, by) = (Arc::new(AtomicUsize::new(0)), addend(who));
                acted.runs = Some(runs.clone());
                session.modify("n", move |n: &mut u32| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    *n += by;
                })?;
            }
            Self::Remove => drop(session.remove("removed")?),
            Self::Flash => session.flash(number(who))?,
            Self::Pop => acted.popped = session.pop_flash("").await?,
            Self::Token => acted.token = Some(session.csrf_token()?.plain().to_owned()),
            Self::Renew => session.renew()?,
            Self::SignInSame | Self::SignInOther | Self::SignInFirst => {
                session.set_owner(self.signs_in().unwrap())?;
            }
            Self::SignOut => session.invalidate()?,
            Self::RevokeOthers => {
                let owner = session.owner();
                world.sessions.revoke_others(session).await?;
                acted.revoked = owner.as_deref().map(str::to_owned);
            }
            Self::RevokeAll => {
                if let Some(owner) = session.owner() {
                    world.sessions.revoke_all(&owner).await?;
                    acted.revoked = Some(owner.as_ref().to_owned());
                }
            }
            Self::SetLimits => session.set_limits(own_limits(who, !world.case.persistent))?,
            // There is none of a session that is not kept.
            Self::HandleWrite | Self::HandleReload => acted.handle = session.handle().ok(),
        }
        Ok(acted)
    }
}
