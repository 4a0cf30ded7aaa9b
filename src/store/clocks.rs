//! Whether this server's clock and its store's agree. What ends a session is the clock of whoever looks at it: a server
//! that is ahead by the idle limit signs its visitors out. Servers of one application do not see each other's clocks, but
//! all of them see the store's.

use std::time::Duration;

use crate::time::Timestamp;

/// A difference below this is nobody's concern: limits are minutes.
const HARMLESS: Duration = Duration::from_secs(5);

/// Warns if the times of the store's servers, asked for and answered at these times of ours, are not near: once, of the one
/// that is furthest away.
pub(super) fn compare(
    asked: Timestamp,
    answered: Timestamp,
    times: impl IntoIterator<Item = Timestamp>,
) {
    let furthest = times.into_iter().max_by_key(|theirs| apart(asked, answered, *theirs));
    let Some(theirs) = furthest else { return };
    let difference = apart(asked, answered, theirs);
    if difference <= HARMLESS {
        return;
    }
    tracing::warn!(
        here = %asked,
        store = %theirs,
        ?difference,
        "the clocks of this server and of the store differ, so that sessions end too early or too late: \
         have both set by NTP"
    );
}

/// By how much the clocks differ at least: as far as the store's time lies outside of the span in which it answered.
fn apart(asked: Timestamp, answered: Timestamp, theirs: Timestamp) -> Duration {
    if theirs < asked { asked.since(theirs) } else { theirs.since(answered) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_slow_to_answer_has_no_wrong_clock() {
        let at = Timestamp::from_secs;
        let cases = [
            // Asked, answered, the store's time, and how far apart they are.
            (100, 100, 100, 0),
            (100, 130, 100, 0),
            (100, 130, 117, 0),
            (100, 130, 130, 0),
            (100, 130, 136, 6),
            (100, 130, 94, 6),
            (100, 101, -100, 200),
            // Our clock was set back meanwhile.
            (130, 100, 115, 15),
        ];
        for (asked, answered, theirs, expected) in cases {
            let apart = apart(at(asked), at(answered), at(theirs));
            assert_eq!(apart, Duration::from_secs(expected), "{asked} {answered} {theirs}");
        }
        assert!(apart(at(0), at(0), at(i64::MIN)) > HARMLESS, "and no time is too far away");
    }
}
