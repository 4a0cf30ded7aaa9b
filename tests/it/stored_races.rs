//! Server-side sessions that several requests write at once: nothing is lost unseen.

use std::time::Duration;

use cloakroom::factory::Overwrite;
use cloakroom::session::Limits;
use cloakroom::store::Scan;
use cloakroom::{Key, Session};

use crate::site::{Stored, Visit};

/// Has `slow` done by a handler that has read `n`, while `fast` is done by another request in between.
async fn race<R>(
    stored: &Stored,
    cookie: &str,
    slow: impl AsyncFnOnce(Session) -> R,
    fast: impl AsyncFnOnce(Session),
) -> Visit<R> {
    stored
        .site
        .visit(cookie, async |session| {
            stored.site.visit(cookie, fast).await;
            slow(session).await
        })
        .await
}

#[tokio::test]
async fn s62_different_keys_both_survive() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let set = |key: &'static str| {
        async move |session: Session| {
            session.insert(key, 1).unwrap();
        }
    };
    race(&stored, &cookie, set("a"), set("b")).await;
    assert_eq!(stored.look(&cookie).await, "n=0 b=1 a=1");
    assert_eq!(stored.events(), ["Conflict"]);
}

#[tokio::test]
async fn s62_changes_add_up_and_appends_follow_each_other() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let add = |by: u32| {
        async move |session: Session| {
            session.modify("n", move |n: &mut u32| *n += by).unwrap();
            session.flash(by.to_string()).unwrap();
        }
    };
    race(&stored, &cookie, add(1), add(10)).await;
    assert_eq!(stored.look(&cookie).await, r#"n=11 _f_=["10","1"]"#);
}

#[tokio::test]
async fn s62_a_look_that_was_overtaken_leaves_the_end_that_the_other_set() {
    let limits =
        |idle| Limits { idle: Some(Duration::from_secs(idle)), absolute: None, persistent: true };
    let stored = Stored::with(|it| it.limits(limits(1000)));
    let cookie = stored.begin().await;
    stored.clock.advance(Duration::from_secs(500));
    let look = async |session: Session| assert_eq!(session.len(), 1);
    let shorten = async |session: Session| session.set_limits(limits(60)).unwrap();
    let visit = race(&stored, &cookie, look, shorten).await;
    assert!(visit.set_cookies().is_empty(), "it knows nothing of the new end");
    assert!(stored.events().is_empty(), "nothing was lost, and nobody was ended");
    let page = stored.store.scan(None, 10).await.unwrap();
    let ends = page.records[0].stored.record.expires_at;
    assert_eq!(ends.as_secs(), 1_700_000_500 + 60);
}

#[tokio::test]
async fn s62_what_was_read_then_set_over_another_write_is_counted() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let increment = async |session: Session| {
        let n: u32 = session.get("n").unwrap().unwrap();
        session.insert("n", n + 1).unwrap();
    };
    race(
        &stored,
        &cookie,
        async |session| {
            // The fast one has written 1 by now; this one still sees 0.
            increment(session).await;
        },
        increment,
    )
    .await;
    assert_eq!(stored.look(&cookie).await, "n=1", "the last one wins by default");
    assert_eq!(stored.events(), ["Conflict", r#"Overwritten("n")"#]);
}

#[tokio::test]
async fn s62_a_write_that_had_not_read_overwrites_nothing_unseen() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    for slow in ["set", "set, get, set", "modify", "get another"] {
        race(
            &stored,
            &cookie,
            async |session| match slow {
                "set" => drop(session.insert("n", 7).unwrap()),
                "modify" => session.modify("n", |n: &mut u32| *n += 1).unwrap(),
                "set, get, set" => {
                    session.insert("n", 70).unwrap();
                    session.get::<u32>("n").unwrap();
                    session.insert("n", 8).unwrap();
                }
                _ => {
                    session.get::<u32>("m").unwrap();
                    session.insert("n", 9).unwrap();
                }
            },
            async |session| session.modify("n", |n: &mut u32| *n += 100).unwrap(),
        )
        .await;
        assert_eq!(stored.events(), ["Conflict"], "{slow}");
    }
}

#[tokio::test]
async fn s62_each_way_of_reading_and_of_writing_is_noticed() {
    let read: [fn(&Session) -> bool; 3] = [
        |session| session.get::<u32>("n").unwrap().is_some(),
        |session| session.contains_key("n"),
        |session| session.entries().contains_key("n"),
    ];
    let write: [fn(&Session) -> bool; 4] = [
        |session| session.insert("n", 7).unwrap().is_some(),
        |session| session.remove("n").unwrap().is_some(),
        |session| session.take::<u32>("n").unwrap().is_some(),
        |session| session.extend([("n", 7)]).is_ok(),
    ];
    for (way, read) in read.iter().enumerate() {
        for write in write {
            let stored = Stored::new();
            let cookie = stored.begin().await;
            let fast = async |session: Session| session.modify("n", |n: &mut u32| *n += 1).unwrap();
            let slow = async |session: Session| {
                assert!(read(&session) && write(&session));
            };
            race(&stored, &cookie, slow, fast).await;
            assert_eq!(stored.events(), ["Conflict", r#"Overwritten("n")"#], "{way}");
        }
    }
}

#[tokio::test]
async fn s62_by_policy_an_unseen_overwrite_is_refused_with_409() {
    const N: Key<u32> = Key::new("n");
    for (policy, key) in [(Overwrite::Refuse, N), (Overwrite::LastWins, N.strict())] {
        let stored = Stored::with(|builder| builder.on_overwrite(policy));
        let cookie = stored.begin().await;
        let slow = async |session: Session| {
            let n = session.get(key).unwrap().unwrap();
            session.insert(key, n + 1).unwrap();
            session.insert("other", 1).unwrap();
        };
        let fast = async |session: Session| session.modify(N, |n| *n += 100).unwrap();
        let visit = race(&stored, &cookie, slow, fast).await;
        assert_eq!(visit.response.status(), 409);
        assert!(visit.response.body().starts_with("This was changed elsewhere"), "S90");
        assert_eq!(stored.look(&cookie).await, "n=100", "nothing of it is kept");
        assert_eq!(stored.events(), ["Conflict", r#"OverwriteRefused("n")"#]);
    }
}

#[tokio::test]
async fn s27_a_renewal_holds_even_if_the_changes_with_it_are_refused() {
    let stored = Stored::with(|builder| builder.on_overwrite(Overwrite::Refuse));
    let cookie = stored.begin().await;
    let slow = async |session: Session| {
        let n: u32 = session.get("n").unwrap().unwrap();
        session.insert("n", n + 1).unwrap();
        session.renew().unwrap();
    };
    let fast = async |session: Session| session.modify("n", |n: &mut u32| *n += 100).unwrap();
    assert_eq!(race(&stored, &cookie, slow, fast).await.response.status(), 409);
    assert_eq!(stored.look(&cookie).await, "", "the old ticket is dead");
}

#[tokio::test]
async fn s74_a_replay_that_cannot_be_done_keeps_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let slow = async |session: Session| session.modify("n", |n: &mut u32| *n += 1).unwrap();
    let fast = async |session: Session| drop(session.insert("n", "text").unwrap());
    let visit = race(&stored, &cookie, slow, fast).await;
    assert_eq!(visit.response.status(), 500);
    assert!(visit.set_cookies().is_empty());
    assert_eq!(stored.look(&cookie).await, r#"n="text""#);
}

#[tokio::test]
async fn s66_a_late_write_never_lands_behind_a_renewed_ticket() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let slow = async |session: Session| drop(session.insert("late", 1).unwrap());
    let fast = async |session: Session| session.set_owner("ada").unwrap();
    let visit = race(&stored, &cookie, slow, fast).await;
    assert!(visit.set_cookies().is_empty());
    let listed = stored.sessions.sessions_of("ada").await.unwrap();
    assert_eq!(listed[0].entries.len(), 1, "{:?}", listed[0].entries);
}

#[tokio::test]
async fn s62_many_writers_of_one_session_add_up() {
    // However busy the machine is, no call is given up.
    let stored = Stored::with(|builder| builder.io_timeout(None));
    let cookie = stored.begin().await;
    let write = || {
        let site = crate::site::Site::new(stored.sessions.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for _ in 0..100 {
                let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 1);
                let visit = site.visit(&*cookie, add).await;
                assert_eq!(visit.response.status(), 200);
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(write);
        }
    });
    assert_eq!(stored.look(&cookie).await, "n=6400");
}

/// However many renewals there were: each of those tickets was good a moment ago.
#[tokio::test]
async fn s64_after_many_renewals_a_ticket_from_just_before_is_still_late() {
    for renewals in [1, 8, 9, 10, 100] {
        let stored = Stored::new();
        let first = stored.begin().await;
        let mut cookie = first.clone();
        for _ in 0..renewals {
            stored.clock.advance(Duration::from_millis(200));
            let renew = async |session: Session| session.renew().unwrap();
            cookie = stored.site.visit(&*cookie, renew).await.cookie().unwrap().to_owned();
        }
        let write = async |session: Session| session.insert("late", 1).unwrap();
        let late = stored.site.visit(&*first, write).await;
        assert!(late.set_cookies().is_empty(), "after {renewals} renewals");
    }
}
