//! That the oracle can fail and can pass: for each promise a run that keeps it, and one that seems not to.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::session::Standing;

use crate::explore::{History, Orders, explore};
use crate::operation::Op;
use crate::oracle::{self, judge};
use crate::request::Outcome;
use crate::run::{Call, Event, Who};
use crate::store::Flaw;
use crate::world::{BOB, Case, Sent};

/// The promises that are broken in any order of a case, after `tamper` has had its way with what was seen.
fn broken(
    case: Case,
    tamper: impl Fn(&mut History) + Send + Sync + 'static,
) -> BTreeSet<&'static str> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let all = found.clone();
    explore(case, Orders::All(usize::MAX), move |mut history| {
        tamper(&mut history);
        all.lock().unwrap().extend(judge(&history).into_iter().map(|breach| breach.promise));
    });
    found.lock().unwrap().clone()
}

#[test]
fn the_oracle_passes_what_is_right() {
    let right = [
        (Op::Read, Op::Set),
        (Op::Set, Op::Set),
        (Op::Modify, Op::Modify),
        (Op::Set, Op::Remove),
        (Op::Flash, Op::Flash),
        (Op::Flash, Op::Pop),
        (Op::Pop, Op::Pop),
        (Op::Token, Op::Modify),
        (Op::SetLimits, Op::Set),
        (Op::Set, Op::SignOut),
        (Op::Flash, Op::RevokeAll),
        (Op::SignOut, Op::RevokeOthers),
        (Op::HandleWrite, Op::SignOut),
        (Op::HandleReload, Op::Set),
    ];
    for (one, two) in right {
        for persistent in [false, true] {
            let case = Case { persistent, ..Case::of(one, two) };
            assert_eq!(broken(case, |_| ()), BTreeSet::new(), "{one:?} and {two:?}");
        }
    }
}

#[test]
fn the_oracle_notices_a_flawed_store() {
    let flawed = [
        (Flaw::Overwrites, Op::Set, Op::Set, oracle::ACKNOWLEDGED),
        (Flaw::Overwrites, Op::Modify, Op::Modify, oracle::ACKNOWLEDGED),
        (Flaw::Overwrites, Op::Flash, Op::Flash, oracle::NOT_LOST),
        (Flaw::Overwrites, Op::Pop, Op::Pop, oracle::ONCE),
        (Flaw::Overwrites, Op::Set, Op::SignInOther, oracle::ACKNOWLEDGED),
        (Flaw::Revives, Op::Set, Op::SignOut, oracle::ENDED),
        (Flaw::Revives, Op::Modify, Op::RevokeAll, oracle::ENDED),
        (Flaw::Revives, Op::HandleWrite, Op::SignOut, oracle::ENDED),
        (Flaw::Keeps, Op::Read, Op::SignOut, oracle::ENDED),
    ];
    for (flaw, one, two, promise) in flawed {
        let broken = broken(Case { flaw, ..Case::of(one, two) }, |_| ());
        assert!(broken.contains(promise), "{flaw:?}, {one:?} and {two:?}: {broken:?}");
    }
}

fn gone(history: &mut History) {
    let outcome = &mut history.seen[0].outcome;
    if let Some(Outcome::Response { says_gone, .. }) = outcome {
        *says_gone = true;
    }
}

fn answers(history: &mut History, sent: Sent, status: u16) {
    history.seen[0].outcome = Some(Outcome::Response { status, sent, says_gone: false });
}

fn nothing_opens(history: &mut History) {
    history.tickets.truncate(1);
    history.tickets[0].1.is_live = false;
    history.by_jar.is_live = false;
    history.by_jar_later.is_live = false;
}

/// A way to make a history look as if a promise had been broken.
type Tamper = fn(&mut History);

#[test]
fn the_oracle_notices_each_broken_promise() {
    let table: [(&str, Op, Tamper); 31] = [
        (oracle::NOT_INVENTED, Op::Set, |it| {
            it.seen[0].outcome = Some(Outcome::Dropped);
            it.seen[0].has_answered = false;
        }),
        (oracle::OLD_TICKET, Op::Renew, |it| it.tickets[0].1 = it.by_jar.clone()),
        (oracle::SIGNED_IN, Op::Set, nothing_opens),
        (oracle::SIGNED_IN, Op::Set, |it| it.by_jar_later.id = None),
        (oracle::NEWEST, Op::Set, |it| {
            it.jar.cookie = None;
            it.by_jar.is_live = false;
        }),
        (oracle::TOGETHER, Op::Renew, nothing_opens),
        (oracle::TOGETHER, Op::Renew, |it| answers(it, Sent::Nothing, 200)),
        (oracle::NOBODYS, Op::Set, |it| it.counts.records += 1),
        (oracle::ONCE, Op::Pop, |it| it.by_jar_later.messages.push(100)),
        (oracle::NOT_LOST, Op::Set, |it| it.by_jar_later.messages.clear()),
        (oracle::NOT_LONGER, Op::Set, |it| {
            let record = it.record.as_mut().unwrap();
            record.expires_at = record.expires_at.saturating_add(Duration::from_micros(1));
        }),
        (oracle::NOT_SHORTER, Op::Set, |it| {
            it.record.as_mut().unwrap().expires_at = it.seen[0].begun_at;
        }),
        (oracle::LATE, Op::SignInOther, |it| {
            let sent = Sent::Ticket { cookie: it.tickets[1].0.clone(), max_age: None };
            answers(it, sent, 200);
            it.seen[1].session = None;
            (it.seen[0].ended, it.seen[1].begun) = (5, 6);
        }),
        (oracle::GONE, Op::Set, gone),
        (oracle::GONE_WHY, Op::Set, gone),
        (oracle::PINNED, Op::HandleWrite, |it| {
            it.seen[0].handled.as_mut().unwrap().standing = Some(Standing::Gone);
        }),
        (oracle::NO_LOGIN, Op::Renew, |it| it.seen[0].outcome = Some(Outcome::Panicked)),
        (oracle::NO_LOGIN_KEPT, Op::Renew, |it| it.seen[0].outcome = Some(Outcome::Dropped)),
        (oracle::CLOSURES, Op::Modify, |it| {
            let runs = it.seen[0].acted.as_ref().unwrap().runs.as_ref();
            runs.unwrap().fetch_add(1, Ordering::Relaxed);
        }),
        (oracle::NOT_EMPTY, Op::Set, |it| it.seen[0].found.as_mut().unwrap().is_new = true),
        (oracle::NO_FAILURE, Op::Set, |it| answers(it, Sent::Nothing, 503)),
        (oracle::OTHERS, Op::Set, |it| it.device.is_live = false),
        (oracle::TOKEN, Op::Token, |it| {
            it.seen[0].acted.as_mut().unwrap().token = Some("another".to_owned());
        }),
        (oracle::EMPTIED, Op::Set, |it| it.record.as_mut().unwrap().owner = Some(BOB.into())),
        (oracle::EMPTIED, Op::SignInOther, |it| {
            it.record.as_mut().unwrap().created = Some(Timestamp::from_secs(0));
        }),
        (oracle::EMPTIED, Op::SignInOther, |it| it.by_jar.messages.push(100)),
        (oracle::NO_OWNER, Op::RevokeOthers, |it| {
            it.seen[0].acted.as_mut().unwrap().revoked = None;
        }),
        (oracle::COOKIES, Op::Set, |it| answers(it, Sent::Removed, 200)),
        (oracle::FORGOTTEN, Op::Set, |it| it.jar.expires = Some(it.seen[0].begun_at)),
        (oracle::USABLE, Op::Set, |it| it.can_write = false),
        (oracle::MINTED, Op::Set, |it| {
            let mut view = it.by_jar.clone();
            view.id = None;
            it.tickets.push(("another".to_owned(), view));
            answers(it, Sent::Ticket { cookie: "another".to_owned(), max_age: None }, 200);
        }),
    ];
    for (promise, op, tamper) in table {
        let broken = broken(Case::of(op, Op::Read), tamper);
        assert!(broken.contains(promise), "{promise}, after {op:?}: {broken:?}");
    }
}

#[test]
fn the_oracle_notices_a_look_that_was_overtaken() {
    let broken = broken(Case::of(Op::Read, Op::Set), |history| {
        let key = history.events.iter().find_map(|event| match event {
            Event::Call(call) => call.key,
            _ => None,
        });
        let answer = String::new();
        let who = Who::First;
        let call = Call { who, name: "touch", key, answer, has_effect: true, failed: None };
        history.events.push(Event::Call(call));
        history.seen[0].ended = history.events.len();
    });
    assert!(broken.contains(oracle::OVERTAKEN), "{broken:?}");
}
