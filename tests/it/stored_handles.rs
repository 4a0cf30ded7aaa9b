//! Handles on sessions: each is a handle on one session under the rights that it had, for its whole life, and loses
//! nothing of what it was given.

use std::time::Duration;

use cloakroom::session::{Limits, SessionHandle, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Session, StoredFactory};

use crate::site::{Site, Stored};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn handle(session: Session) -> SessionHandle {
    session.handle().unwrap()
}

fn add(handle: &SessionHandle) {
    handle.modify("n", |n: &mut u32| *n += 1).unwrap();
}

#[tokio::test]
async fn s74_a_handle_whose_store_failed_keeps_its_changes_for_the_next_commit() {
    for fault in [
        Fault::Before(StoreErrorKind::Unavailable),
        Fault::After(StoreErrorKind::Unavailable),
        Fault::Before(StoreErrorKind::Rejected),
        Fault::After(StoreErrorKind::TimedOut),
    ] {
        let sessions = StoredFactory::new("shop", FaultyStore::new(MemoryStore::new()));
        let site = Site::new(sessions.clone());
        let visit = site.visit(None, async |session| session.insert("n", 0)).await;
        let cookie = visit.cookie().unwrap().to_owned();
        let mut handle = site.visit(&*cookie, handle).await.result;
        add(&handle);
        // The look after the lost answer fails too, so that nobody knows what became of it.
        sessions.store().fail(Call::Replace, fault);
        sessions.store().fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
        assert!(matches!(handle.commit().await, Err(Error::Store { .. })), "{fault:?}");
        assert_eq!(handle.get::<u32>("n").unwrap(), Some(1), "still there");
        add(&handle);
        sessions.store().heal();
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        let n = site.visit(&*cookie, async |session| session.get::<u32>("n").unwrap()).await.result;
        assert_eq!(n, Some(2), "{fault:?}: once each");
    }
}

#[tokio::test]
async fn s69_a_commit_that_is_given_up_loses_nothing() {
    use std::pin::pin;
    use std::task::{Context, Waker};
    let sessions = StoredFactory::new("shop", crate::yielding::Yielding(MemoryStore::new()));
    let site = Site::new(sessions.clone());
    let visit = site.visit(None, async |session| session.insert("n", 0)).await;
    let cookie = visit.cookie().unwrap().to_owned();
    for polls in 1..4_u32 {
        let mut handle = site.visit(&*cookie, handle).await.result;
        let before = handle.get::<u32>("n").unwrap().unwrap();
        add(&handle);
        {
            let mut commit = pin!(handle.commit());
            for _ in 0..polls {
                if commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
            }
        }
        if let Ok(standing) = handle.commit().await {
            assert_eq!(standing, Standing::Live);
        }
        let look = async |session: Session| session.get::<u32>("n").unwrap();
        assert_eq!(site.visit(&*cookie, look).await.result, Some(before + 1), "{polls} polls");
    }
}

#[tokio::test]
async fn s22_a_handle_revives_no_session_past_its_limits() {
    for limits in [
        Limits { idle: Some(seconds(60)), absolute: None, persistent: false },
        Limits { idle: None, absolute: Some(seconds(60)), persistent: false },
    ] {
        for has_changes in [true, false] {
            let stored = Stored::with(|builder| builder.limits(limits));
            let cookie = stored.begin().await;
            let mut handle = stored.site.visit(&*cookie, handle).await.result;
            if has_changes {
                add(&handle);
            }
            stored.clock.advance(seconds(60));
            assert_eq!(handle.commit().await.unwrap(), Standing::Gone, "{limits:?}");
            assert_eq!(stored.look(&cookie).await, "");
        }
    }
}

#[tokio::test]
async fn s22_a_request_keeps_nothing_once_its_session_has_ended() {
    let limits = Limits { idle: Some(seconds(60)), absolute: None, persistent: true };
    let acts: [fn(&Session); 3] = [
        |session| drop(session.insert("n", 1).unwrap()),
        |session| session.set_owner("ada").unwrap(),
        |session| session.set_limits(None).unwrap(),
    ];
    for act in acts {
        let stored = Stored::with(|builder| builder.limits(limits));
        let cookie = stored.begin().await;
        let visit = stored.site.visit(&*cookie, async |session| {
            act(&session);
            stored.clock.advance(seconds(60));
            // Another request was told meanwhile that the session is over.
            let other = async |session: Session| session.was_expired();
            assert!(stored.site.visit(&*cookie, other).await.result);
            session
        });
        let visit = visit.await;
        assert!(visit.result.is_gone() && visit.set_cookies().is_empty());
        assert_eq!(stored.look(&cookie).await, "");
    }
}

#[tokio::test]
async fn s64_a_handle_never_reaches_the_session_that_follows() {
    let follow: [fn(&Session); 3] = [
        |session| {
            session.invalidate().unwrap();
            session.insert("own", 1).unwrap();
        },
        |session| session.set_owner("bob").unwrap(),
        |session| session.renew().unwrap(),
    ];
    for follow in follow {
        let stored = Stored::new();
        let begun =
            stored.site.visit(None, async |session| session.set_owner("ada").unwrap()).await;
        let visit = stored.site.visit(begun.cookie(), async |session| {
            let handle = session.handle().unwrap();
            follow(&session);
            handle
        });
        let visit = visit.await;
        let (mut handle, cookie) = (visit.result, visit.response.headers()["set-cookie"].clone());
        handle.insert("former", 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
        assert_eq!(handle.reload().await.unwrap(), Standing::Gone);
        assert!(!stored.look(cookie.to_str().unwrap()).await.contains("former"));
    }
}

#[tokio::test]
async fn s62_a_handle_that_commits_before_its_request_loses_nothing_for_either() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("request", 1).unwrap();
        let mut handle = session.handle().unwrap();
        handle.insert("handle", 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        session
    });
    let visit = visit.await;
    assert!(!visit.result.is_gone());
    assert_eq!(stored.look(&cookie).await, "n=0 handle=1 request=1");
}

#[tokio::test]
async fn s19_a_handle_of_a_login_waits_for_it_and_leaves_its_cookie_alone() {
    let stored = Stored::new();
    let begun = stored.begin().await;
    for cookie in [Some(&*begun), None] {
        let visit = stored.site.visit(cookie, async |session| {
            session.set_owner("ada").unwrap();
            let mut handle = session.handle().unwrap();
            add(&handle);
            assert!(matches!(handle.commit().await, Err(Error::NotYet)));
            assert!(matches!(handle.reload().await, Err(Error::NotYet)));
            handle
        });
        let mut visit = visit.await;
        let new = visit.cookie().unwrap().to_owned();
        assert_eq!(visit.result.commit().await.unwrap(), Standing::Live);
        assert_eq!(stored.look(&new).await, "n=1");
        assert_eq!(visit.result.owner().as_deref(), Some("ada"));
        assert!(visit.result.id().is_some());
    }
}

#[tokio::test]
async fn s64_a_handle_on_a_session_that_was_never_kept_is_gone() {
    let stored = Stored::new();
    let mut handle = stored.site.visit(None, handle).await.result;
    add(&handle);
    assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
}

#[tokio::test]
async fn s62_what_a_handle_s_request_had_read_counts_as_read() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let n: u32 = session.get("n").unwrap().unwrap();
        (n, session.handle().unwrap())
    });
    let (n, mut handle) = visit.await.result;
    let set = async |session: Session| session.modify("n", |n: &mut u32| *n += 10).unwrap();
    stored.site.visit(&*cookie, set).await;
    handle.insert("n", n + 1).unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Live);
    assert_eq!(stored.events(), ["Conflict", r#"Overwritten("n")"#]);
}

#[tokio::test]
async fn s67_what_a_handle_has_shown_is_not_shown_again_after_a_reload() {
    let stored = Stored::with(|builder| builder.flash_lease(seconds(30)));
    let visit = stored.site.visit(None, async |session| {
        session.flash("saved").unwrap();
        session.handle().unwrap()
    });
    let visit = visit.await;
    let cookie = visit.cookie().unwrap().to_owned();
    let mut handle = visit.result;
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    stored.clock.advance(seconds(31));
    let pop = async |session: Session| session.pop_flash::<String>("").await.unwrap();
    assert!(stored.site.visit(&*cookie, pop).await.result.is_empty());
    assert!(handle.pop_flash::<String>("").await.unwrap().is_empty());
}

#[tokio::test]
async fn r15_after_a_reload_a_session_without_limits_has_none() {
    let none = Limits { idle: None, absolute: None, persistent: false };
    let stored = Stored::with(|builder| builder.limits(none));
    let cookie = stored.begin().await;
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    assert_eq!(handle.expires_in(), None);
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    assert_eq!(handle.expires_in(), None);
}

#[tokio::test]
async fn s22_a_look_of_others_keeps_a_session_alive_for_handles_and_slow_requests() {
    let limits = Limits { idle: Some(seconds(1200)), absolute: None, persistent: false };
    let stored = Stored::with(|builder| builder.limits(limits));
    let cookie = stored.begin().await;
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    let visit = stored.site.visit(&*cookie, async |session| {
        stored.clock.advance(seconds(700));
        assert_eq!(stored.look(&cookie).await, "n=0");
        stored.clock.advance(seconds(700));
        session.insert("slow", 1).unwrap();
        session
    });
    assert!(!visit.await.result.is_gone());
    stored.clock.advance(seconds(700));
    assert_eq!(stored.look(&cookie).await, "n=0 slow=1");
    stored.clock.advance(seconds(700));
    add(&handle);
    assert_eq!(handle.commit().await.unwrap(), Standing::Live);
    assert_eq!(stored.look(&cookie).await, "n=1 slow=1");
}

#[tokio::test]
async fn s64_a_handle_on_a_session_that_nothing_was_put_into_is_gone_when_its_request_has_ended() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| (session.handle().unwrap(), session));
    let (mut handle, _session) = visit.await.result;
    assert_eq!(handle.reload().await.unwrap(), Standing::Gone);
}

#[tokio::test]
async fn s64_a_handle_ends_its_own_session_and_none_that_followed() {
    let acts: [fn(&Session); 5] = [
        |session| session.renew().unwrap(),
        |session| session.set_owner("ada").unwrap(),
        |session| session.set_owner("bob").unwrap(),
        |session| session.forget_owner().unwrap(),
        |session| session.invalidate().unwrap(),
    ];
    for (at, act) in acts.into_iter().enumerate() {
        let stored = Stored::new();
        let begun =
            stored.site.visit(None, async |session| session.set_owner("ada").unwrap()).await;
        let cookie = begun.cookie().unwrap();
        let mut handle = stored.site.visit(cookie, handle).await.result;
        let visit = stored.site.visit(cookie, async |session| {
            act(&session);
            session.insert("next", 1).unwrap();
        });
        let visit = visit.await;
        handle.invalidate().unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
        assert_eq!(stored.look(visit.cookie().unwrap()).await, "next=1", "act {at}");
    }
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    stored.site.visit(&*cookie, async |session| session.insert("n", 1)).await.result.unwrap();
    handle.invalidate().unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
    assert_eq!(
        stored.store.counts().records,
        0,
        "what others wrote under the same rights goes along"
    );
}

#[tokio::test]
async fn s64_a_login_while_a_handle_ends_the_session_is_whole_or_gone() {
    use std::task::{Context, Waker};
    let mut ended = [0, 0];
    for polls in 0..12 {
        let store = MemoryStore::new();
        let site = Site::new(StoredFactory::new("shop", crate::yielding::Yielding(store.clone())));
        let visit = site.visit(None, async |session| session.insert("n", 0)).await;
        let cookie = visit.cookie().unwrap().to_owned();
        let mut handle = site.visit(&*cookie, handle).await.result;
        handle.invalidate().unwrap();
        let mut commit = Box::pin(handle.commit());
        let visit = site.visit(&*cookie, async |session| {
            session.set_owner("ada").unwrap();
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| commit.as_mut().poll(&mut context).is_ready())
        });
        let visit = visit.await;
        if !visit.result {
            assert_eq!(commit.await.unwrap(), Standing::Gone);
        }
        let signed_in = usize::from(visit.cookie().is_some());
        assert_eq!(store.counts().records, signed_in, "after {polls} polls");
        ended[signed_in] += 1;
    }
    assert!(ended[0] > 0 && ended[1] > 0, "{ended:?}: both orders have been there");
}

/// The old token is dead at once, also for a handle that was taken in the same request; and what the handle gives is the
/// page's.
#[tokio::test]
async fn r41_a_handle_that_was_taken_after_a_new_token_has_that_one() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let old = async |session: Session| session.csrf_token().unwrap().plain().to_owned();
    let old = stored.site.visit(&*cookie, old).await.result;
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        let new = session.new_csrf_token().unwrap().plain().to_owned();
        let handle = session.handle().unwrap();
        let check = |handle: &SessionHandle| {
            assert!(handle.is_csrf_token(&new));
            assert!(!handle.is_csrf_token(&old));
            assert_eq!(handle.csrf_token().unwrap().plain(), new);
        };
        check(&handle);
        check(&handle.handle().unwrap());
        (new.clone(), handle)
    });
    let (new, mut handle) = visit.await.result;
    for attempt in 0..3 {
        assert_eq!(handle.csrf_token().unwrap().plain(), new, "{attempt}");
        assert!(!handle.is_csrf_token(&old));
        let standing = if attempt == 0 { handle.reload().await } else { handle.commit().await };
        assert_eq!(standing.unwrap(), Standing::Live);
    }
    // Another one that a later request makes is seen when the handle is read again.
    let newer = async |session: Session| session.new_csrf_token().unwrap().plain().to_owned();
    let newer = stored.site.visit(&*cookie, newer).await.result;
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    assert_eq!(handle.csrf_token().unwrap().plain(), newer);
}

/// The view of the request is the handle's until it is read again: if the request has kept no token, the old one stands.
#[tokio::test]
async fn r41_a_new_token_that_was_not_kept_is_none_of_a_handle_s_that_was_read_again() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        session.new_csrf_token().unwrap();
        let mut handle = session.handle().unwrap();
        handle.insert("x", 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        handle
    });
    let mut handle = visit.await.result;
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    let token = async |session: Session| session.csrf_token().unwrap().plain().to_owned();
    let token = stored.site.visit(&*cookie, token).await.result;
    assert_eq!(handle.csrf_token().unwrap().plain(), token);
}
