//! Periodic renewals: they write to no session that has ended, and keep nothing from the browser.

use std::time::Duration;

use cloakroom::session::Limits;
use cloakroom::store::MemoryStore;
use cloakroom::testing::FakeClock;
use cloakroom::{Session, StoredFactory};

use crate::site::{Site, Stored};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A periodic renewal of a session that ended while its request was under way, in a store that has not swept it yet.
#[tokio::test]
async fn s22_s64_a_periodic_renewal_revives_no_session_that_has_ended() {
    let (clock, still) = (FakeClock::at(1_700_000_000.0), FakeClock::at(1_700_000_000.0));
    let store = MemoryStore::builder().clock(still).build();
    let limits = Limits { idle: Some(seconds(60)), absolute: None, persistent: false };
    let builder = StoredFactory::builder("shop", store).clock(clock.clone()).limits(limits);
    let site = Site::new(builder.renew_every(seconds(40)).build().unwrap());
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    clock.advance(seconds(50));
    let visit = site.visit(&*cookie, async |session| {
        assert_eq!(session.len(), 1);
        clock.advance(seconds(20));
        let told = async |session: Session| session.was_expired();
        assert!(site.visit(&*cookie, told).await.result, "another was told that it is over");
    });
    let visit = visit.await;
    let look = async |session: Session| session.len();
    let live = match visit.cookie() {
        Some(new) => site.visit(new, look).await.result,
        None => site.visit(&*cookie, look).await.result,
    };
    assert_eq!(live, 0, "revived");
}

/// How long the browser keeps a ticket is said with the ticket. A request whose own was renewed by another makes one more.
#[tokio::test]
async fn s30_limits_that_are_set_within_the_grace_reach_the_browser() {
    const REMEMBERED: Limits =
        Limits { idle: Some(Duration::from_secs(60)), absolute: None, persistent: true };
    let look = async |session: Session| session.len();
    for (is_meanwhile, is_old) in [(false, false), (true, false), (true, true)] {
        let stored = Stored::with(|builder| builder.renew_every(seconds(60)));
        let old = stored.begin().await;
        stored.clock.advance(seconds(if is_old || !is_meanwhile { 70 } else { 50 }));
        if !is_meanwhile {
            assert!(stored.site.visit(&*old, look).await.cookie().is_some());
        }
        let visit = stored.site.visit(&*old, async |session: Session| {
            session.set_limits(REMEMBERED).unwrap();
            if is_meanwhile {
                stored.clock.advance(seconds(20));
                assert!(stored.site.visit(&*old, look).await.cookie().is_some());
            }
        });
        let visit = visit.await;
        assert!(visit.set_cookies().concat().contains("Max-Age"), "{:?}", visit.set_cookies());
        let limits = async |session: Session| session.limits();
        let limits = stored.site.visit(visit.cookie().unwrap(), limits).await.result;
        assert_eq!(limits, Some(REMEMBERED));
    }
}

/// Where no request was faster there is no other ticket.
#[tokio::test]
async fn s30_limits_alone_are_said_with_the_ticket_that_there_is() {
    let stored = Stored::with(|builder| builder.renew_every(seconds(60)));
    let cookie = stored.begin().await;
    let set = async |session: Session| session.set_limits(Limits::DEFAULT).unwrap();
    assert_eq!(stored.site.visit(&*cookie, set).await.cookie(), Some(&*cookie));
}
