//! `cloakroom sessions`: those in a store.

use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::{Args, Subcommand};
use cloakroom::factory::OwnedSession;
use cloakroom::store::{AnyStore, Cursor, StoreKey};
use cloakroom::{Error, StoredFactory};

use crate::Place;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Progress};

/// How many records are asked for at once.
const PAGE: usize = 500;
/// How many are removed at once, so that no statement takes long.
const SWEPT_AT_ONCE: usize = 200;
/// For a call: ending all of an owner's many sessions is one, and no visitor waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Lists live sessions, without their values. What cannot be read is among them, and marked.
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
    /// Counts live sessions, and those of them that cannot be read.
    Count {
        #[command(flatten)]
        work: Work,
        /// Those of one owner only.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
    },
    /// Ends sessions, and says how many.
    Revoke {
        #[command(flatten)]
        work: Work,
        #[command(flatten)]
        whose: Whose,
    },
    /// Removes what has expired, where the store does not do so by itself, and says how much.
    Sweep {
        #[command(flatten)]
        work: Work,
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

/// What may take long.
#[derive(Args)]
pub(crate) struct Work {
    #[command(flatten)]
    asked: Asked,
    /// Says on stderr how far it is, also where that is no terminal.
    #[arg(long)]
    progress: bool,
}

#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Whose {
    /// All sessions of this owner, or the one of --id if it is this owner's.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// The session of this id.
    #[arg(long)]
    id: Option<String>,
    /// All sessions of everybody, and what cannot be read or has expired.
    #[arg(long, conflicts_with_all = ["owner", "id"])]
    everybody: bool,
    /// Ends those of everybody without asking first.
    #[arg(long, requires = "everybody")]
    yes: bool,
}

type Sessions = StoredFactory<AnyStore>;

pub(crate) fn run(command: Command) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::List { asked, owner } => list(&open(&asked).await?, owner, asked.json).await,
            Command::Show { asked, id } => show(&open(&asked).await?, &id, asked.json).await,
            Command::Count { work, owner } => {
                let progress = Progress::of("counted", work.progress);
                let (all, unreadable) = count(&open(&work.asked).await?, owner, &progress).await?;
                drop(progress);
                output::count(all, unreadable, work.asked.json)
            }
            Command::Revoke { work, whose } => {
                let sessions = open(&work.asked).await?;
                if whose.everybody && !whose.yes {
                    ask_first()?;
                }
                let progress = Progress::of("revoked", work.progress);
                let revoked = revoke(&sessions, whose, &progress).await?;
                output::number("revoked", revoked, work.asked.json)
            }
            Command::Sweep { work } => {
                let progress = Progress::of("swept", work.progress);
                let swept = sweep(&open(&work.asked).await?, &progress).await?;
                output::number("swept", swept, work.asked.json)
            }
        }
    })
}

async fn open(asked: &Asked) -> Outcome<Sessions> {
    // An application makes a file that is missing; here it is a slip of the pen.
    let store = asked.place.options().must_exist(true).open().await.map_err(Failure::refused)?;
    // Each record says when it ends: limits of the application are not known here.
    // Nor is its name, which only tickets have to do with.
    let sessions = StoredFactory::builder("", store).idle_limit(None).absolute_limit(None);
    sessions.io_timeout(PATIENCE).build().map_err(Failure::refused)
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
    output::session(&session.ok_or_else(|| no_session(id))?, is_json, true)
}

/// Says the id only if it is one: somebody may have taken a ticket for it (S87).
fn no_session(id: &str) -> Failure {
    match StoreKey::parse(id) {
        Some(key) => Failure::absent(format!("no such session: {key}")),
        None => Failure::absent(
            "that is no id: `list` has them, and `cookie show` says which one a ticket names",
        ),
    }
}

/// How many there are, and how many of those cannot be read.
async fn count(
    sessions: &Sessions,
    owner: Option<String>,
    progress: &Progress,
) -> Outcome<(usize, usize)> {
    let (mut pages, mut all, mut unreadable) = (Pages::of(sessions, owner), 0, 0);
    while let Some(page) = pages.next().await? {
        all += page.len();
        unreadable += page.iter().filter(|session| !session.is_readable()).count();
        progress.is_at(all);
    }
    Ok((all, unreadable))
}

async fn revoke(sessions: &Sessions, whose: Whose, progress: &Progress) -> Outcome<usize> {
    let (is_revoked, id) = match (whose.owner, whose.id) {
        (Some(owner), Some(id)) => (sessions.revoke(&owner, &id).await?, id),
        (None, Some(id)) => (sessions.revoke_of_id(&id).await?, id),
        (Some(owner), None) => return Ok(sessions.revoke_all(&owner).await?),
        (None, None) => return revoke_everybody(sessions, progress).await,
    };
    if is_revoked { Ok(1) } else { Err(no_session(&id)) }
}

/// Whoever does not say yes has ended nothing.
fn ask_first() -> Outcome {
    let refused = |cause: &str| Err(Failure::Refused(cause.to_owned()));
    if !std::io::stdin().is_terminal() {
        return refused("this signs everybody out: say --yes where nobody can be asked");
    }
    write!(std::io::stderr(), "This signs everybody out, and cannot be undone. Go on? [y/N] ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => refused("nothing was ended"),
    }
}

async fn revoke_everybody(sessions: &Sessions, progress: &Progress) -> Outcome<usize> {
    let (mut revoked, mut after) = (0, None);
    loop {
        let (more, next) = sessions.revoke_after(after.as_ref(), PAGE).await?;
        revoked += more;
        progress.is_at(revoked);
        if next.is_none() {
            return Ok(revoked);
        }
        after = next;
    }
}

async fn sweep(sessions: &Sessions, progress: &Progress) -> Outcome<usize> {
    let mut swept = 0;
    loop {
        let removed = sessions.sweep(SWEPT_AT_ONCE).await?;
        swept += removed;
        progress.is_at(swept);
        if removed < SWEPT_AT_ONCE {
            return Ok(swept);
        }
    }
}

/// Live sessions page by page, each once: an owner's on one, everybody's on many.
struct Pages<'a> {
    sessions: &'a Sessions,
    owner: Option<String>,
    next: Option<Cursor>,
    /// A store may have a record on several pages; a key takes 16 bytes here.
    seen: HashSet<StoreKey>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    fn of(sessions: &'a Sessions, owner: Option<String>) -> Self {
        Self { sessions, owner, next: None, seen: HashSet::new(), is_over: false }
    }

    async fn next(&mut self) -> Result<Option<Vec<OwnedSession>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let (mut page, next) = match &self.owner {
            Some(owner) => (self.sessions.sessions_of(owner).await?, None),
            None => self.sessions.sessions_after(self.next.as_ref(), PAGE).await?,
        };
        page.retain(|session| StoreKey::parse(&session.id).is_none_or(|key| self.seen.insert(key)));
        self.is_over = next.is_none();
        self.next = next;
        Ok(Some(page))
    }
}
