//! Tickets, owners, and what happens to them at a login.

use std::time::Duration;

use cloakroom::Error;

use crate::site::{Site, Stored};

#[tokio::test]
async fn s19_a_renewed_ticket_is_dead_at_once_and_its_use_is_reported() {
    let stored = Stored::new();
    let old = stored.begin().await;
    let visit = stored.site.visit(&*old, async |session| session.renew()).await;
    let new = visit.cookie().unwrap();
    assert_eq!(stored.look(new).await, "n=0", "the data stays");
    assert_eq!(stored.look(&old).await, "");
    assert_eq!(stored.events(), ["Refused(Reused)", "Gone"]);
    stored.clock.advance(Duration::from_secs(30));
    assert_eq!(stored.look(&old).await, "");
    assert_eq!(stored.events(), ["Refused(Reused)"]);
    assert_eq!(stored.store.counts().records, 1);
}

#[tokio::test]
async fn s19_s25_a_renewed_ticket_is_dead_also_where_the_clock_is_slow() {
    // Requests that run together ask the clock at different moments, and machines have different clocks. The end of
    // the old ticket must not be a time, or a request with an earlier one would still take it.
    let stored = Stored::new();
    let slow = || cloakroom::Timestamp::from_secs(1_700_000_000 - 60);
    let elsewhere =
        cloakroom::StoredFactory::builder("shop", stored.store.clone()).clock(slow).build();
    let elsewhere = Site::new(elsewhere.unwrap());
    let old = stored.begin().await;
    stored.site.visit(&*old, async |session| session.renew()).await;
    assert!(elsewhere.visit(&*old, async |session| session.is_empty()).await.result);
}

#[tokio::test]
async fn s19_there_is_no_owner_without_a_new_ticket() {
    let stored = Stored::new();
    let old = stored.begin().await;
    let visit = stored.site.visit(&*old, async |session| {
        session.set_owner("ada").unwrap();
        session.owner().as_deref().map(str::to_owned)
    });
    let visit = visit.await;
    assert_eq!(visit.result.as_deref(), Some("ada"));
    let new = visit.cookie().unwrap().to_owned();
    assert_eq!(stored.look(&old).await, "");
    let owner = stored.site.visit(&*new, async |session| session.owner()).await.result;
    assert_eq!(owner.as_deref(), Some("ada"));

    let visit = stored.site.visit(&*new, async |session| session.forget_owner()).await;
    let third = visit.cookie().unwrap();
    assert_eq!(stored.look(&new).await, "");
    assert_eq!(stored.site.visit(third, async |session| session.owner()).await.result, None);
    assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_logout_undoes_what_was_wished_before_it_in_the_same_request() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.set_owner("ada").unwrap();
        session.invalidate().unwrap();
        session.insert("n", 1).unwrap();
    });
    let visit = visit.await;
    let owner = stored.site.visit(visit.cookie(), async |session| session.owner()).await.result;
    assert_eq!(owner, None);
    assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn s20_a_planted_session_never_becomes_somebody_s() {
    let stored = Stored::new();
    let planted = stored.begin().await;
    // The victim signs in with the attacker's cookie, twice.
    let visit = stored.site.visit(&*planted, async |session| session.set_owner("ada")).await;
    let first = visit.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*first, async |session| session.set_owner("ada")).await;
    for cookie in [&planted, &first] {
        let seen = stored.site.visit(&**cookie, async |session| session.owner()).await.result;
        assert_eq!(seen, None);
    }
    let seen = stored.site.visit(visit.cookie(), async |session| session.owner()).await.result;
    assert_eq!(seen.as_deref(), Some("ada"));
}

#[tokio::test]
async fn s30_a_periodic_renewal_leaves_a_short_grace() {
    let every = Duration::from_secs(100);
    let stored = Stored::with(|it| it.renew_every(every).grace(Duration::from_secs(20)));
    let old = stored.begin().await;
    stored.clock.advance(Duration::from_secs(99));
    assert!(stored.site.visit(&*old, async |s| s.len()).await.cookie().is_none());
    stored.clock.advance(Duration::from_secs(1));
    let visit = stored.site.visit(&*old, async |s| s.len()).await;
    let new = visit.cookie().unwrap().to_owned();
    // Requests that were sent together with it: read and write, and make no third ticket.
    for _ in 0..3 {
        let visit = stored.site.visit(&*old, async |session| {
            session.modify("n", |n: &mut u32| *n += 1).unwrap();
        });
        assert!(visit.await.cookie().is_none());
    }
    assert_eq!(stored.look(&new).await, "n=3");
    stored.clock.advance(Duration::from_secs(19));
    assert_eq!(stored.look(&old).await, "n=3");
    assert_eq!(stored.events(), Vec::<String>::new());
    stored.clock.advance(Duration::from_secs(1));
    assert_eq!(stored.look(&old).await, "");
    assert_eq!(stored.events(), ["Refused(Reused)", "Gone"]);
    assert_eq!(stored.look(&new).await, "n=3");
}

#[tokio::test]
async fn s29_an_owner_sees_and_ends_sessions() {
    let stored = Stored::new();
    let mut cookies = Vec::new();
    for device in ["phone", "laptop", "library"] {
        let visit = stored.site.visit(None, async |session| {
            session.insert("device", device).unwrap();
            session.set_owner("ada").unwrap();
        });
        cookies.push(visit.await.cookie().unwrap().to_owned());
        stored.clock.advance(Duration::from_secs(1));
    }
    let listed = stored.sessions.sessions_of("ada").await.unwrap();
    let devices: Vec<String> =
        listed.iter().map(|it| it.entries.get("device").unwrap().get().unwrap()).collect();
    assert_eq!(devices, ["library", "laptop", "phone"], "the newest first");

    assert!(!stored.sessions.revoke("bob", &listed[0].id).await.unwrap());
    assert!(!stored.sessions.revoke("ada", "no such id").await.unwrap());
    assert!(stored.sessions.revoke("ada", &listed[0].id).await.unwrap());
    assert_eq!(stored.look(&cookies[2]).await, "");

    let visit = stored.site.visit(&*cookies[0], async |session| {
        stored.sessions.revoke_others(&session).await.unwrap()
    });
    assert_eq!(visit.await.result, 1);
    assert_eq!(stored.look(&cookies[1]).await, "");
    assert_eq!(stored.look(&cookies[0]).await, r#"device="phone""#);
    assert_eq!(stored.sessions.revoke_all("ada").await.unwrap(), 1);
    assert_eq!(stored.look(&cookies[0]).await, "");
}

#[tokio::test]
async fn s29_a_session_says_which_of_the_listed_it_is() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| {
        session.set_owner("ada").unwrap();
        session.id()
    });
    let visit = visit.await;
    assert_eq!(visit.result, None, "not kept yet");
    let id = stored.site.visit(visit.cookie(), async |session| session.id()).await.result;
    let listed = stored.sessions.sessions_of("ada").await.unwrap();
    assert_eq!(id.as_deref(), Some(&*listed[0].id));
    stored.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty(), "expired ones are not");
}

#[tokio::test]
async fn a_session_in_a_cookie_has_no_owner_and_says_so() {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let visit = site.visit(None, async |session| {
        session.renew().unwrap();
        (session.set_owner("ada").unwrap_err(), session.owner(), session.id())
    });
    let (error, owner, id) = visit.await.result;
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    assert_eq!((owner, id), (None, None));
}

#[tokio::test]
async fn s87_nothing_that_is_printed_holds_a_ticket_or_a_value() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| {
        session.insert("pin", "hunter2").unwrap();
        session.set_owner("ada").unwrap();
        session.handle().map(|handle| format!("{handle:?} {session:?}")).unwrap()
    });
    let visit = visit.await;
    let printed = format!("{} {:?} {:?}", visit.result, stored.sessions, stored.store);
    let listed = format!("{:?}", stored.sessions.sessions_of("ada").await.unwrap());
    for text in ["hunter2", visit.cookie_value().unwrap()] {
        assert!(!printed.contains(text) && !listed.contains(text), "{printed} {listed}");
    }
}

#[tokio::test]
async fn s3_what_the_store_holds_opens_nothing() {
    use base64::Engine as _;
    use cloakroom::store::Index;
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| session.set_owner("ada")).await;
    let text = visit.cookie_value().unwrap();
    let ticket = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
    let listed = stored.store.list("ada").await.unwrap();
    let data = &listed[0].stored.record.data;
    assert!(!data.windows(16).any(|part| ticket[16..].windows(16).any(|secret| secret == part)));
    // The hash stands at byte 14 (FORMATS.md); as a secret it opens nothing.
    let stolen = [&ticket[..16], &data[14..46]].concat();
    let cookie = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(stolen);
    assert_eq!(stored.look(&format!("__Host-Http-session={cookie}")).await, "");
}
