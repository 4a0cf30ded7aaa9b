//! What a commit comes to: a table of what the request came with and what it wants.

use crate::session::{Commit, Origin};

/// What a request wants for its session, in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    /// The data was looked at: idle time starts anew.
    Use,
    Change,
    Renew,
    Invalidate,
    /// Invalidated, then written to.
    Restart,
}

/// What is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    Leave,
    Touch,
    Create,
    Replace,
    Remove,
    /// The old record goes, a new one comes.
    Reopen,
    ForgetCookie,
}

pub(super) const fn plan(origin: Origin, wish: Wish) -> Plan {
    use Wish::{Change, Invalidate, Nothing, Renew, Restart, Use};
    match (origin, wish) {
        (Origin::Absent, Nothing | Use | Renew | Invalidate) => Plan::Leave,
        (Origin::Absent | Origin::Expired, Change | Restart) => Plan::Create,
        (Origin::Live, Nothing) => Plan::Leave,
        (Origin::Live, Use) => Plan::Touch,
        (Origin::Live, Change | Renew) => Plan::Replace,
        (Origin::Live, Invalidate) => Plan::Remove,
        (Origin::Live, Restart) => Plan::Reopen,
        (Origin::Expired, Nothing | Use | Renew | Invalidate) => Plan::ForgetCookie,
    }
}

pub(super) fn wish(commit: &mut Commit) -> Wish {
    let wishes = commit.wishes();
    let (renew, limits, csrf) = (wishes.renew, wishes.limits.is_some(), wishes.csrf.is_some());
    let is_owned = matches!(wishes.owner, Some(Some(_)));
    let holds_something = is_owned || csrf || !commit.entries().is_empty();
    if commit.is_invalidated() {
        return if holds_something { Wish::Restart } else { Wish::Invalidate };
    }
    let is_changed = match commit.origin() {
        // A session that holds nothing is not kept (S15).
        Origin::Absent | Origin::Expired => holds_something,
        Origin::Live => {
            limits || csrf || !commit.changes().is_empty() || !commit.claims().is_empty()
        }
    };
    if is_changed || commit.is_marked_changed() {
        Wish::Change
    } else if renew {
        Wish::Renew
    } else if commit.was_looked_at() {
        Wish::Use
    } else {
        Wish::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s64_only_a_session_that_was_there_is_replaced_and_only_a_new_one_created() {
        use Wish::{Change, Invalidate, Nothing, Renew, Restart, Use};
        let all = [Nothing, Use, Change, Renew, Invalidate, Restart];
        for wish in all {
            assert_ne!(plan(Origin::Live, wish), Plan::Create);
            for origin in [Origin::Absent, Origin::Expired] {
                let planned = plan(origin, wish);
                assert!(matches!(planned, Plan::Leave | Plan::Create | Plan::ForgetCookie));
            }
        }
        assert_eq!(
            all.map(|wish| plan(Origin::Live, wish)),
            [Plan::Leave, Plan::Touch, Plan::Replace, Plan::Replace, Plan::Remove, Plan::Reopen,]
        );
    }
}
