//! What can go wrong, as a line and an exit status.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;

/// What a secret has at least; tickets and cookies have more.
const SECRET_BYTES: usize = 32;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

pub(crate) enum Failure {
    /// What was asked for is not there, or is not valid.
    Absent(String),
    /// The store cannot be reached or refuses; or something else that is not the user's fault.
    Refused(String),
    /// Nobody reads the output any more.
    Unread,
}

impl Failure {
    pub(crate) fn absent(what: impl Into<String>) -> Self {
        Self::Absent(what.into())
    }

    /// With all causes, in one line. None of them shows a URL or a secret (S87).
    pub(crate) fn refused(error: impl Error) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            next = cause.source();
        }
        Self::Refused(text)
    }

    pub(crate) fn tell(self) -> ExitCode {
        let (text, status) = match self {
            Self::Absent(text) => (text, 1),
            Self::Refused(text) => (text, 3),
            Self::Unread => return ExitCode::SUCCESS,
        };
        complain(&format!("cloakroom: {text}\n"));
        ExitCode::from(status)
    }
}

/// Help that was asked for, or what is wrong with the words of the command line.
pub(crate) fn unparsed(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    if error.use_stderr() {
        complain(&without_secrets(text, std::env::args_os().map(|word| lossy(&word))));
        return ExitCode::from(2);
    }
    let told = write!(io::stdout(), "{text}");
    told.map_or_else(|error| Failure::from(error).tell(), |()| ExitCode::SUCCESS)
}

/// Where nobody hears it, the exit status has to say it alone.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn lossy(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

/// Leaves out those of the words that may be a URL with a password, a ticket, a cookie or a secret, wherever they were
/// put by mistake (S87).
fn without_secrets(mut text: String, words: impl Iterator<Item = String>) -> String {
    for word in words {
        let value = word.split_once('=').map_or("", |(_, value)| value);
        for part in [&*word, value] {
            if part.contains("://") || part.len() >= SECRET_BYTES {
                text = text.replace(part, "…");
            }
        }
    }
    text
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::refused(error),
        }
    }
}

impl From<cloakroom::Error> for Failure {
    fn from(error: cloakroom::Error) -> Self {
        Self::refused(error)
    }
}
