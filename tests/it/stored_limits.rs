//! Limits that a session is given for itself, on the day it is given them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cloakroom::session::Limits;
use cloakroom::store::MemoryStore;
use cloakroom::{ConfigError, Error, Session, StoredFactory, Timestamp};
use http::StatusCode;

use crate::site::{Site, Stored};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn absolute(span: u64) -> Limits {
    Limits { idle: None, absolute: Some(seconds(span)), persistent: true }
}

fn is_too_old(result: Result<(), Error>) -> bool {
    matches!(result, Err(Error::Setting(ConfigError::Age { age, .. })) if age == seconds(600))
}

/// The line that sets them says so: the session keeps the limits that it has, and what was written.
#[tokio::test]
async fn s64_limits_that_are_over_when_they_are_set_lose_nothing_unseen() {
    let stored = Stored::with(|builder| builder.absolute_limit(seconds(300)));
    let begin = async |session: Session| session.set_limits(absolute(3_600));
    let begun = stored.site.visit(None, async |session| {
        session.insert("n", 0).unwrap();
        begin(session).await.unwrap();
    });
    let cookie = begun.await.cookie().unwrap().to_owned();
    stored.clock.advance(seconds(600));
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("n", 5).unwrap();
        assert!(is_too_old(session.set_limits(absolute(300))));
        assert!(is_too_old(session.set_limits(absolute(600))), "at its limit it is over");
        assert!(is_too_old(session.set_limits(None)), "the factory's are over as well");
        session.set_limits(absolute(601)).unwrap();
        assert_eq!(session.limits(), Some(absolute(601)));
    });
    visit.await;
    assert_eq!(stored.look(&cookie).await, "n=5");
    let anew = stored.site.visit(&*cookie, async |session| {
        session.invalidate().unwrap();
        session.insert("n", 6).unwrap();
        session.set_limits(absolute(300)).unwrap();
    });
    assert_eq!(stored.look(anew.await.cookie().unwrap()).await, "n=6");
}

/// The request fails, and the session is as it was.
#[tokio::test]
async fn s64_limits_that_are_over_by_the_end_of_their_request_lose_nothing_unseen() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(600));
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("n", 5).unwrap();
        session.set_limits(absolute(601)).unwrap();
        stored.clock.advance(seconds(1));
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(stored.look(&cookie).await, "n=0");
}

#[tokio::test]
async fn s22_what_is_left_of_a_session_is_by_the_limits_it_has_now() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(30));
    let visit = stored.site.visit(&*cookie, async |session| {
        let before = session.expires_in();
        let idle = Some(seconds(60));
        session.set_limits(Limits { idle, absolute: None, persistent: false }).unwrap();
        let idle = session.expires_in();
        session.set_limits(absolute(100)).unwrap();
        let left = session.expires_in();
        session.set_limits(None).unwrap();
        let back = session.expires_in();
        session.set_limits(absolute(100)).unwrap();
        session.invalidate().unwrap();
        [before, idle, left, back, session.expires_in()]
    });
    let whole = Limits::DEFAULT.idle.unwrap();
    let expected = [whole - seconds(30), seconds(60), seconds(70), whole, whole].map(Some);
    assert_eq!(visit.await.result, expected);
}

/// A server whose clock is behind ends nobody's session early by a look. A deployment with shorter limits does.
#[tokio::test]
async fn s22_a_look_moves_an_end_back_for_shorter_limits_and_not_for_a_clock_that_is_behind() {
    const START: i64 = 1_700_000_000;
    let now = Arc::new(AtomicI64::new(START));
    let clock = {
        let now = now.clone();
        move || Timestamp::from_secs(now.load(Ordering::SeqCst))
    };
    let store = MemoryStore::builder().clock(|| Timestamp::from_secs(START)).build();
    let site = |minutes: u64| {
        let builder = StoredFactory::builder("shop", store.clone()).clock(clock.clone());
        Site::new(builder.idle_limit(seconds(minutes * 60)).build().unwrap())
    };
    let look = async |session: Session| session.len();
    let begun = site(20).visit(None, async |session| session.insert("n", 0)).await;
    let cookie = begun.cookie().unwrap();
    for (minutes, later, lives) in
        [(20, -140, 1), (20, 19 * 60, 1), (5, 19 * 60, 1), (5, 25 * 60, 0)]
    {
        now.store(START + later, Ordering::SeqCst);
        assert_eq!(site(minutes).visit(cookie, look).await.result, lives, "{minutes} {later}");
    }
}

/// What begins anew began with its request. Where that took longer than such a session may live, it is over before it is
/// kept: nothing of it is, and what was to end has ended.
#[tokio::test]
async fn s22_what_is_over_before_it_is_kept_is_not_kept() {
    for logs_out in [true, false] {
        let stored = Stored::with(|builder| builder.absolute_limit(seconds(300)));
        let begin = async |session: Session| {
            session.set_owner("ada").unwrap();
            session.set_limits(absolute(3_600)).unwrap();
        };
        let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
        let visit = stored.site.visit(&*cookie, async |session: Session| {
            if logs_out {
                session.invalidate().unwrap();
            }
            session.set_owner("bob").unwrap();
            session.insert("n", 1).unwrap();
            stored.clock.advance(seconds(300));
            session
        });
        let visit = visit.await;
        assert!(visit.result.is_gone(), "{logs_out}");
        assert!(stored.sessions.sessions_of("bob").await.unwrap().is_empty());
        assert_eq!(
            stored.store.counts().records,
            usize::from(!logs_out),
            "what has ended takes no place"
        );
        let ada = async |session: Session| session.owner();
        let ada = stored.site.visit(&*cookie, ada).await.result;
        if logs_out {
            assert!(visit.set_cookies().concat().contains("Max-Age=0"));
            assert_eq!(ada, None);
        } else {
            assert!(visit.set_cookies().is_empty());
            assert_eq!(ada.as_deref(), Some("ada"), "the login came to nothing");
        }
    }
}
