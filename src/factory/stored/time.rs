//! What the passing of time asks for.

use super::Inner;
use super::body::Body;
use super::located::Located;
use crate::Timestamp;
use crate::factory::plan::Due;
use crate::session::Limits;

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
        let limits = self.limits_of(&seen.body);
        let end = limits.end(seen.body.created, now);
        if self.is_worth_moving(&limits, seen.expires_at, end) { Due::Touch } else { Due::Nothing }
    }

    /// Whether a new end is so far from the old one that it is worth being kept.
    fn is_worth_moving(&self, limits: &Limits, old: Timestamp, new: Timestamp) -> bool {
        let Some(idle) = limits.idle else { return old != new };
        let threshold = self.settings.touch_after.unwrap_or(idle / 10);
        u128::from(new.as_micros().abs_diff(old.as_micros())) > threshold.as_micros()
    }
}
