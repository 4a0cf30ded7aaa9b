//! What the passing of time asks for.

use std::time::Duration;

use super::Inner;
use super::body::Body;
use super::located::Located;
use crate::Timestamp;
use crate::factory::plan::Due;
use crate::session::Limits;

/// By how much the clocks of servers may differ: half of what a flash message is lent for.
const SKEW: Duration = Duration::from_secs(150);

impl<S> Inner<S> {
    pub(super) fn limits_of(&self, body: &Body) -> Limits {
        body.limits.unwrap_or(self.settings.limits)
    }

    /// What a session asks for that is used `now`: another ticket, if its own is old enough (S30), or another end.
    pub(super) fn due(&self, seen: &Located, now: Timestamp) -> Due {
        let is_old = |span| now >= seen.body.renewed.saturating_add(span);
        if self.settings.renew_every.is_some_and(is_old) {
            return Due::Renewal;
        }
        let limits = seen.body.limits.as_ref().unwrap_or(&self.settings.limits);
        let end = limits.end(seen.body.created, now);
        if self.is_worth_moving(limits, seen, end) { Due::Touch } else { Due::Nothing }
    }

    /// Whether a new end is so far from the old one that it is worth being kept.
    fn is_worth_moving(&self, limits: &Limits, seen: &Located, new: Timestamp) -> bool {
        let old = seen.expires_at;
        let Some(idle) = limits.idle else { return old != new };
        let tenth = micros(idle) / 10;
        let threshold = match self.settings.touch_after {
            // The span is part of the factory's limit; of a session's own, shorter one it could be the whole.
            Some(span) if seen.body.limits.is_some() && span != Duration::MAX => {
                micros(span).min(tenth)
            }
            Some(span) => micros(span),
            None => tenth,
        };
        // A nearer end may come of shorter limits, which are new, or of a clock that is behind the one before.
        let doubt = if new < old { SKEW } else { Duration::ZERO };
        let moved = new.as_micros().abs_diff(old.as_micros());
        moved > threshold.saturating_add(micros(doubt))
    }
}

/// Whole microseconds of a span: in 64 bits, because every request counts with them.
fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
