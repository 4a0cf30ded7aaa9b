//! Attacks on requests of one browser that cross each other.

use std::time::Duration;

use cloakroom::Session;

use crate::site::{Stored, Visit};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A form page: renders a token, which writes.
async fn form(session: Session) -> bool {
    let _ = session.csrf_token().unwrap();
    session.insert("seen", 1).unwrap();
    session.is_gone()
}

async fn login(session: Session) {
    session.set_owner("ada").unwrap();
}

fn sends_nothing<R>(visit: &Visit<R>) {
    assert!(
        visit.set_cookies().is_empty(),
        "replaces the login's cookie: {:?}",
        visit.set_cookies()
    );
}

/// The session had expired. The browser sends a login and, at the same time, another request with the same ticket.
#[tokio::test]
async fn s64_a_request_with_the_expired_ticket_of_a_login_leaves_the_login_s_cookie() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(2_000));
    let signed_in = stored.site.visit(&*cookie, login).await;
    assert!(signed_in.cookie().is_some());
    let late = stored.site.visit(&*cookie, form).await;
    sends_nothing(&late);
}

/// Signed out, and in again without a session, and then arrives what the browser had sent before both.
#[tokio::test]
async fn s64_a_request_from_before_a_logout_and_the_login_after_it_leaves_the_login_s_cookie() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    stored.site.visit(&*cookie, async |session: Session| session.invalidate().unwrap()).await;
    let signed_in = stored.site.visit(None, login).await;
    assert!(signed_in.cookie().is_some());
    let late = stored.site.visit(&*cookie, form).await;
    sends_nothing(&late);
}

/// The same where another device revoked the session.
#[tokio::test]
async fn s64_a_request_from_before_a_revocation_leaves_the_login_s_cookie() {
    let stored = Stored::new();
    let cookie = stored.site.visit(None, login).await.cookie().unwrap().to_owned();
    stored.sessions.revoke_all("ada").await.unwrap();
    let signed_in = stored.site.visit(&*cookie, login).await;
    assert!(signed_in.cookie().is_some());
    let late = stored.site.visit(&*cookie, form).await;
    sends_nothing(&late);
}

/// However many renewals there were within the 30 seconds.
#[tokio::test]
async fn s64_after_many_renewals_a_ticket_from_just_before_is_still_late() {
    for renewals in [1, 2, 8, 9, 10, 20] {
        let stored = Stored::new();
        let first = stored.begin().await;
        let mut cookie = first.clone();
        for _ in 0..renewals {
            let renew = async |session: Session| session.renew().unwrap();
            cookie = stored.site.visit(&*cookie, renew).await.cookie().unwrap().to_owned();
        }
        let late = stored.site.visit(&*first, form).await;
        assert!(late.set_cookies().is_empty(), "after {renewals} renewals");
    }
}
