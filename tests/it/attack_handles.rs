//! Attacks on handles, and on wishes that come to nothing.

use std::time::Duration;

use cloakroom::session::{Limits, SessionHandle, Standing};
use cloakroom::Session;

use crate::site::{Site, Stored};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const REMEMBERED: Limits =
    Limits { idle: Some(Duration::from_secs(60)), absolute: None, persistent: true };

/// Who comes after a forgotten owner, in one request, gets nothing of that one's.
#[tokio::test]
async fn s21_another_owner_in_the_place_of_a_forgotten_one_begins_with_nothing() {
    let stored = Stored::new();
    let login = async |session: Session| {
        session.set_owner("ada").unwrap();
        session.insert("notes", "ada's").unwrap();
    };
    let cookie = stored.site.visit(None, login).await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        session.forget_owner().unwrap();
        session.set_owner("bob").unwrap();
    });
    let visit = visit.await;
    assert_eq!(stored.look(visit.cookie().unwrap()).await, "");
}

/// A handle can be used from a task, and shared.
#[tokio::test]
async fn s64_a_handle_goes_to_a_task() {
    fn is_send<T: Send>(it: T) -> T {
        it
    }
    fn is_sync<T: Sync>() {}
    is_sync::<SessionHandle>();
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let handle = async |session: Session| session.handle().unwrap();
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    let task = is_send(async move {
        handle.modify("n", |n: &mut u32| *n += 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        assert_eq!(handle.reload().await.unwrap(), Standing::Live);
        // What a handle cannot do is an error.
        assert!(handle.renew().is_err() && handle.set_owner("x").is_err());
        assert!(handle.set_limits(None).is_err() && handle.forget_owner().is_err());
        // A handle of a handle.
        let mut other = handle.handle().unwrap();
        other.insert("x", 1).unwrap();
        assert_eq!(other.commit().await.unwrap(), Standing::Live);
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        assert_eq!(handle.get::<u32>("x").unwrap(), Some(1));
        handle.pop_flash::<String>("").await.unwrap();
    });
    tokio::spawn(task).await.unwrap();
    stored.clock.advance(seconds(1));
}

/// Three signed cookies of one name, of which two have expired: two changes of Domain or Path.
#[tokio::test]
async fn s13_two_expired_cookies_beside_a_live_one_do_not_count() {
    let (site, clock) = Site::signed_at(1_700_000_000.0);
    let mut cookies = Vec::new();
    for n in 0..3 {
        let begin = async move |session: Session| session.insert("n", n);
        cookies.push(site.visit(None, begin).await.cookie().unwrap().to_owned());
        clock.advance(seconds(2_000 - 700 * n));
    }
    clock.advance(seconds(0));
    let header = cookies.join("; ");
    let n = async |session: Session| session.get::<u64>("n").unwrap();
    let last = site.visit(&*cookies[2], n).await.result;
    assert_eq!(last, Some(2));
    assert_eq!(site.visit(&*header, n).await.result, Some(2));
}

/// "Whether the browser keeps the cookie when it is closed": also where the request came with the ticket from before a
/// periodic renewal.
#[tokio::test]
async fn s30_limits_that_are_set_within_the_grace_reach_the_browser() {
    let stored = Stored::with(|builder| builder.renew_every(seconds(60)));
    let old = stored.begin().await;
    stored.clock.advance(seconds(70));
    let look = async |session: Session| session.len();
    let new = stored.site.visit(&*old, look).await.cookie().unwrap().to_owned();
    let set = async |session: Session| session.set_limits(REMEMBERED).unwrap();
    let visit = stored.site.visit(&*old, set).await;
    let limits = async |session: Session| session.limits();
    let later = stored.site.visit(&*new, limits).await;
    assert_eq!(later.result, Some(REMEMBERED));
    let cookies = [visit.set_cookies(), later.set_cookies()].concat();
    assert!(cookies.iter().any(|cookie| cookie.contains("Max-Age")), "{cookies:?}");
}
