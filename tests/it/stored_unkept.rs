//! Logins, renewals and logouts that are not kept: nothing of them stays, and no handle on what they were to begin is one
//! on the session from before.

use std::cell::RefCell;

use cloakroom::session::{SessionHandle, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Session, StoredFactory};

use crate::broken::Broken;
use crate::site::{Site, Stored};

/// A handle that was taken in a request which its store failed: what it was to be a handle on is not there.
async fn fail_to(begin: fn(&Session)) -> (Site, String, SessionHandle) {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::new(StoredFactory::new(store.clone()));
    let visit = site.visit(None, async |session| {
        session.set_owner("ada").unwrap();
        session.insert("n", 0).unwrap();
    });
    let cookie = visit.await.cookie().unwrap().to_owned();
    let visit = site.visit(&*cookie, async |session| {
        begin(&session);
        store.fail(Call::Replace, Fault::Before(StoreErrorKind::Unavailable));
        session.handle().unwrap()
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), 503);
    store.heal();
    (site, cookie, visit.result)
}

#[tokio::test]
async fn s19_s64_a_handle_on_what_the_store_did_not_take_is_gone() {
    let acts: [fn(&Session); 4] = [
        |session| session.renew().unwrap(),
        |session| session.set_owner("ada").unwrap(),
        |session| session.set_owner("bob").unwrap(),
        |session| {
            session.invalidate().unwrap();
            session.insert("next", 1).unwrap();
        },
    ];
    for (at, act) in acts.into_iter().enumerate() {
        let (site, cookie, mut handle) = fail_to(act).await;
        handle.insert("of the next one", 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Gone, "act {at}");
        let look = async |session: Session| session.keys();
        assert_eq!(site.visit(&*cookie, look).await.result, ["n"], "act {at}");
    }
}

#[tokio::test]
async fn s19_a_handle_of_a_login_without_a_response_is_gone() {
    // Beside a login, what is kept without it, and what leads to a write all the same.
    let acts: [fn(&Session); 4] = [
        |session| session.renew().unwrap(),
        |session| session.set_owner("ada").unwrap(),
        |session| {
            session.set_owner("ada").unwrap();
            session.set_limits(cloakroom::session::Limits::DEFAULT).unwrap();
        },
        |session| {
            session.set_owner("ada").unwrap();
            session.new_csrf_token().unwrap();
        },
    ];
    for how in Broken::ALL {
        for pops in [false, true] {
            for (at, act) in acts.into_iter().enumerate() {
                let stored = Stored::new();
                let flash = async |session: Session| session.flash("hello").unwrap();
                let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
                let taken = RefCell::default();
                let act = async |session: Session| {
                    if pops {
                        session.pop_flash::<String>("").await.unwrap();
                    }
                    act(&session);
                    let handle = session.handle().unwrap();
                    // The session outlives its request, as in a task of the handler's.
                    taken.replace(Some((handle, session)));
                };
                how.visit(&stored.site, &cookie, act).await;
                let (mut handle, _session) = taken.take().unwrap();
                let standing = handle.reload().await.unwrap();
                assert_eq!(standing, Standing::Gone, "{how:?} act {at}, pops: {pops}");
            }
        }
    }
}
