//! Logins, renewals and logouts that are not kept, or not yet: nothing of them stays, and no handle on what they were to
//! begin is one on the session from before.

use std::cell::RefCell;
use std::time::Duration;

use cloakroom::session::{Limits, SessionHandle, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Session, StoredFactory};
use http::{Method, Response, StatusCode};

use crate::broken::Broken;
use crate::site::{Site, Stored};

const REMEMBERED: Limits =
    Limits { idle: Some(Duration::from_secs(60)), absolute: None, persistent: true };

async fn pop(session: Session) -> Vec<String> {
    session.pop_flash("").await.unwrap()
}

async fn with_message(stored: &Stored) -> String {
    let visit = stored.site.visit(None, async |session| session.flash("saved").unwrap()).await;
    visit.cookie().unwrap().to_owned()
}

/// A handle that was taken in a request which its store failed: what it was to be a handle on is not there.
async fn fail_to(begin: fn(&Session)) -> (Site, String, SessionHandle) {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::new(StoredFactory::new("shop", store.clone()));
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
            session.set_limits(REMEMBERED).unwrap();
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

#[tokio::test]
async fn s19_s27_what_was_wished_with_a_login_without_a_response_goes_with_it() {
    let logins: [fn(&Session); 3] = [
        |session| session.renew().unwrap(),
        |session| session.set_owner("ada").unwrap(),
        |session| session.set_owner("bob").unwrap(),
    ];
    for how in Broken::ALL {
        for (at, login) in logins.into_iter().enumerate() {
            for is_before in [false, true] {
                let stored = Stored::new();
                let visit = stored.site.visit(None, async |session| {
                    session.set_owner("ada").unwrap();
                    session.insert("n", 0).unwrap();
                });
                let cookie = visit.await.cookie().unwrap().to_owned();
                let token =
                    async |session: Session| session.csrf_token().unwrap().masked().to_owned();
                let page = stored.site.visit(&*cookie, token).await.result;
                let act = async |session: Session| {
                    let wish = || {
                        session.set_limits(REMEMBERED).unwrap();
                        session.new_csrf_token().unwrap();
                        session.insert("n", 1).unwrap();
                    };
                    if is_before {
                        wish();
                    }
                    login(&session);
                    if !is_before {
                        wish();
                    }
                };
                how.visit(&stored.site, &cookie, act).await;
                let case = format!("{how:?}, login {at}, before it: {is_before}");
                let look = async |session: Session| {
                    (session.owner(), session.limits(), session.is_csrf_token(&page))
                };
                let (owner, limits, is_good) = stored.site.visit(&*cookie, look).await.result;
                assert_eq!((owner.as_deref(), limits), (Some("ada"), None), "{case}");
                assert!(is_good, "{case}: the page's token");
                assert_eq!(stored.look(&cookie).await, "n=0", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn s27_what_was_wished_without_a_login_holds_without_a_response() {
    for how in Broken::ALL {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let token = async |session: Session| session.csrf_token().unwrap().masked().to_owned();
        let page = stored.site.visit(&*cookie, token).await.result;
        let act = async |session: Session| {
            session.set_limits(REMEMBERED).unwrap();
            session.new_csrf_token().unwrap();
        };
        how.visit(&stored.site, &cookie, act).await;
        let look = async |session: Session| (session.limits(), session.is_csrf_token(&page));
        assert_eq!(stored.site.visit(&*cookie, look).await.result, (Some(REMEMBERED), false));
    }
}

#[tokio::test]
async fn s67_a_message_waits_where_the_clearing_that_it_went_with_is_not_kept() {
    for (how, renews) in [
        (Some(Broken::Dropped), false),
        (Some(Broken::Panics), true),
        (Some(Broken::Fails), true),
        (None, false),
        (None, true),
    ] {
        let stored = Stored::with(|builder| builder.keep_on_error(how.is_some()));
        let cookie = with_message(&stored).await;
        let act = async |session: Session| {
            assert_eq!(pop(session.clone()).await, ["saved"]);
            session.clear().unwrap();
            if renews {
                session.renew().unwrap();
            }
        };
        let new = if let Some(how) = how {
            how.visit(&stored.site, &cookie, act).await;
            None
        } else {
            let mut failed = Response::default();
            *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            let visit = stored.site.respond(&*cookie, failed, act).await;
            visit.cookie().map(str::to_owned)
        };
        let left = stored.look(&new.unwrap_or(cookie)).await;
        assert_eq!(left, r#"_f_=["saved"]"#, "{how:?}, renews: {renews}");
    }
}

#[tokio::test]
async fn s67_messages_that_were_cleared_come_back_before_those_that_were_taken_later() {
    let stored = Stored::with(|builder| builder.keep_on_error(false));
    let cookie = with_message(&stored).await;
    let mut failed = Response::default();
    *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let visit = stored.site.respond(&*cookie, failed, async |session| {
        assert_eq!(pop(session.clone()).await, ["saved"]);
        session.clear().unwrap();
        let later = async |session: Session| session.flash("later").unwrap();
        stored.site.visit(&*cookie, later).await;
        session.flash("own").unwrap();
        pop(session).await
    });
    visit.await;
    assert_eq!(stored.look(&cookie).await, r#"_f_=["saved","later"]"#);
}

#[tokio::test]
async fn s51_a_handle_has_no_token_of_a_login_that_is_not_there_yet() {
    let stored = Stored::new();
    let begun = stored.begin().await;
    for cookie in [Some(&*begun), None] {
        let visit = stored.site.visit(cookie, async |session: Session| {
            session.set_owner("ada").unwrap();
            let handle = session.handle().unwrap();
            assert!(matches!(handle.csrf_token(), Err(Error::NotYet)));
            let form = handle.csrf_token_for(&Method::POST, "/a");
            assert!(matches!(form, Err(Error::NotYet)));
            let page = session.csrf_token().unwrap().masked().to_owned();
            assert!(!handle.is_csrf_token(&page));
            (page, handle)
        });
        let visit = visit.await;
        let new = visit.cookie().unwrap().to_owned();
        let (page, mut handle) = visit.result;
        assert_eq!(handle.csrf_token().unwrap().plain(), {
            let token = async |session: Session| session.csrf_token().unwrap().plain().to_owned();
            stored.site.visit(&*new, token).await.result
        });
        assert!(handle.is_csrf_token(&page));
        handle.insert("n", 1).unwrap();
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        let is_good = async |session: Session| session.is_csrf_token(&page);
        assert!(stored.site.visit(&*new, is_good).await.result, "the page's token stays");
    }
}

#[tokio::test]
async fn s27_s74_an_end_by_a_handle_that_the_store_failed_can_be_tried_again() {
    for call in [Call::Replace, Call::Remove] {
        for fault in [Fault::Before, Fault::After] {
            let memory = MemoryStore::new();
            let store = FaultyStore::new(memory.clone());
            let site = Site::new(StoredFactory::new("shop", store.clone()));
            let begin = async |session: Session| session.insert("n", 0);
            let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
            let handle = async |session: Session| session.handle().unwrap();
            let mut handle = site.visit(&*cookie, handle).await.result;
            handle.invalidate().unwrap();
            store.fail(call, fault(StoreErrorKind::TimedOut));
            assert!(matches!(handle.commit().await, Err(Error::Store { .. })));
            store.heal();
            assert_eq!(handle.commit().await.unwrap(), Standing::Gone, "{call:?}");
            assert_eq!(memory.counts().records, 0, "{call:?}");
        }
    }
}

/// The owner is lost however the request ends. What stays is that one's, and not theirs who came in between.
#[tokio::test]
async fn s21_s27_what_was_lost_without_a_response_is_the_former_owner_s() {
    let acts: [fn(&Session); 2] = [
        |session| session.forget_owner().unwrap(),
        |session| {
            session.set_owner("bob").unwrap();
            session.forget_owner().unwrap();
        },
    ];
    for how in Broken::ALL {
        for act in acts {
            for (next, holds) in [("ada", "n=0"), ("bob", "")] {
                let stored = Stored::new();
                let begin = async |session: Session| {
                    session.set_owner("ada").unwrap();
                    session.insert("n", 0).unwrap();
                };
                let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
                how.visit(&stored.site, &cookie, async |session: Session| act(&session)).await;
                assert_eq!(stored.look(&cookie).await, "n=0", "{how:?}");
                let login = async |session: Session| {
                    assert_eq!(session.owner(), None);
                    session.set_owner(next).unwrap();
                };
                let login = stored.site.visit(&*cookie, login).await;
                assert_eq!(stored.look(login.cookie().unwrap()).await, holds, "{how:?} {next}");
            }
        }
    }
}

/// Who was the owner in passing was not gained, and nothing of theirs is kept.
#[tokio::test]
async fn s21_s27_an_owner_in_passing_leaves_nothing_without_a_response() {
    for how in Broken::ALL {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let in_passing = async |session: Session| {
            session.set_owner("bob").unwrap();
            session.insert("bob's", 1).unwrap();
            session.forget_owner().unwrap();
        };
        how.visit(&stored.site, &cookie, in_passing).await;
        let login = async |session: Session| session.set_owner("ada").unwrap();
        let login = stored.site.visit(&*cookie, login).await;
        assert_eq!(stored.look(login.cookie().unwrap()).await, "n=0", "{how:?}");
    }
}

/// A ticket that cannot be sent is not made, also where there is something to tell the browser with it.
#[tokio::test]
async fn s19_limits_without_a_response_leave_the_tickets_as_they_are() {
    for how in Broken::ALL {
        let renew_every = Duration::from_secs(60);
        let stored = Stored::with(|builder| builder.renew_every(renew_every));
        let old = stored.begin().await;
        stored.clock.advance(renew_every);
        let look = async |session: Session| session.len();
        let new = stored.site.visit(&*old, look).await.cookie().unwrap().to_owned();
        let set = async |session: Session| session.set_limits(REMEMBERED).unwrap();
        how.visit(&stored.site, &old, set).await;
        for ticket in [&old, &new] {
            let limits = async |session: Session| session.limits();
            let limits = stored.site.visit(&**ticket, limits).await.result;
            assert_eq!(limits, Some(REMEMBERED), "{how:?}");
        }
    }
}
