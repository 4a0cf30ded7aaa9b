//! Which of two cookies of one name counts, on both factories: every pair of what a browser may send (S13).
//!
//! The rule itself is a table in `src/cookie/judged.rs`; that of the double submit cookie is in `tests/csrf/`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::Session;
use cloakroom::factory::Refused;
use cloakroom::testing::FakeClock;

use crate::site::{Site, Stored, builder};

/// A cookie, and whose session it opens, if it is alive.
type Sent = (&'static str, String, Option<&'static str>);

/// Who the session of this header belongs to.
async fn user(site: &Site, header: &str) -> Option<String> {
    let visit = site.visit(header, async |s: Session| s.get::<String>("user").unwrap()).await;
    visit.result
}

async fn make(site: &Site, user: &'static str) -> String {
    let visit = site.visit(None, async |s: Session| s.insert("user", user).map(drop)).await;
    visit.cookie().unwrap().to_owned()
}

/// The same with quotes around its value.
fn quoted(cookie: &str) -> String {
    let (name, value) = cookie.split_once('=').unwrap();
    format!("{name}=\"{value}\"")
}

/// Every pair, in both orders: exactly one live session counts, two that differ are nobody's.
async fn every_pair(site: &Site, cookies: &[Sent], refused: impl Fn() -> Vec<String>) {
    for (first, one, of_one) in cookies {
        for (second, two, of_two) in cookies {
            let expected = match (of_one, of_two) {
                (Some(one), Some(two)) if one != two => None,
                (one, two) => one.or(*two),
            };
            let is_ambiguous = of_one.is_some() && of_two.is_some() && expected.is_none();
            refused();
            let seen = user(site, &format!("{one}; other=1; {two}")).await;
            assert_eq!(seen.as_deref(), expected, "{first} and {second}");
            let told = refused().iter().any(|why| why.contains("Ambiguous"));
            assert_eq!(told, is_ambiguous, "{first} and {second}");
        }
    }
}

#[tokio::test]
async fn s13_a_signed_cookie_that_timed_out_or_is_quoted_is_no_second_one() {
    let (clock, told) = (FakeClock::at(1_700_000_000.0), Arc::new(Mutex::new(Vec::new())));
    let teller = told.clone();
    let tell = move |why: Refused| teller.lock().unwrap().push(format!("{why:?}"));
    let site = Site::new(builder().clock(clock.clone()).on_refused(tell).build().unwrap());
    let (old, older) = (make(&site, "old").await, make(&site, "older").await);
    clock.advance(Duration::from_secs(1201));
    let (ada, eve) = (make(&site, "ada").await, make(&site, "eve").await);
    let mut forged = ada.clone();
    forged.push_str("AAAA");
    let cookies: [Sent; 8] = [
        ("live", ada.clone(), Some("ada")),
        ("live, quoted", quoted(&ada), Some("ada")),
        ("another live", eve.clone(), Some("eve")),
        ("another live, quoted", quoted(&eve), Some("eve")),
        ("expired", old.clone(), None),
        ("expired, quoted", quoted(&old), None),
        ("another expired", older, None),
        ("forged", forged, None),
    ];
    every_pair(&site, &cookies, || std::mem::take(&mut *told.lock().unwrap())).await;
    let junk = user(&site, &format!("session=junk; {ada}")).await;
    assert_eq!(junk.as_deref(), Some("ada"));
    let header = format!("session=junk; {old}");
    let expired = site.visit(&*header, async |s: Session| s.was_expired()).await;
    assert!(expired.result, "none live: as if the expired one had come alone");
}

/// After a change of `Domain` or `Path` a browser keeps the cookie from before, and sends both.
#[tokio::test]
async fn s13_who_still_has_a_cookie_from_before_a_change_of_domain_is_locked_out_no_longer_than_it_lives()
 {
    let clock = FakeClock::at(1_700_000_000.0);
    let before = Site::new(builder().clock(clock.clone()).build().unwrap());
    let after = builder().clock(clock.clone()).domain("example.org").build().unwrap();
    let after = Site::new(after);
    let old = make(&before, "ada").await;
    clock.advance(Duration::from_secs(1100));
    let visit =
        after.visit(&*old, async |s: Session| s.get::<String>("user").unwrap().unwrap()).await;
    let new = visit.cookie().unwrap().to_owned();
    assert_eq!(visit.result, "ada");
    clock.advance(Duration::from_secs(101));
    let both = user(&after, &format!("{old}; {new}")).await;
    assert_eq!(both.as_deref(), Some("ada"), "the old one has timed out by now");
}

#[tokio::test]
async fn s13_a_ticket_to_what_has_ended_or_in_quotes_is_no_second_one() {
    let stored = Stored::with(|it| it.idle_limit(Duration::from_secs(100)));
    let expired = make(&stored.site, "old").await;
    stored.clock.advance(Duration::from_secs(100));
    let ended = make(&stored.site, "gone").await;
    stored.site.visit(&*ended, async |s: Session| s.invalidate()).await;
    let (ada, eve) = (make(&stored.site, "ada").await, make(&stored.site, "eve").await);
    let last = if ada.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{last}", &ada[..ada.len() - 1]);
    let cookies: [Sent; 8] = [
        ("live", ada.clone(), Some("ada")),
        ("live, quoted", quoted(&ada), Some("ada")),
        ("another live", eve.clone(), Some("eve")),
        ("another live, quoted", quoted(&eve), Some("eve")),
        ("expired", expired, None),
        ("ended", ended, None),
        ("forged", forged, None),
        ("malformed", "__Host-Http-session=junk".into(), None),
    ];
    every_pair(&stored.site, &cookies, || stored.events()).await;
}

#[tokio::test]
async fn s13_s30_the_old_and_the_new_ticket_of_one_session_do_not_contradict_each_other() {
    let every = Duration::from_secs(60);
    let stored = Stored::with(|it| it.renew_every(every).grace(Duration::from_secs(20)));
    let old = make(&stored.site, "ada").await;
    stored.clock.advance(every);
    let visit = stored.site.visit(&*old, async |s: Session| s.contains_key("user")).await;
    let new = visit.cookie().unwrap().to_owned();
    assert_ne!(old, new);
    for header in [format!("{old}; {new}"), format!("{new}; {old}")] {
        assert_eq!(user(&stored.site, &header).await.as_deref(), Some("ada"), "within the grace");
    }
    stored.clock.advance(Duration::from_secs(20));
    assert_eq!(user(&stored.site, &format!("{old}; {new}")).await.as_deref(), Some("ada"));
}
