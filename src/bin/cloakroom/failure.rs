//! What can go wrong, as a line and an exit status.

use std::error::Error;
use std::io;
use std::process::ExitCode;

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
        match self {
            Self::Absent(text) => {
                eprintln!("cloakroom: {text}");
                ExitCode::from(1)
            }
            Self::Refused(text) => {
                eprintln!("cloakroom: {text}");
                ExitCode::from(3)
            }
            Self::Unread => ExitCode::SUCCESS,
        }
    }
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
