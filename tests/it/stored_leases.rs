//! Flash messages that were taken and not shown yet: as long as whoever took them lives, nobody else gets them.

use std::time::Duration;

use cloakroom::Session;
use cloakroom::session::{Limits, Standing};

use crate::site::Stored;
use crate::stored_flash::{peek, pop, with_message};

const LEASE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn s67_after_a_crash_messages_come_back_when_the_lease_ends() {
    let stored = Stored::with(|builder| builder.flash_lease(LEASE));
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        assert_eq!(pop(session.clone()).await, ["saved"]);
        // The process dies here: from now on nothing of this request reaches the store.
        let at_once = peek(&stored, &cookie).await;
        stored.clock.advance(Duration::from_secs(29));
        let later = peek(&stored, &cookie).await;
        stored.clock.advance(Duration::from_secs(1));
        let after = stored.site.visit(&*cookie, pop).await.result;
        (at_once.len() + later.len(), after)
    });
    assert_eq!(visit.await.result, (0, vec!["saved".to_owned()]));
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn s67_a_page_that_takes_longer_than_the_lease_keeps_its_message() {
    let stored = Stored::with(|builder| builder.flash_lease(LEASE));
    let cookie = with_message(&stored).await;
    let visit = stored.site.visit(&*cookie, async |session| {
        let own = pop(session).await;
        let mut others = 0;
        for _ in 0..10 {
            stored.clock.advance(Duration::from_secs(15));
            tokio::time::sleep(Duration::from_secs(15)).await;
            others += stored.site.visit(&*cookie, pop).await.result.len();
        }
        (own.len(), others)
    });
    assert_eq!(visit.await.result, (1, 0));
    assert!(peek(&stored, &cookie).await.is_empty());
    // Nobody prolongs anything for a request that has ended.
    let versions = || tokio::time::sleep(Duration::from_secs(100));
    versions().await;
    assert!(peek(&stored, &cookie).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn s67_a_message_that_a_handle_has_taken_is_its_own_while_it_lives() {
    let stored = Stored::with(|builder| builder.flash_lease(LEASE));
    let cookie = with_message(&stored).await;
    let handle = async |session: Session| session.handle().unwrap();
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    let wait = async || {
        stored.clock.advance(LEASE / 2);
        tokio::time::sleep(LEASE / 2).await;
    };
    for _ in 0..2 {
        assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
        for _ in 0..5 {
            wait().await;
            assert!(stored.site.visit(&*cookie, pop).await.result.is_empty());
        }
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        wait().await;
        let flash = async |session: Session| session.flash("saved").unwrap();
        stored.site.visit(&*cookie, flash).await;
        assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    }
    // One that is no more has shown nothing.
    assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
    wait().await;
    drop(handle);
    for _ in 0..3 {
        wait().await;
    }
    assert_eq!(peek(&stored, &cookie).await, ["saved"]);
}

#[tokio::test(start_paused = true)]
async fn s22_a_message_that_a_handle_has_taken_keeps_no_session_alive() {
    let idle = Limits { idle: Some(Duration::from_secs(60)), ..Limits::DEFAULT };
    let stored = Stored::with(|builder| builder.flash_lease(LEASE).limits(idle));
    let cookie = with_message(&stored).await;
    let handle = async |session: Session| session.handle().unwrap();
    let handle = stored.site.visit(&*cookie, handle).await.result;
    assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
    for _ in 0..4 {
        stored.clock.advance(LEASE / 2);
        tokio::time::sleep(LEASE / 2).await;
    }
    let was_expired = async |session: Session| session.was_expired();
    assert!(stored.site.visit(&*cookie, was_expired).await.result);
}
