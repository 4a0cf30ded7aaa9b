//! Server-side sessions, one request at a time: what is kept, which cookie goes out, when a session ends.

use std::time::Duration;

use cloakroom::cookie::CookieSettings;
use cloakroom::session::Limits;
use cloakroom::testing::FixedRandom;
use cloakroom::{ConfigError, Session};

use crate::site::Stored;

const COOKIE: &str = "__Host-Http-session";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn s15_what_is_not_written_to_leaves_no_trace() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| session.entries()).await;
    assert!(visit.set_cookies().is_empty());
    let visit = stored.site.visit(None, async |session| {
        session.insert("a", 1).unwrap();
        session.remove("a").unwrap();
    });
    assert!(visit.await.set_cookies().is_empty());
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn s9_r12_r25_a_session_is_found_again_by_its_ticket() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| session.insert("a", 1)).await;
    let line = visit.set_cookies()[0].to_owned();
    assert!(line.starts_with(&format!("{COOKIE}=")), "{line}");
    assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{line}");
    assert_eq!(visit.cookie_value().unwrap().len(), 64);

    let cookie = visit.cookie().unwrap();
    assert_eq!(stored.look(cookie).await, "a=1");
    let visit = stored.site.visit(cookie, async |session| session.insert("b", 2)).await;
    assert!(visit.set_cookies().is_empty(), "the ticket stays the same");
    assert_eq!(stored.look(cookie).await, "a=1 b=2");
}

#[tokio::test]
async fn s2_a_ticket_that_is_not_ours_is_never_adopted() {
    let stored = Stored::new();
    let planted = format!("{COOKIE}={}", "A".repeat(64));
    let visit = stored.site.visit(&*planted, async |session| session.insert("a", 1)).await;
    assert_ne!(visit.cookie().unwrap(), planted);
    assert_eq!(stored.look(&planted).await, "");
    assert_eq!(stored.events()[0], "Refused(Unknown)");
    assert_eq!(stored.store.counts().records, 1);
}

#[tokio::test]
async fn s2_the_right_locator_with_a_wrong_secret_opens_nothing() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let end = if cookie.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{end}", &cookie[..cookie.len() - 1]);
    assert_eq!(stored.look(&forged).await, "");
    assert_eq!(stored.events(), ["Refused(Forged)"]);
    assert_eq!(stored.look(&cookie).await, "n=0");
}

#[tokio::test]
async fn s8_what_is_no_ticket_costs_no_store_call() {
    let stored = Stored::new();
    for bad in ["", "../x", "*", "{tag}", &"A".repeat(63), &"A".repeat(65), &"=".repeat(64)] {
        assert_eq!(stored.look(&format!("{COOKIE}={bad}")).await, "");
        assert_eq!(stored.events(), ["Refused(Malformed)"], "{bad}");
    }
}

#[tokio::test]
async fn s13_two_live_tickets_are_nobody_s_and_a_dead_one_does_not_matter() {
    let stored = Stored::new();
    let (one, two) = (stored.begin().await, stored.begin().await);
    assert_eq!(stored.look(&format!("{one}; {two}")).await, "");
    assert_eq!(stored.events(), ["Refused(Ambiguous)"]);
    assert_eq!(stored.look(&format!("{one}; {one}")).await, "n=0");
    let dead = format!("{COOKIE}={}", "A".repeat(64));
    for header in [format!("{dead}; {one}"), format!("{one}; {dead}"), format!("{one}; {COOKIE}=x")]
    {
        assert_eq!(stored.look(&header).await, "n=0", "{header}");
    }
}

#[tokio::test]
async fn s26_a_logout_leaves_neither_record_nor_cookie() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| session.invalidate()).await;
    assert_eq!(
        visit.set_cookies(),
        [format!("{COOKIE}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax")]
    );
    assert_eq!(visit.response.headers()["cache-control"], "no-store");
    assert_eq!(stored.store.counts().records, 0);
    assert_eq!(stored.look(&cookie).await, "");
}

#[tokio::test]
async fn r17_what_is_written_after_a_logout_is_a_new_session() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.invalidate().unwrap();
        session.flash("Bye").unwrap();
    });
    let visit = visit.await;
    let fresh = visit.cookie().unwrap();
    assert_ne!(*fresh, *cookie, "another ticket");
    assert_eq!(stored.look(fresh).await, r#"_f_=["Bye"]"#);
    assert_eq!(stored.look(&cookie).await, "");
    assert_eq!(stored.store.counts().records, 1);
}

#[tokio::test]
async fn s22_a_session_ends_to_the_second() {
    for (limits, lives) in [
        (Limits { idle: Some(seconds(60)), absolute: None, persistent: false }, 60),
        (Limits { idle: None, absolute: Some(seconds(90)), persistent: false }, 90),
        (Limits { idle: Some(seconds(60)), absolute: Some(seconds(45)), persistent: false }, 45),
    ] {
        for (later, is_live) in [(lives - 1, true), (lives, false), (lives + 1, false)] {
            let stored = Stored::with(|builder| builder.limits(limits));
            let cookie = stored.begin().await;
            stored.clock.advance(seconds(later));
            let visit = stored.site.visit(&*cookie, async |session| {
                (session.is_new(), session.was_expired(), session.len())
            });
            let expected = if is_live { (false, false, 1) } else { (true, true, 0) };
            assert_eq!(visit.await.result, expected, "{limits:?} after {later}");
        }
    }
}

#[tokio::test]
async fn s24_use_moves_the_idle_limit_and_never_the_absolute_one() {
    let stored = Stored::with(|it| it.idle_limit(seconds(60)).absolute_limit(seconds(150)));
    let cookie = stored.begin().await;
    let mut created = Vec::new();
    for _ in 0..2 {
        stored.clock.advance(seconds(50));
        let visit = stored.site.visit(&*cookie, async |session| {
            session.modify("n", |n: &mut u32| *n += 1).unwrap();
            session.created()
        });
        created.push(visit.await.result.as_secs());
    }
    assert_eq!(created, [1_700_000_000; 2]);
    stored.clock.advance(seconds(49));
    assert_eq!(stored.look(&cookie).await, "n=2");
    stored.clock.advance(seconds(1));
    assert_eq!(stored.look(&cookie).await, "", "150 seconds are over, however much it was used");
}

#[tokio::test]
async fn s22_a_read_moves_the_idle_limit_when_a_tenth_has_passed() {
    let stored = Stored::with(|builder| builder.idle_limit(seconds(100)));
    let cookie = stored.begin().await;
    let mut left = Vec::new();
    for pause in [10, 11, 89, 12] {
        stored.clock.advance(seconds(pause));
        let visit = stored.site.visit(&*cookie, async |session| {
            session.get::<u32>("n").unwrap();
            session.expires_in().unwrap().as_secs()
        });
        left.push(visit.await.result);
    }
    // After 10 seconds nothing was written, after 21 the limit began anew.
    assert_eq!(left, [90, 79, 11, 88]);
}

#[tokio::test]
async fn s22_a_limit_that_was_shortened_holds_for_the_next_look_on() {
    let stored = Stored::with(|builder| builder.idle_limit(seconds(1000)));
    let cookie = stored.begin().await;
    let shorter = cloakroom::StoredFactory::builder("shop", stored.store.clone())
        .idle_limit(seconds(100))
        .clock(stored.clock.clone());
    let site = crate::site::Site::new(shorter.build().unwrap());
    assert!(
        !site
            .visit(&*cookie, async |session| {
                let _ = session.len();
                session.is_new()
            })
            .await
            .result
    );
    stored.clock.advance(seconds(100));
    assert!(site.visit(&*cookie, async |session| session.was_expired()).await.result);
}

#[tokio::test]
async fn s25_a_clock_that_jumps_neither_panics_nor_makes_a_session_immortal() {
    let stored = Stored::with(|it| it.idle_limit(seconds(100)).absolute_limit(Duration::MAX));
    let cookie = stored.begin().await;
    stored.clock.advance(Duration::MAX);
    assert_eq!(stored.look(&cookie).await, "");
    let later = stored.site.visit(None, async |session| session.insert("n", 0)).await;
    assert!(later.set_cookies().is_empty(), "the end of time is the end of every session");
}

#[tokio::test]
async fn s64_an_expired_session_s_cookie_is_left_alone_or_takes_a_new_one() {
    let stored = Stored::with(|builder| builder.idle_limit(seconds(60)));
    let cookie = stored.begin().await;
    stored.clock.advance(seconds(61));
    let visit = stored.site.visit(&*cookie, async |session| session.len()).await;
    // Another request of the browser may have begun a session meanwhile; a removal would hit that one's cookie.
    assert!(visit.set_cookies().is_empty());
    let visit = stored.site.visit(&*cookie, async |session| {
        session.insert("b", 1).unwrap();
        session.created().as_secs()
    });
    let visit = visit.await;
    assert_eq!(visit.result, 1_700_000_061);
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "b=1");
}

#[tokio::test]
async fn a_session_can_have_limits_of_its_own() {
    let stored = Stored::with(|it| it.idle_limit(seconds(60)).absolute_limit(seconds(600)));
    let cookie = stored.begin().await;
    let remembered =
        Limits { idle: Some(seconds(1000)), absolute: Some(seconds(5000)), persistent: true };
    let visit =
        stored.site.visit(&*cookie, async |session| session.set_limits(remembered).unwrap()).await;
    assert!(visit.set_cookies()[0].contains("; Max-Age=5000;"), "{:?}", visit.set_cookies());
    stored.clock.advance(seconds(500));
    let visit = stored.site.visit(&*cookie, async |session| {
        session.get::<u32>("n").unwrap();
        session.limits()
    });
    let visit = visit.await;
    assert_eq!(visit.result, Some(remembered));
    assert!(visit.set_cookies().is_empty(), "the browser keeps it as long as the session can live");
    let back = stored.site.visit(&*cookie, async |session| session.set_limits(None).unwrap()).await;
    assert!(!back.set_cookies()[0].contains("Max-Age"));
    stored.clock.advance(seconds(61));
    assert_eq!(stored.look(&cookie).await, "", "the factory's limits hold again");
}

#[tokio::test]
async fn r54_limits_of_a_visitor_without_a_session_begin_one() {
    let limits =
        Limits { idle: Some(seconds(1000)), absolute: Some(seconds(5000)), persistent: true };
    let stored = Stored::new();
    let set = async |session: Session| session.set_limits(limits).unwrap();
    let visit = stored.site.visit(None, set).await;
    assert!(visit.set_cookies()[0].contains("; Max-Age=5000;"), "{:?}", visit.set_cookies());
    let kept = async |session: Session| (session.is_new(), session.limits());
    assert_eq!(stored.site.visit(visit.cookie(), kept).await.result, (false, Some(limits)));
    let after_the_end = async |session: Session| {
        session.invalidate().unwrap();
        session.set_limits(limits).unwrap();
    };
    let next = stored.site.visit(visit.cookie(), after_the_end).await;
    assert_eq!(stored.site.visit(next.cookie(), kept).await.result, (false, Some(limits)));
    let none = async |session: Session| session.set_limits(None).unwrap();
    assert!(stored.site.visit(None, none).await.set_cookies().is_empty(), "it has them without");
}

#[tokio::test]
async fn s1_no_randomness_no_session() {
    let stored = Stored::with(|builder| builder.random(FixedRandom::new([7; 47])));
    let visit = stored.site.visit(None, async |session| session.insert("a", 1).map(drop)).await;
    assert_eq!(visit.response.status(), 500);
    assert!(visit.set_cookies().is_empty());
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn r54_settings_that_cannot_be_served_are_refused() {
    let store = cloakroom::store::MemoryStore::new;
    let zero =
        cloakroom::StoredFactory::builder("shop", store()).idle_limit(Duration::ZERO).build();
    assert!(matches!(zero.unwrap_err(), ConfigError::Limit { limit: "idle" }));
    let shop = CookieSettings::new("__Host-id").path("/shop");
    let built = cloakroom::StoredFactory::builder("shop", store()).cookie(shop).build();
    assert!(matches!(built.unwrap_err(), ConfigError::CookieName { .. }));
    let stored = Stored::with(cloakroom::factory::StoredBuilder::insecure_plain_http);
    assert!(stored.begin().await.starts_with("session="));
}

#[tokio::test]
async fn a_mark_keeps_even_an_empty_session() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| session.changed()).await;
    let cookie = visit.cookie().unwrap();
    let visit = stored.site.visit(cookie, async |session| session.is_new()).await;
    assert!(!visit.result);
}

#[tokio::test]
async fn s22_a_session_with_a_short_limit_of_its_own_lives_while_it_is_looked_at() {
    let span = Duration::from_secs;
    let stored = Stored::with(|builder| builder.touch_after(span(120)));
    let begun = stored.site.visit(None, async |session| {
        session.insert("n", 0).unwrap();
        let idle = Some(span(60));
        session.set_limits(Limits { idle, absolute: None, persistent: false }).unwrap();
    });
    let cookie = begun.await.cookie().unwrap().to_owned();
    for _ in 0..3 {
        stored.clock.advance(span(30));
        assert_eq!(stored.look(&cookie).await, "n=0");
    }
}
