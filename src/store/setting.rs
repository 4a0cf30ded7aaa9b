//! Settings of stores that cannot be served: said when the store is opened, never at a request (R54).

use std::time::Duration;

use super::{Result, StoreError, StoreErrorKind};
use crate::ConfigError;

/// A wait that is in effect one without end, and that no arithmetic on times of any driver carries too far.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// No host has more ports to connect from.
const MOST_CONNECTIONS: u32 = 65_535;

/// The time to connect in, if there is any.
pub(super) fn connect_timeout(timeout: Duration) -> Result<Duration> {
    let reason = "is zero, so that no connection could be made in time: give a span of time";
    wait("connect_timeout", timeout, reason)
}

/// A span of time that has to be one, and that may be as long as one likes.
pub(super) fn wait(
    setting: &'static str,
    span: Duration,
    reason: &'static str,
) -> Result<Duration> {
    if span.is_zero() { Err(refused(setting, reason)) } else { Ok(span.min(FOR_EVER)) }
}

/// How many connections there may be.
pub(super) fn max_connections(connections: u32) -> Result<u32> {
    let reason = match connections {
        0 => "is zero, so that every call would wait in vain: allow one connection at least",
        _ if connections > MOST_CONNECTIONS => {
            "is more than 65535, which no host can open: allow as many as the server does"
        }
        _ => return Ok(connections),
    };
    Err(refused("max_connections", reason))
}

pub(super) fn refused(setting: &'static str, reason: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Rejected, ConfigError::Setting { setting, reason })
}
