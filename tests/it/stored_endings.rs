//! Server-side sessions of requests that end badly: what takes effect all the same, and what does not.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::session::{Gone, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Session, SessionLayer, StoredFactory};
use http::{Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::site::{Site, Stored, with_cookie};
use crate::yielding::Yielding;

fn failed() -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Lets tasks in the background finish: the test's runtime has one thread.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn s27_a_logout_and_a_renewal_hold_when_the_handler_fails() {
    for keep in [true, false] {
        let stored = Stored::with(|builder| builder.keep_on_error(keep));
        let cookie = stored.begin().await;
        let renew = async |session: Session| {
            session.insert("n", 1).unwrap();
            session.renew().unwrap();
        };
        let visit = stored.site.respond(&*cookie, failed(), renew).await;
        let new = visit.cookie().unwrap();
        assert_eq!(stored.look(&cookie).await, "");
        // S72: ordinary changes are kept or dropped by setting.
        assert_eq!(stored.look(new).await, if keep { "n=1" } else { "n=0" });
        let end = async |session: Session| session.invalidate().unwrap();
        let visit = stored.site.respond(new, failed(), end).await;
        assert!(visit.set_cookies()[0].contains("Max-Age=0"));
        assert_eq!(stored.store.counts().records, 0);
    }
}

/// Starts a request, polls it once, and drops it.
fn give_up(stored: &Stored, cookie: &str, act: impl FnOnce(&Session)) {
    let mut act = Some(act);
    let service = service_fn(|request| {
        let act = act.take().unwrap();
        async move {
            act(&Session::of(&request).await.unwrap());
            pending::<Result<Response<String>, std::convert::Infallible>>().await
        }
    });
    let layer = cloakroom::SessionLayer::new(stored.sessions.clone());
    let mut service = tower::Layer::layer(&layer, service);
    let response = pin!(service.call(with_cookie(cookie)));
    assert!(response.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn s19_s27_when_the_client_goes_away_a_logout_holds_and_a_renewal_leaves_the_old_ticket() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let renewals: [fn(&Session); 2] =
        [|session| session.renew().unwrap(), |session| session.set_owner("ada").unwrap()];
    for renew in renewals {
        give_up(&stored, &cookie, renew);
        settle().await;
        assert_eq!(stored.look(&cookie).await, "n=0");
        assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty());
    }
    give_up(&stored, &cookie, |session| session.invalidate().unwrap());
    settle().await;
    assert_eq!(stored.look(&cookie).await, "");
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn s27_a_logout_holds_before_the_error_of_its_service_is_passed_on() {
    let fails = async |request: Request<()>| {
        let session = Session::of(&request).await.unwrap();
        session.invalidate().unwrap();
        Err::<Response<String>, _>("the service's own error")
    };
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let service = stored.site.layer().layer(service_fn(fails));
    let error = service.oneshot(with_cookie(&*cookie)).await.unwrap_err();
    assert_eq!(error, "the service's own error");
    assert_eq!(stored.store.counts().records, 0, "no task of its own had time to do it");

    // On a store that takes its time, for a client that has none.
    let slow =
        StoredFactory::builder("shop", Yielding(stored.store.clone())).clock(stored.clock.clone());
    let mut service = SessionLayer::new(slow.build().unwrap()).layer(service_fn(fails));
    let cookie = stored.begin().await;
    assert!(service.call(with_cookie(&*cookie)).await.is_err());
    assert_eq!(stored.store.counts().records, 0);
    let cookie = stored.begin().await;
    let mut polls = 0;
    while stored.store.counts().records == 1 {
        let mut response = Box::pin(service.call(with_cookie(&*cookie)));
        for _ in 0..polls {
            assert!(once(response.as_mut()).await.is_pending());
        }
        drop(response);
        settle().await;
        polls += 1;
    }
    assert!(polls > 1, "it was looked up, and then removed");
}

/// Polls once.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

#[tokio::test]
async fn s27_the_error_of_a_service_is_passed_on_also_where_its_session_cannot_be_kept() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::new(StoredFactory::new("shop", store.clone()));
    let visit = site.visit(None, async |session| session.insert("n", 1)).await;
    let fails = async |request: Request<()>| {
        let session = Session::of(&request).await.unwrap();
        session.invalidate().unwrap();
        store.fail(Call::Remove, Fault::Before(StoreErrorKind::Unavailable));
        Err::<Response<String>, _>("the service's own error")
    };
    let request = with_cookie(visit.cookie());
    let error = site.layer().layer(service_fn(fails)).oneshot(request).await.unwrap_err();
    assert_eq!(error, "the service's own error");
}

#[tokio::test]
async fn s69_half_of_a_handler_s_changes_is_not_kept() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    give_up(&stored, &cookie, |session| {
        session.insert("n", 1).unwrap();
        session.renew().unwrap();
    });
    give_up(&stored, "", |session| {
        session.insert("n", 1).unwrap();
        session.set_owner("ada").unwrap();
    });
    settle().await;
    let listed = stored.sessions.sessions_of("ada").await.unwrap();
    assert!(listed.is_empty(), "a session that nobody has the ticket of is not begun");
    assert_eq!(stored.store.counts().records, 1);
}

fn panics() -> Result<Response<String>, std::convert::Infallible> {
    panic!("on purpose")
}

/// A request whose handler does this and panics, and what is left to be done of it.
async fn panic_after(stored: &Stored, cookie: &str, act: fn(&Session)) {
    let (layer, request) = (SessionLayer::new(stored.sessions.clone()), with_cookie(cookie));
    let panicked = tokio::spawn(async move {
        let service = service_fn(|request| async move {
            act(&Session::of(&request).await.unwrap());
            panics()
        });
        layer.layer(service).call(request).await.map(drop)
    });
    assert!(panicked.await.unwrap_err().is_panic());
    settle().await;
}

#[tokio::test]
async fn r16_s72_a_session_that_was_marked_is_written_though_its_handler_panics() {
    for keep in [true, false] {
        let stored = Stored::with(|builder| builder.keep_on_error(keep));
        let cookie = stored.begin().await;
        stored.clock.advance(Duration::from_secs(700));
        panic_after(&stored, &cookie, |session| session.changed().unwrap()).await;
        stored.clock.advance(Duration::from_secs(700));
        assert_eq!(stored.look(&cookie).await, if keep { "n=0" } else { "" });
    }
}

#[tokio::test]
async fn s19_s72_a_panic_keeps_neither_a_login_nor_what_goes_with_it() {
    for keep in [true, false] {
        let stored = Stored::with(|builder| builder.keep_on_error(keep));
        let cookie = stored.begin().await;
        panic_after(&stored, &cookie, |session| {
            session.insert("n", 1).unwrap();
            session.set_owner("ada").unwrap();
        })
        .await;
        assert_eq!(stored.look(&cookie).await, "n=0", "the old ticket is good");
        assert!(stored.sessions.sessions_of("ada").await.unwrap().is_empty());
    }
}

/// Ends the session of this cookie while a handler of the same session works.
async fn end(stored: &Stored, cookie: &str, how: &str) {
    let act = async |session: Session| match how {
        "logout" => session.invalidate().unwrap(),
        _ => session.renew().unwrap(),
    };
    stored.site.visit(cookie, act).await;
}

#[tokio::test]
async fn s64_gone_means_gone_and_the_application_sees_it() {
    for how in ["logout", "renew"] {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let visit = stored.site.visit(&*cookie, async |session| {
            session.insert("n", 1).unwrap();
            end(&stored, &cookie, how).await;
            session
        });
        let visit = visit.await;
        assert!(visit.set_cookies().is_empty(), "{how}");
        assert!(visit.result.is_gone());
        assert!(visit.response.extensions().get::<Gone>().is_some());
        assert_eq!(visit.response.status(), 200);
        assert!(stored.events().contains(&"Gone".to_owned()));
        assert_eq!(stored.store.counts().records, usize::from(how == "renew"));
        assert_eq!(stored.look(&cookie).await, "");
    }
}

#[tokio::test]
async fn s64_a_read_that_is_overtaken_by_a_logout_revives_nothing() {
    let stored = Stored::with(|builder| builder.touch_after(std::time::Duration::ZERO));
    let cookie = stored.begin().await;
    stored.clock.advance(std::time::Duration::from_secs(5));
    let visit = stored.site.visit(&*cookie, async |session| {
        let _ = session.len();
        end(&stored, &cookie, "logout").await;
    });
    assert!(visit.await.set_cookies().is_empty());
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn s27_a_logout_wins_over_a_renewal_that_was_faster() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.invalidate().unwrap();
        end(&stored, &cookie, "renew").await;
    });
    assert!(visit.await.set_cookies()[0].contains("Max-Age=0"));
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn a_handle_works_on_after_the_response_and_ends_with_the_session() {
    let stored = Stored::new();
    let visit = stored.site.visit(None, async |session| {
        session.insert("n", 1).unwrap();
        session.handle().unwrap()
    });
    let visit = visit.await;
    let cookie = visit.cookie().unwrap().to_owned();
    let mut handle = visit.result;

    handle.modify("n", |n: &mut u32| *n += 10).unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Live);
    assert_eq!(stored.look(&cookie).await, "n=11");

    let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 100).unwrap();
    stored.site.visit(&*cookie, add).await;
    handle.modify("n", |n: &mut u32| *n += 1000).unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Live);
    assert_eq!(handle.get::<u32>("n").unwrap(), Some(1111), "replayed on what the request left");

    stored.site.visit(&*cookie, add).await;
    assert_eq!(handle.reload().await.unwrap(), Standing::Live);
    assert_eq!(handle.get::<u32>("n").unwrap(), Some(1211));

    assert!(matches!(handle.renew(), Err(Error::NotSupported { .. })));
    assert!(matches!(handle.set_owner("ada"), Err(Error::NotSupported { .. })));

    end(&stored, &cookie, "logout").await;
    handle.modify("n", |n: &mut u32| *n += 1).unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
    assert!(handle.is_gone());
    assert_eq!(handle.reload().await.unwrap(), Standing::Gone);
    assert_eq!(stored.store.counts().records, 0);
}

#[tokio::test]
async fn s64_a_handle_from_before_a_login_is_gone_and_one_from_the_login_is_not() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let handle = async |session: Session| session.handle().unwrap();
    let mut before = stored.site.visit(&*cookie, handle).await.result;
    let mut idle = stored.site.visit(&*cookie, handle).await.result;
    let visit = stored.site.visit(&*cookie, async |session| {
        session.set_owner("ada").unwrap();
        session.handle().unwrap()
    });
    let visit = visit.await;
    let mut during = visit.result;
    before.insert("n", 1).unwrap();
    assert_eq!(before.commit().await.unwrap(), Standing::Gone);
    assert_eq!(idle.reload().await.unwrap(), Standing::Gone, "what came of the login is not its");
    during.insert("n", 2).unwrap();
    assert_eq!(during.commit().await.unwrap(), Standing::Live);
    assert_eq!(stored.look(visit.response.headers()["set-cookie"].to_str().unwrap()).await, "n=2");

    assert_eq!(stored.sessions.revoke_all("ada").await.unwrap(), 1);
    assert_eq!(during.reload().await.unwrap(), Standing::Gone);
}
