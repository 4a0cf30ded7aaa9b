//! A periodic renewal writes to no session that has ended.

use std::time::Duration;

use cloakroom::session::Limits;
use cloakroom::store::MemoryStore;
use cloakroom::testing::FakeClock;
use cloakroom::{Session, StoredFactory};

use crate::site::Site;

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
