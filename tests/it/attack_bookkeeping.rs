//! Attacks on what is counted as read, as overwritten and as kept.

use std::time::Duration;

use cloakroom::session::{Bounds, Limits};
use cloakroom::{Key, Session};
use http::{Response, StatusCode};

use crate::site::Stored;

const N: Key<u32> = Key::new("n");

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// `modify_strict`: "if another request wrote the session meanwhile, and the closure then returns something else than it
/// returned here, the request fails with `Overwrites` (409)".
#[tokio::test]
async fn s62_a_strict_decision_that_changed_nothing_holds_too() {
    let stored = Stored::new();
    let begin = async |session: Session| session.insert("granted", true).map(drop);
    let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session| {
        let told = session.modify_strict("granted", |granted: &mut bool| *granted).unwrap();
        assert!(told);
        let revoke = async |session: Session| session.insert("granted", false).map(drop);
        stored.site.visit(&*cookie, revoke).await.result.unwrap();
        session.insert("log", "granted").unwrap();
    });
    assert_eq!(visit.await.response.status(), 409);
}

/// A strict default that another request was faster to set: what was given out is not what is kept.
#[tokio::test]
async fn s62_a_strict_default_that_is_not_kept_is_noticed() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    const SEAT: Key<u32> = Key::new("seat");
    let visit = stored.site.visit(&*cookie, async |session| {
        let fast =
            async |session: Session| session.get_or_insert_with(SEAT.strict(), || 1).unwrap();
        let mine = session.get_or_insert_with(SEAT.strict(), || 2).unwrap();
        let theirs = stored.site.visit(&*cookie, fast).await.result;
        (mine, theirs)
    });
    let visit = visit.await;
    assert_eq!(visit.result, (2, 1));
    assert_eq!(visit.response.status(), 409, "told 2, kept 1");
}

/// No session dies before its limits: a session's own, shorter idle limit under a fixed `touch_after`.
#[tokio::test]
async fn s22_a_session_with_a_short_limit_of_its_own_lives_while_it_is_looked_at() {
    let span = Duration::from_secs;
    let stored = Stored::with(|builder| builder.touch_after(span(120)));
    let begin = async |session: Session| {
        session.insert("n", 0).unwrap();
        let idle = Some(span(60));
        session.set_limits(Limits { idle, absolute: None, persistent: false })
    };
    let begun = stored.site.visit(None, begin).await;
    let visible = begun.result;
    let cookie = begun.response.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    visible.unwrap();
    for _ in 0..3 {
        stored.clock.advance(span(30));
        assert_eq!(stored.look(cookie).await, "n=0");
    }
}

