//! `cloakroom sessions`: those in a store.

use std::path::Path;

use clap::{Args, Subcommand};
use cloakroom::factory::OwnedSession;
use cloakroom::store::{AnyStore, Cursor};
use cloakroom::{Error, StoredFactory};

use crate::Place;
use crate::failure::{Failure, Outcome};
use crate::output;

/// How many records are asked for at once.
const PAGE: usize = 500;
/// How many are removed at once, so that no statement takes long.
const SWEPT_AT_ONCE: usize = 200;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists live sessions, without their values.
    List {
        #[command(flatten)]
        asked: Asked,
        /// Those of one owner only.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// Shows one session with its values.
    Show {
        #[command(flatten)]
        asked: Asked,
        /// The session's id, as `list` has it.
        id: String,
    },
    /// Counts live sessions.
    Count {
        #[command(flatten)]
        asked: Asked,
        /// Those of one owner only.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// Ends sessions, and says how many.
    Revoke {
        #[command(flatten)]
        asked: Asked,
        #[command(flatten)]
        whose: Whose,
    },
    /// Removes what has expired, where the store does not do so by itself, and says how much.
    Sweep {
        #[command(flatten)]
        asked: Asked,
    },
}

#[derive(Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    place: Place,
    /// Prints JSON, one value a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// All sessions of this owner.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The session of this id.
    #[arg(long)]
    id: Option<String>,
    /// All sessions of everybody.
    #[arg(long)]
    everybody: bool,
}

type Sessions = StoredFactory<AnyStore>;

pub(crate) fn run(command: Command) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List { asked, owner } => list(&open(&asked).await?, owner, asked.json).await,
            Command::Show { asked, id } => show(&open(&asked).await?, &id, asked.json).await,
            Command::Count { asked, owner } => {
                let count = count(&open(&asked).await?, owner).await?;
                output::number("count", count, asked.json)
            }
            Command::Revoke { asked, whose } => {
                let revoked = revoke(&open(&asked).await?, whose).await?;
                output::number("revoked", revoked, asked.json)
            }
            Command::Sweep { asked } => {
                let swept = sweep(&open(&asked).await?).await?;
                output::number("swept", swept, asked.json)
            }
        }
    })
}

async fn open(asked: &Asked) -> Outcome<Sessions> {
    // An application makes a file that is missing; here it is a slip of the pen.
    if let Some(path) = asked.place.store.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !Path::new(path).exists() {
            return Err(Failure::Refused(format!("{path}: no such file")));
        }
    }
    let store = asked.place.options().open().await.map_err(Failure::refused)?;
    // Each record says when it ends: limits of the application are not known here.
    let sessions = StoredFactory::builder(store).idle_limit(None).absolute_limit(None);
    sessions.build().map_err(Failure::refused)
}

async fn list(sessions: &Sessions, owner: Option<String>, is_json: bool) -> Outcome {
    output::heading(is_json)?;
    let mut pages = Pages::of(sessions, owner);
    while let Some(page) = pages.next().await? {
        page.iter().try_for_each(|session| output::session(session, is_json, false))?;
    }
    Ok(())
}

async fn show(sessions: &Sessions, id: &str, is_json: bool) -> Outcome {
    let session = sessions.session_of_id(id).await?;
    let session = session.ok_or_else(|| Failure::absent(format!("no live session {id:?}")))?;
    output::session(&session, is_json, true)
}

async fn count(sessions: &Sessions, owner: Option<String>) -> Outcome<usize> {
    let (mut pages, mut count) = (Pages::of(sessions, owner), 0);
    while let Some(page) = pages.next().await? {
        count += page.len();
        output::progress(count, "counted");
    }
    output::progress_ends();
    Ok(count)
}

async fn revoke(sessions: &Sessions, whose: Whose) -> Outcome<usize> {
    if let Some(owner) = whose.owner {
        return Ok(sessions.revoke_all(&owner).await?);
    }
    if let Some(id) = whose.id {
        let is_revoked = sessions.revoke_of_id(&id).await?;
        return if is_revoked { Ok(1) } else { Err(Failure::absent(format!("no session {id:?}"))) };
    }
    let (mut pages, mut revoked) = (Pages::of(sessions, None), 0);
    while let Some(page) = pages.next().await? {
        for session in page {
            revoked += usize::from(sessions.revoke_of_id(&session.id).await?);
        }
        output::progress(revoked, "revoked");
    }
    output::progress_ends();
    Ok(revoked)
}

async fn sweep(sessions: &Sessions) -> Outcome<usize> {
    let mut swept = 0;
    loop {
        let removed = sessions.sweep(SWEPT_AT_ONCE).await?;
        swept += removed;
        output::progress(swept, "swept");
        if removed < SWEPT_AT_ONCE {
            output::progress_ends();
            return Ok(swept);
        }
    }
}

/// Live sessions page by page: an owner's on one, everybody's on many.
struct Pages<'a> {
    sessions: &'a Sessions,
    owner: Option<String>,
    next: Option<Cursor>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    const fn of(sessions: &'a Sessions, owner: Option<String>) -> Self {
        Self { sessions, owner, next: None, is_over: false }
    }

    async fn next(&mut self) -> Result<Option<Vec<OwnedSession>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let (page, next) = match &self.owner {
            Some(owner) => (self.sessions.sessions_of(owner).await?, None),
            None => self.sessions.sessions_after(self.next.as_ref(), PAGE).await?,
        };
        self.is_over = next.is_none();
        self.next = next;
        Ok(Some(page))
    }
}
