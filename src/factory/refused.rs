//! Why a cookie was not accepted.

/// Why a cookie was not accepted. The visitor gets a new session and is told nothing (R60, S40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// Not text that such a cookie can consist of.
    Malformed,
    /// Signed with none of our secrets or changed since; or the ticket of a session with a wrong secret.
    Forged,
    /// Rightly signed, but not a session.
    Unreadable,
    /// Several valid cookies that contradict each other, or too many of the name (S13).
    Ambiguous,
    /// A ticket to a session that does not exist: it ended, or never was (S2).
    Unknown,
    /// A ticket that was renewed, used again after its time: by a request that was late, or by a thief (S30).
    Reused,
}

impl Refused {
    /// One word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Unreadable => "unreadable",
            Self::Ambiguous => "ambiguous",
            Self::Unknown => "unknown",
            Self::Reused => "reused",
        }
    }
}
