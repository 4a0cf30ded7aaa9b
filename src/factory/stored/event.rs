//! What happens behind the answers, for counting and alarms.

use crate::factory::Refused;

/// Something that a [`StoredFactory`](super::StoredFactory) noticed. Names keys, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A cookie was not accepted.
    Refused(Refused),
    /// Another request was faster; the changes are replayed on what it left.
    Conflict,
    /// Another request had ended the session; ordinary changes were dropped.
    Gone,
    /// This key was read and then set, and another request had changed it in between: what that one wrote is lost.
    /// The cure is [`modify`](crate::Session::modify).
    Overwritten(&'a str),
    /// The same, but refused with [`Error::Overwrites`](crate::Error::Overwrites): nothing is lost.
    OverwriteRefused(&'a str),
}

impl Event<'_> {
    /// Says it in the log. Reuse of a renewed ticket may be theft, an overwritten value is lost: both are warnings.
    pub(super) fn log(&self) {
        match *self {
            Self::Refused(Refused::Reused) => {
                tracing::warn!("session ticket used again after its renewal");
            }
            Self::Refused(reason) => {
                tracing::debug!(reason = reason.as_str(), "session cookie refused");
            }
            Self::Conflict => {
                tracing::trace!("session written by another request, changes replayed");
            }
            Self::Gone => tracing::debug!("session ended by another request, changes dropped"),
            Self::Overwritten(key) => {
                tracing::warn!(
                    key,
                    "session value overwritten that this request had not seen; use `modify`"
                );
            }
            Self::OverwriteRefused(key) => tracing::debug!(key, "session value not overwritten"),
        }
    }
}
