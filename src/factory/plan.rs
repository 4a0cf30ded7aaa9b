//! What a request comes to: one whole table for every factory of this crate, pure, and nothing is decided before it or
//! behind it.
//!
//! A factory says with what the request arrived, what it wants in all and what time asks for; the table says what is
//! done. Functions elsewhere do it.

use crate::session::{Commit, Ending};

/// What the request arrived with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// No session, or none that can be accepted.
    Absent,
    /// A ticket to a place where nothing is, any more or as yet.
    Missing,
    /// A session that had ended by its limits.
    Expired,
    /// A ticket that a login or a renewal had replaced a moment before: a live session exists, and its ticket is on
    /// its way to the browser or there already.
    Superseded,
    /// A ticket to a record that cannot be read: of a later layout, or damaged. Nothing is known of the session but that
    /// there may be one.
    Unreadable,
    /// A session that is alive.
    Live,
}

/// What the request wants for its session, in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Nothing,
    /// The data was looked at: idle time starts anew.
    Use,
    Change,
    Renew,
    /// Another owner than the present one: everything of the present one's is left behind.
    Switch,
    Invalidate,
    /// Invalidated, then written to.
    Restart,
}

/// What the passing of time asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// The end of a session that is used is worth moving.
    Touch,
    /// The ticket is old enough for another.
    Renewal,
    /// The browser is to be told how long to keep its ticket, which is said with the ticket only.
    Lifetime,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Leave,
    /// Nothing is kept and nothing is sent, and the application is told.
    Gone,
    /// The end of the idle time moves.
    Touch,
    /// The ticket is exchanged if nobody wrote meanwhile.
    Rotate,
    Create,
    /// As [`Create`](Self::Create), once it is certain that what was there stays gone.
    Recreate,
    /// The changes are kept under the ticket that there is.
    Replace,
    /// The changes are kept, and the ticket is exchanged if nobody else did so meanwhile.
    ReplaceAndRotate,
    /// The changes are kept, and the ticket is exchanged if somebody else did so meanwhile: the request has none to send.
    ReplaceAndTell,
    /// The changes are kept under a new ticket, and the old one is dead at once.
    Renew,
    /// A new session takes the place of the old one, under a new ticket.
    Restart,
    Remove,
    /// What was removed before is waited for to stay gone.
    Confirm,
    ForgetCookie,
    /// The request fails, and what it cannot read stays as it is.
    Refuse,
    /// What cannot be read is left behind: it is removed if the ticket is proved to open it, and the cookie is forgotten.
    Abandon,
    /// As [`Abandon`](Self::Abandon), and then a session is made.
    AbandonAndCreate,
}

/// The table.
pub(crate) const fn plan(arrival: Arrival, wish: Wish, ending: Ending, due: Due) -> Plan {
    use Arrival::{Absent, Expired, Live, Missing, Superseded, Unreadable};
    use Due::{Lifetime, Renewal, Touch};
    use Wish::{Change, Invalidate, Nothing, Renew, Restart, Switch, Use};
    let has_response = ending.has_response();
    match (arrival, wish, has_response, due) {
        (Absent, Nothing | Use | Renew | Invalidate, true | false, Due::Nothing | Touch | Renewal | Lifetime)
        | (Missing, Nothing | Use | Renew, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (Missing, Invalidate, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Confirm,
        // Without a response nobody would ever hold the ticket.
        (Absent | Expired, Change | Switch | Restart, false, Due::Nothing | Touch | Renewal | Lifetime)
        | (Missing, Change | Switch, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (Missing, Restart, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Confirm,
        (Absent | Expired, Change | Switch | Restart, true, Due::Nothing | Touch | Renewal | Lifetime)
        | (Missing, Change | Switch, true, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Create,
        (Missing, Restart, true, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Recreate,

        // The dead cookie is left alone: the browser may have another one by then, which a removal would hit.
        (Expired, Nothing | Use | Renew, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (Expired, Invalidate, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::ForgetCookie,

        (Superseded, Nothing, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (
            Superseded,
            Use | Change | Renew | Switch | Invalidate | Restart,
            true | false,
            Due::Nothing | Touch | Renewal | Lifetime,
        ) => Plan::Gone,

        (
            Unreadable,
            Nothing | Use | Change | Renew,
            true,
            Due::Nothing | Touch | Renewal | Lifetime,
        ) => {
            // A handler that passed the error on has said so. Whatever else it answers, it did not know.
            if matches!(ending, Ending::Failed) { Plan::Leave } else { Plan::Refuse }
        }
        (
            Unreadable,
            Nothing | Use | Change | Renew | Switch,
            false,
            Due::Nothing | Touch | Renewal | Lifetime,
        ) => Plan::Leave,
        // Whoever signs in does not need to know what was there, and nothing of it may come along.
        (Unreadable, Switch, true, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Create,
        (Unreadable, Restart, true, Due::Nothing | Touch | Renewal | Lifetime) => {
            Plan::AbandonAndCreate
        }
        (Unreadable, Invalidate, true | false, Due::Nothing | Touch | Renewal | Lifetime)
        | (Unreadable, Restart, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Abandon,

        (Live, Nothing, true | false, Due::Nothing | Touch | Renewal | Lifetime)
        | (Live, Use, true, Due::Nothing | Lifetime)
        // Nobody saw what was looked at.
        | (Live, Use, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (Live, Use, true, Touch) => Plan::Touch,
        (Live, Use, true, Renewal) => Plan::Rotate,
        (Live, Change, true, Due::Nothing | Touch)
        | (Live, Change, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Replace,
        (Live, Change, true, Renewal) => Plan::ReplaceAndRotate,
        (Live, Change, true, Lifetime) => Plan::ReplaceAndTell,
        (Live, Renew, true, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Renew,
        (Live, Switch, true, Due::Nothing | Touch | Renewal | Lifetime)
        | (Live, Restart, true, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Restart,
        // A ticket that cannot be sent is not made: the old one stays good, and what the new one was for is not kept.
        (Live, Renew | Switch, false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Leave,
        (Live, Restart, false, Due::Nothing | Touch | Renewal | Lifetime)
        | (Live, Invalidate, true | false, Due::Nothing | Touch | Renewal | Lifetime) => Plan::Remove,
    }
}

impl Wish {
    /// What `commit` wants. Whether it changes the session is the factory's to say.
    pub(crate) fn of(commit: &Commit, is_changed: bool) -> Self {
        if commit.is_invalidated() {
            return if commit.holds_something() { Self::Restart } else { Self::Invalidate };
        }
        if commit.is_switched() {
            return Self::Switch;
        }
        match (commit.wishes().renew, is_changed, commit.was_looked_at()) {
            (true, _, _) if commit.origin().is_there() => Self::Renew,
            (_, true, _) => Self::Change,
            (true, false, _) => Self::Renew,
            (false, false, true) => Self::Use,
            (false, false, false) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVALS: [Arrival; 6] = [
        Arrival::Absent,
        Arrival::Missing,
        Arrival::Expired,
        Arrival::Superseded,
        Arrival::Unreadable,
        Arrival::Live,
    ];
    const WISHES: [Wish; 7] = [
        Wish::Nothing,
        Wish::Use,
        Wish::Change,
        Wish::Renew,
        Wish::Switch,
        Wish::Invalidate,
        Wish::Restart,
    ];
    const ENDINGS: [Ending; 5] =
        [Ending::Shown, Ending::Unseen, Ending::Failed, Ending::Broken, Ending::Cancelled];
    const DUES: [Due; 4] = [Due::Nothing, Due::Touch, Due::Renewal, Due::Lifetime];

    /// Every case of the table, with its plan.
    fn all() -> Vec<(Arrival, Wish, Ending, Due, Plan)> {
        let mut all = Vec::new();
        for arrival in ARRIVALS {
            for wish in WISHES {
                for ending in ENDINGS {
                    for due in DUES {
                        all.push((arrival, wish, ending, due, plan(arrival, wish, ending, due)));
                    }
                }
            }
        }
        all
    }

    #[test]
    fn s64_only_a_session_that_is_there_is_written_and_only_where_none_is_one_is_made() {
        for (arrival, wish, _, _, plan) in all() {
            let makes = matches!(plan, Plan::Create | Plan::Recreate | Plan::AbandonAndCreate);
            let writes = matches!(
                plan,
                Plan::Touch
                    | Plan::Rotate
                    | Plan::Replace
                    | Plan::ReplaceAndRotate
                    | Plan::ReplaceAndTell
                    | Plan::Renew
                    | Plan::Restart
                    | Plan::Remove
            );
            assert!(!makes || arrival != Arrival::Live, "{arrival:?} {wish:?}");
            assert!(!writes || arrival == Arrival::Live, "{arrival:?} {wish:?}");
            assert!(arrival != Arrival::Superseded || matches!(plan, Plan::Leave | Plan::Gone));
        }
    }

    #[test]
    fn s19_no_ticket_is_made_that_cannot_be_sent() {
        for (arrival, wish, ending, _, plan) in all() {
            let makes_ticket = matches!(
                plan,
                Plan::Create
                    | Plan::Recreate
                    | Plan::AbandonAndCreate
                    | Plan::Rotate
                    | Plan::ReplaceAndRotate
                    | Plan::ReplaceAndTell
                    | Plan::Renew
                    | Plan::Restart
            );
            assert!(!makes_ticket || ending.has_response(), "{arrival:?} {wish:?} {ending:?}");
        }
    }

    #[test]
    fn s27_a_logout_takes_effect_however_the_request_ends() {
        for (arrival, wish, ending, due, plan) in all() {
            if arrival == Arrival::Live && matches!(wish, Wish::Invalidate | Wish::Restart) {
                assert!(
                    matches!(plan, Plan::Remove | Plan::Restart),
                    "{wish:?} {ending:?} {due:?}"
                );
            }
        }
    }

    #[test]
    fn s15_a_request_that_wants_nothing_writes_nothing() {
        for (arrival, wish, ending, due, plan) in all() {
            if wish == Wish::Nothing {
                let fails = arrival == Arrival::Unreadable && plan == Plan::Refuse;
                assert!(fails || plan == Plan::Leave, "{arrival:?} {ending:?} {due:?}");
            }
        }
    }

    #[test]
    fn s79_what_cannot_be_read_is_left_behind_by_a_login_or_a_logout_only() {
        for (arrival, wish, ending, due, plan) in all() {
            let case = format!("{arrival:?} {wish:?} {ending:?} {due:?}");
            let is_left = matches!(plan, Plan::Abandon | Plan::AbandonAndCreate);
            match (arrival, wish) {
                (Arrival::Unreadable, Wish::Invalidate | Wish::Restart) => {
                    assert!(is_left, "{case}: {plan:?}");
                }
                (Arrival::Unreadable, Wish::Switch) => {
                    assert_eq!(plan == Plan::Create, ending.has_response(), "{case}: {plan:?}");
                }
                (Arrival::Unreadable, _) => {
                    let is_seen = matches!(ending, Ending::Shown | Ending::Unseen);
                    let expected = if is_seen { Plan::Refuse } else { Plan::Leave };
                    assert_eq!(plan, expected, "{case}");
                }
                _ => assert!(!is_left && plan != Plan::Refuse, "{case}: {plan:?}"),
            }
        }
    }
}
