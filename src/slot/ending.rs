//! How a request ended: whether there is a response, and whether anybody gets to see it.

use http::StatusCode;

use crate::session::Ending;

/// How a request ended, as its adapter saw it.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// With a response of this status; to `HEAD` without its body.
    Response { status: StatusCode, is_head: bool, has_location: bool },
    /// Not with a response, but with an error or a panic.
    Failure,
    /// The client went away while the handler worked.
    Cancelled,
}

impl Answer {
    /// What the factory is told of it. A failure comes first: what is done about it is set for all methods alike (S72).
    pub(super) fn ending(self, is_prefetch: bool) -> Ending {
        match self {
            Self::Failure => Ending::Broken,
            Self::Cancelled => Ending::Cancelled,
            Self::Response { status, .. } if status.is_server_error() => Ending::Failed,
            Self::Response { status, is_head, has_location } => {
                if is_head || is_prefetch || !is_shown(status, has_location) {
                    Ending::Unseen
                } else {
                    Ending::Shown
                }
            }
        }
    }
}

/// Whether a browser shows a response of this status (S67): not one that has no content, nor one that sends it
/// elsewhere or has it use what it has, nor one after which something else is spoken.
fn is_shown(status: StatusCode, has_location: bool) -> bool {
    match status.as_u16() {
        100..=199 | 204 | 205 | 300..=399 => false,
        201 => !has_location,
        _ => true,
    }
}
