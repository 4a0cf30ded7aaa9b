//! Attacks on how requests end, on handles, and on what outlives a request.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cloakroom::session::{Limits, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Session, StoredFactory};
use http::Response;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::site::{Site, Stored, with_cookie};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A request that ends without a response: the client goes away, or the handler panics, or its service fails.
async fn broken<F: AsyncFnOnce(Session) + 'static>(
    stored: &Stored,
    cookie: &str,
    how: &str,
    act: F,
) {
    let mut act = Some(act);
    let fails = how == "error";
    let panics = how == "panic";
    let service = service_fn(|request| {
        let act = act.take().unwrap();
        async move {
            act(Session::of(&request).await.unwrap()).await;
            assert!(!panics, "on purpose");
            if fails {
                return Err("the service's own");
            }
            pending::<Result<Response<String>, &str>>().await
        }
    });
    let mut service = stored.site.layer().layer(service);
    let mut response = Box::pin(service.call(with_cookie(cookie)));
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut context = Context::from_waker(Waker::noop());
        let _ = response.as_mut().poll(&mut context);
    }));
    assert_eq!(polled.is_err(), panics);
    drop(response);
    settle().await;
}

/// What is documented: "Each of these takes effect even if the handler then fails, panics or is given up."
#[tokio::test]
async fn s27_limits_take_effect_however_the_request_ends() {
    for how in ["panic", "error", "dropped"] {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        broken(&stored, &cookie, how, async |session| {
            session
                .set_limits(Limits { idle: Some(seconds(60)), absolute: None, persistent: false })
                .unwrap();
        })
        .await;
        stored.clock.advance(seconds(100));
        assert_eq!(stored.look(&cookie).await, "", "{how}");
    }
}

/// Who has become another owner twice in one request, and signs out elsewhere, stays signed in.
#[tokio::test]
async fn s29_who_changes_twice_and_signs_out_elsewhere_stays_signed_in() {
    for first in ["bob", ""] {
        let stored = Stored::new();
        let login = async |session: Session| session.set_owner("ada").unwrap();
        let cookie = stored.site.visit(None, login).await.cookie().unwrap().to_owned();
        let visit = stored.site.visit(&*cookie, async |session| {
            if first.is_empty() {
                session.invalidate().unwrap();
            } else {
                session.set_owner(first).unwrap();
            }
            session.set_owner("ada").unwrap();
            stored.sessions.revoke_others(&session).await.unwrap();
            session
        });
        let visit = visit.await;
        assert!(!visit.result.is_gone(), "{first:?}");
        let owner = async |session: Session| session.owner();
        let new = visit.cookie().unwrap();
        assert_eq!(stored.site.visit(new, owner).await.result.as_deref(), Some("ada"));
    }
}

/// A request that was superseded: a handle on it is gone, and everything of it is inert.
#[tokio::test]
async fn s64_a_superseded_request_can_do_nothing() {
    let stored = Stored::new();
    let flash = async |session: Session| session.flash("saved").unwrap();
    let old = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let new = stored.site.visit(&*old, login).await.cookie().unwrap().to_owned();
    let acts: [fn(&Session); 7] = [
        |s| s.invalidate().unwrap(),
        |s| s.set_owner("bob").unwrap(),
        |s| s.forget_owner().unwrap(),
        |s| s.renew().unwrap(),
        |s| s.clear().unwrap(),
        |s| s.changed().unwrap(),
        |s| drop(s.new_csrf_token().unwrap()),
    ];
    for act in acts {
        let visit = stored.site.visit(&*old, async |session: Session| {
            assert!(session.is_gone());
            assert!(session.is_empty() && session.owner().is_none());
            assert!(session.pop_flash::<String>("").await.unwrap().is_empty());
            let handle = session.handle().unwrap();
            act(&session);
            assert!(
                stored.sessions.revoke_others(&session).await.is_err() || session.owner().is_some()
            );
            handle
        });
        let visit = visit.await;
        assert!(visit.set_cookies().is_empty());
        let mut handle = visit.result;
        let _ = handle.insert("n", 5);
        assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
    }
    assert_eq!(stored.look(&new).await, "_f_=[\"saved\"]");
}

/// A pop whose claim took effect without an answer: the message waits again when the request has ended.
#[tokio::test]
async fn s67_a_claim_without_an_answer_is_given_back_at_the_end() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::new(StoredFactory::new(store.clone()));
    let flash = async |session: Session| session.flash("saved").unwrap();
    let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
    let visit = site.visit(&*cookie, async |session| {
        store.fail(Call::Replace, Fault::After(StoreErrorKind::TimedOut));
        store.fail(Call::Load, Fault::Before(StoreErrorKind::TimedOut));
        let popped = session.pop_flash::<String>("").await;
        store.heal();
        popped
    });
    assert!(visit.await.result.is_err());
    let peek = async |session: Session| session.peek_flash::<String>("").unwrap();
    assert_eq!(site.visit(&*cookie, peek).await.result, ["saved"]);
}

/// A page that is answered by 409 instead has shown nothing.
#[tokio::test]
async fn s67_a_page_that_became_a_409_has_shown_nothing() {
    let stored = Stored::new();
    let begin = async |session: Session| {
        session.insert("n", 0).unwrap();
        session.flash("saved").unwrap();
    };
    let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
    const N: cloakroom::Key<u32> = cloakroom::Key::new("n").strict();
    let visit = stored.site.visit(&*cookie, async |session| {
        session.get(N).unwrap();
        session.pop_flash::<String>("").await.unwrap();
        let fast = async |session: Session| session.insert("n", 100).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
        session.insert(N, 1).unwrap();
    });
    assert_eq!(visit.await.response.status(), 409);
    assert_eq!(stored.look(&cookie).await, "n=100 _f_=[\"saved\"]");
}

/// A request dropped outside of a runtime loses its session without a panic.
#[test]
fn s27_a_request_that_is_dropped_outside_of_a_runtime_does_not_panic() {
    let stored = Stored::with(|builder| builder.io_timeout(None));
    let service = service_fn(async |request: http::Request<()>| {
        Session::of(&request).await.unwrap().invalidate().unwrap();
        pending::<Result<Response<String>, Infallible>>().await
    });
    let mut service = stored.site.layer().layer(service);
    let response = pin!(service.call(with_cookie(None)));
    assert!(response.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// A replayed closure that looks at its own session.
#[tokio::test]
async fn s62_a_closure_that_looks_at_its_session_in_the_replay_waits_for_nobody() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session: Session| {
        let own = session.clone();
        session
            .modify("n", move |n: &mut u32| {
                let _ = own.get::<u32>("n");
                let _ = own.insert("x", 1);
                *n += 1;
            })
            .unwrap();
        let fast = async |session: Session| session.insert("n", 100).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
    });
    assert_eq!(visit.await.response.status(), 200);
    assert!(stored.look(&cookie).await.contains("n=101"));
    let _ = stored
        .site
        .layer()
        .layer(service_fn(async |_: http::Request<()>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }))
        .oneshot(with_cookie(None))
        .await;
}
