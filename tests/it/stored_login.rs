//! Logins and renewals beside other requests of the same browser: a ticket and its cookie are one thing, and nobody who
//! has just signed in is signed out by a request from before.

use std::time::Duration;

use cloakroom::factory::Overwrite;
use cloakroom::session::Limits;
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Session, StoredFactory};

use crate::site::{Site, Stored};

const REMEMBERED: Limits =
    Limits { idle: Some(Duration::from_secs(14 * 86_400)), absolute: None, persistent: true };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn idle(span: u64, persistent: bool) -> Limits {
    Limits { idle: Some(seconds(span)), absolute: None, persistent }
}

/// Signs in with this cookie, and gives the new one.
async fn sign_in(stored: &Stored, cookie: &str) -> String {
    let visit = stored.site.visit(cookie, async |session| session.set_owner("ada").unwrap()).await;
    visit.cookie().unwrap().to_owned()
}

#[tokio::test]
async fn s19_a_look_that_a_login_overtakes_sends_no_old_ticket() {
    let stored = Stored::with(|builder| builder.limits(idle(1000, true)));
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(500));
    let visit = stored.site.visit(&*cookie, async |session| {
        let _ = session.len();
        sign_in(&stored, &cookie).await
    });
    let visit = visit.await;
    assert!(visit.set_cookies().is_empty(), "{:?}", visit.set_cookies());
    assert_eq!(stored.look(&visit.result).await, "n=0");
}

#[tokio::test]
async fn s30_a_look_within_the_grace_sends_no_old_ticket() {
    let stored = Stored::with(|builder| {
        builder.limits(idle(1000, true)).renew_every(seconds(300)).touch_after(Duration::ZERO)
    });
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(300));
    let look = async |session: Session| session.len();
    let renewed = stored.site.visit(&*cookie, look).await;
    assert!(renewed.cookie().is_some_and(|new| new != cookie));
    stored.clock.advance(seconds(10));
    let late = stored.site.visit(&*cookie, look).await;
    assert_eq!((late.result, late.set_cookies().len()), (1, 0));
}

#[tokio::test]
async fn s64_a_request_from_just_before_a_login_keeps_nothing_and_sends_nothing() {
    let acts: [fn(&Session); 7] = [
        |session| drop(session.insert("late", 1).unwrap()),
        |session| drop(session.csrf_token().unwrap()),
        |session| session.flash("late").unwrap(),
        |session| session.set_owner("eve").unwrap(),
        |session| session.renew().unwrap(),
        |session| session.invalidate().unwrap(),
        |session| assert!(session.is_empty()),
    ];
    for act in acts {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let new = sign_in(&stored, &cookie).await;
        let late = stored.site.visit(&*cookie, async |session| {
            act(&session);
            session.is_gone()
        });
        let late = late.await;
        assert!(late.result, "known from the start");
        assert!(late.set_cookies().is_empty(), "{:?}", late.set_cookies());
        assert!(late.response.extensions().get::<cloakroom::session::Gone>().is_some());
        assert_eq!(stored.store.counts().records, 1);
        assert_eq!(stored.look(&new).await, "n=0");
    }
}

#[tokio::test]
async fn s2_s20_long_after_a_login_the_old_ticket_is_an_anonymous_visitor_s() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let new = sign_in(&stored, &cookie).await;
    stored.clock.advance(seconds(30));
    let visit = stored.site.visit(&*cookie, async |session| session.insert("n", 1).map(drop)).await;
    assert!(visit.cookie().is_some_and(|own| own != cookie && own != new));
    assert_eq!(stored.look(&new).await, "n=0");
}

#[tokio::test]
async fn s64_a_request_from_before_a_logout_that_went_on_is_late_too() {
    // Signed out and greeted, or signed in as somebody else: the browser has a live session's ticket.
    let again: [fn(&Session); 3] = [
        |session| {
            session.invalidate().unwrap();
            session.flash("Bye").unwrap();
        },
        |session| session.set_owner("bob").unwrap(),
        |session| {
            session.invalidate().unwrap();
            session.set_owner("bob").unwrap();
        },
    ];
    for again in again {
        let stored = Stored::new();
        let cookie = sign_in(&stored, &stored.begin().await).await;
        let visit = stored.site.visit(&*cookie, async |session| again(&session)).await;
        let new = visit.cookie().unwrap();
        let late = async |session: Session| session.insert("late", 1).map(drop);
        assert!(stored.site.visit(&*cookie, late).await.set_cookies().is_empty());
        assert!(!stored.look(new).await.contains("late"));
        assert_eq!(stored.store.counts().records, 1);
    }
}

#[tokio::test]
async fn s24_a_look_neither_shortens_nor_lengthens_what_another_request_has_set() {
    for (set, before, after) in [(REMEMBERED, 100_000, 2_000_000), (idle(60, false), 59, 60)] {
        let stored = Stored::with(|builder| builder.limits(idle(600, false)));
        let cookie = stored.begin().await;
        stored.clock.advance(seconds(100));
        let visit = stored.site.visit(&*cookie, async |session| {
            let _ = session.len();
            let set = async |session: Session| session.set_limits(set).unwrap();
            stored.site.visit(&*cookie, set).await;
        });
        assert!(visit.await.set_cookies().is_empty());
        stored.clock.advance(seconds(before));
        let look = async |session: Session| session.is_new();
        assert!(!stored.site.visit(&*cookie, async |s| s.is_gone()).await.result);
        assert!(!stored.site.visit(&*cookie, look).await.result, "{set:?} lives");
        stored.clock.advance(seconds(after));
        assert!(stored.site.visit(&*cookie, look).await.result, "{set:?} ends");
    }
}

#[tokio::test]
async fn s19_s27_a_login_that_is_answered_by_409_has_its_cookie_in_that_answer() {
    let stored = Stored::with(|builder| builder.on_overwrite(Overwrite::Refuse));
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let n: u32 = session.get("n").unwrap().unwrap();
        let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 100).unwrap();
        stored.site.visit(&*cookie, add).await;
        session.insert("n", n + 1).unwrap();
        session.set_owner("ada").unwrap();
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), 409);
    assert_eq!(visit.response.headers()["cache-control"], "no-store");
    assert_eq!(stored.look(&cookie).await, "", "the old ticket is dead");
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "n=100");
    let owner = stored.site.visit(visit.cookie(), async |session| session.owner()).await.result;
    assert_eq!(owner.as_deref(), Some("ada"));
}

/// A site on a store that can fail, and a visitor's cookie.
async fn faulty() -> (Site, StoredFactory<FaultyStore<MemoryStore>>, String) {
    let sessions = StoredFactory::new("shop", FaultyStore::new(MemoryStore::new()));
    let site = Site::new(sessions.clone());
    let visit = site.visit(None, async |session| session.insert("n", 0)).await;
    let cookie = visit.cookie().unwrap().to_owned();
    (site, sessions, cookie)
}

#[tokio::test]
async fn s19_s74_a_login_whose_answer_is_lost_leaves_one_good_ticket() {
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let faults = [StoreErrorKind::Unavailable, StoreErrorKind::TimedOut];
    let faults = faults.map(|kind| [Fault::Before(kind), Fault::After(kind)]);
    for fault in faults.into_iter().flatten() {
        let (site, sessions, cookie) = faulty().await;
        sessions.store().fail(Call::Replace, fault);
        let visit = site.visit(&*cookie, login).await;
        sessions.store().heal();
        let good = visit.cookie().unwrap_or(&*cookie).to_owned();
        let seen = site.visit(&*good, async |session| (session.len(), session.owner())).await;
        assert_eq!(seen.result.0, 1, "{fault:?}");
        assert_eq!(seen.result.1.is_some(), visit.cookie().is_some(), "{fault:?}");
        let listed = sessions.sessions_of("ada").await.unwrap();
        assert_eq!(listed.len(), visit.set_cookies().len(), "nobody is left without a ticket");
    }
}

#[tokio::test]
async fn s74_a_new_session_whose_answer_is_lost_is_nobody_s_secret() {
    let begin = async |session: Session| session.set_owner("ada").unwrap();
    for fault in [StoreErrorKind::Unavailable, StoreErrorKind::TimedOut].map(Fault::After) {
        let (site, sessions, _) = faulty().await;
        sessions.store().fail(Call::Create, fault);
        let visit = site.visit(None, begin).await;
        sessions.store().heal();
        let listed = sessions.sessions_of("ada").await.unwrap().len();
        assert_eq!((listed, visit.set_cookies().len()), (1, 1), "{fault:?}");
        assert_eq!(visit.response.status(), 200);
    }
}

#[tokio::test]
async fn s21_another_owner_begins_with_nothing_and_an_anonymous_cart_goes_along() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| session.set_owner("ada")).await;
    let ada = visit.cookie().unwrap().to_owned();
    assert_eq!(stored.look(&ada).await, "n=0", "the cart goes along");
    let fill = async |session: Session| {
        session.insert("notes", "Ada's").unwrap();
        session.flash("for Ada").unwrap();
        session.set_limits(REMEMBERED).unwrap();
        session.csrf_token().unwrap().plain().to_string()
    };
    let token = stored.site.visit(&*ada, fill).await.result;
    stored.clock.advance(seconds(5));
    let visit = stored.site.visit(&*ada, async |session| {
        session.insert("late", "Ada's too").unwrap();
        session.set_owner("bob").unwrap();
        session.insert("own", 1).unwrap();
        (session.limits(), session.id(), session.len(), session.created().as_secs())
    });
    let visit = visit.await;
    assert_eq!(visit.result, (None, None, 1, 1_700_000_005));
    let bob = visit.cookie().unwrap();
    assert!(!visit.set_cookies()[0].contains("Max-Age"), "limits stay behind");
    let look = async |session: Session| {
        assert!(!session.is_csrf_token(&token));
        (session.owner().unwrap().to_string(), session.created().as_secs(), session.limits())
    };
    let seen = stored.site.visit(bob, look).await.result;
    assert_eq!(seen, ("bob".into(), 1_700_000_005, None));
    assert_eq!(stored.look(bob).await, "own=1");
    assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty());
    assert_eq!(stored.look(&ada).await, "");
}

#[tokio::test]
async fn s21_what_survives_a_login_can_be_named() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("cart", [1, 2]).unwrap();
        session.flash("stays behind").unwrap();
        session.retain(&["cart"]).unwrap();
        session.set_owner("ada").unwrap();
    });
    assert_eq!(stored.look(visit.await.cookie().unwrap()).await, "cart=[1,2]");
}

#[tokio::test]
async fn s30_a_ticket_of_many_renewals_ago_is_reused_and_not_forged() {
    let stored = Stored::new();
    let first = stored.begin().await;
    let mut cookie = first.clone();
    for _ in 0..5 {
        let visit = stored.site.visit(&*cookie, async |session| session.renew().unwrap()).await;
        visit.cookie().unwrap().clone_into(&mut cookie);
    }
    stored.clock.advance(seconds(60));
    stored.events();
    stored.look(&first).await;
    assert_eq!(stored.events(), ["Refused(Reused)"]);
    stored.look(&format!("{}A{}", &first[..60], &first[61..])).await;
    assert_eq!(stored.events(), ["Refused(Forged)"]);
}

#[tokio::test]
async fn r14_a_session_begins_at_the_same_time_in_its_first_request_and_later() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| {
        session.insert("n", 1).unwrap();
        let created = session.created();
        stored.clock.advance(Duration::from_millis(1_500));
        created
    });
    let visit = visit.await;
    let later = stored.site.visit(visit.cookie(), async |session| session.created()).await;
    assert_eq!(later.result, visit.result);
}

#[tokio::test]
async fn r17_what_a_session_says_after_its_end_is_not_of_the_one_before() {
    let stored = Stored::new();
    let cookie = sign_in(&stored, &stored.begin().await).await;
    stored.site.visit(&*cookie, async |session| session.set_limits(REMEMBERED).unwrap()).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        assert!(session.id().is_some() && session.limits().is_some());
        session.invalidate().unwrap();
        (session.id(), session.limits(), session.owner())
    });
    assert_eq!(visit.await.result, (None, None, None));
}

#[tokio::test]
async fn s29_who_signs_in_anew_and_out_elsewhere_stays_signed_in() {
    let stored = Stored::new();
    let cookie = sign_in(&stored, &stored.begin().await).await;
    let other = sign_in(&stored, &stored.begin().await).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.invalidate().unwrap();
        session.set_owner("ada").unwrap();
        stored.sessions.revoke_others(&session).await.unwrap()
    });
    let visit = visit.await;
    assert_eq!(visit.result, 1);
    let owner = stored.site.visit(visit.cookie(), async |session| session.owner()).await.result;
    assert_eq!(owner.as_deref(), Some("ada"));
    assert_eq!(stored.look(&other).await, "");
}

#[tokio::test]
async fn s22_a_request_that_outlasts_its_own_session_begins_none() {
    let limits = Limits { idle: None, absolute: Some(seconds(60)), persistent: true };
    let stored = Stored::with(|builder| builder.limits(limits));
    let visit = stored.site.visit(None, async |session| {
        session.insert("n", 1).unwrap();
        stored.clock.advance(seconds(61));
        session
    });
    let visit = visit.await;
    assert!(visit.result.is_gone() && visit.set_cookies().is_empty());
    assert_eq!(stored.store.counts().records, 0);
}
