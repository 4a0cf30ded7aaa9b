//! Server-side sessions on a store that does not do its part: an error with no cookie, and nothing lost.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use cloakroom::{Error, Session, SessionLayer, StoredFactory};
use http::Response;
use tower::{Service, ServiceExt, service_fn};

use crate::log::Log;
use crate::site::{Site, with_cookie};
use crate::yielding::Yielding;

fn faulty() -> (Site, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions =
        StoredFactory::builder("shop", store.clone()).io_timeout(Duration::from_millis(20));
    (Site::new(sessions.build().unwrap()), store)
}

async fn begin(site: &Site) -> String {
    let visit = site.visit(None, async |session| session.insert("n", 1).map(drop)).await;
    visit.cookie().unwrap().to_owned()
}

/// What a visitor gets whose session cannot be opened or not be read: the extractor's error or that of the first look.
async fn open(site: &Site, cookie: &str) -> Result<bool, Error> {
    let opened = tokio::sync::Mutex::new(None);
    let service = service_fn(|request| {
        let opened = &opened;
        async move {
            let session = Session::of(&request).await;
            let is_new = session.and_then(|it| it.get::<u32>("n").map(|_| it.is_new()));
            opened.lock().await.replace(is_new);
            Ok::<_, std::convert::Infallible>(Response::<String>::default())
        }
    });
    let service = tower::Layer::layer(site.layer(), service);
    let response = service.oneshot(with_cookie(cookie)).await.unwrap();
    assert!(response.headers().get("set-cookie").is_none());
    opened.into_inner().unwrap()
}

const FAULTS: [Fault; 4] = [
    Fault::Before(StoreErrorKind::Unavailable),
    Fault::Before(StoreErrorKind::Rejected),
    Fault::Hang,
    Fault::Garbage,
];

#[tokio::test]
async fn s73_a_session_that_cannot_be_opened_is_never_an_empty_one() {
    for (fault, kind) in FAULTS.into_iter().zip([
        StoreErrorKind::Unavailable,
        StoreErrorKind::Rejected,
        StoreErrorKind::TimedOut,
        StoreErrorKind::Corrupt,
    ]) {
        let (site, store) = faulty();
        let cookie = begin(&site).await;
        store.fail(Call::Load, fault);
        match open(&site, &cookie).await {
            Err(error @ Error::Store { .. }) => {
                assert_eq!((error.status().as_u16(), error.kind()), (503, "store"));
                let Error::Store { source, .. } = error else { unreachable!() };
                assert_eq!(source.kind(), kind);
            }
            other => panic!("{fault:?} gave {other:?}"),
        }
        store.heal();
        let visit = site.visit(&*cookie, async |session| session.get::<u32>("n").unwrap()).await;
        assert_eq!(visit.result, Some(1), "the record is as it was");
    }
}

#[tokio::test]
async fn s74_a_session_that_cannot_be_kept_is_an_error_without_a_cookie() {
    for fault in &FAULTS[..3] {
        let (site, store) = faulty();
        let cookie = begin(&site).await;
        store.fail(Call::Create, *fault);
        let visit = site.visit(None, async |session| session.insert("n", 2).map(drop)).await;
        assert_eq!((visit.response.status().as_u16(), visit.set_cookies().len()), (503, 0));
        store.fail(Call::Replace, *fault);
        let visit = site.visit(&*cookie, async |session| {
            session.insert("n", 2).unwrap();
            session.renew().unwrap();
        });
        let visit = visit.await;
        assert_eq!((visit.response.status().as_u16(), visit.set_cookies().len()), (503, 0));
        store.fail(Call::Remove, *fault);
        let visit = site.visit(&*cookie, async |session| session.invalidate().unwrap()).await;
        assert_eq!((visit.response.status().as_u16(), visit.set_cookies().len()), (503, 0));
        store.heal();
        let visit = site.visit(&*cookie, async |session| session.get::<u32>("n").unwrap()).await;
        assert_eq!(visit.result, Some(1), "{fault:?}: nothing half-written");
    }
}

#[tokio::test]
async fn s74_a_conflict_that_cannot_be_read_writes_nothing() {
    let (site, store) = faulty();
    let cookie = begin(&site).await;
    let visit = site.visit(&*cookie, async |session| {
        session.modify("n", |n: &mut u32| *n += 1).unwrap();
        let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 10).unwrap();
        site.visit(&*cookie, add).await;
        store.fail(Call::Replace, Fault::Garbage);
    });
    assert_eq!(visit.await.response.status(), 503);
    store.heal();
    let visit = site.visit(&*cookie, async |session| session.get::<u32>("n").unwrap()).await;
    assert_eq!(visit.result, Some(11));
}

#[tokio::test]
async fn s73_flash_messages_that_cannot_be_claimed_wait() {
    let (site, store) = faulty();
    let flash = async |session: Session| session.flash("saved").unwrap();
    let cookie = site.visit(None, flash).await.cookie().unwrap().to_owned();
    store.fail(Call::Replace, Fault::Before(StoreErrorKind::Unavailable));
    let visit = site.visit(&*cookie, async |session| session.pop_flash::<String>("").await);
    assert!(visit.await.result.is_err());
    store.heal();
    let visit = site.visit(&*cookie, async |session| session.pop_flash::<String>("").await);
    assert_eq!(visit.await.result.unwrap(), ["saved"]);
}

#[tokio::test]
async fn s75_a_request_that_uses_no_session_does_not_notice_an_outage() {
    let (site, store) = faulty();
    for call in Call::ALL {
        store.fail(call, Fault::Hang);
    }
    let before = store.all_calls();
    let service =
        service_fn(|_| async { Ok::<_, std::convert::Infallible>(Response::<String>::default()) });
    let service = tower::Layer::layer(site.layer(), service);
    let cookie = format!("__Host-Http-session={}", "A".repeat(64));
    let response = service.oneshot(with_cookie(&*cookie)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(store.all_calls(), before);
}

/// Polls the request this many times and drops it then. Whether it was still under way.
fn drop_after(polls: usize, request: impl Future) -> bool {
    let mut request = pin!(request);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).all(|_| matches!(request.as_mut().poll(&mut context), Poll::Pending))
}

/// One visit on a store that lets others run at each call, before and after it.
fn slow_visit<'a>(
    sessions: &StoredFactory<Yielding<MemoryStore>>,
    cookie: &str,
    act: impl AsyncFn(&Session) + 'a,
) -> impl Future + 'a {
    let layer = SessionLayer::new(sessions.clone());
    let request = with_cookie(cookie);
    async move {
        let service = service_fn(|request| {
            let act = &act;
            async move {
                act(&Session::of(&request).await.unwrap()).await;
                Ok::<_, std::convert::Infallible>(Response::<String>::default())
            }
        });
        tower::Layer::layer(&layer, service).call(request).await
    }
}

#[tokio::test]
async fn s69_a_request_that_is_dropped_anywhere_leaves_all_or_nothing() {
    let (mut polls, mut seen) = (0, Vec::new());
    loop {
        let store = MemoryStore::new();
        let sessions = StoredFactory::builder("shop", Yielding(store))
            .io_timeout(None)
            .flash_lease(Duration::from_micros(1))
            .build()
            .unwrap();
        let site = Site::new(sessions.clone());
        let begin = async |session: Session| session.flash("saved").unwrap();
        let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();

        let under_way = drop_after(
            polls,
            slow_visit(&sessions, &cookie, async |session| {
                session.insert("a", 1).unwrap();
                let shown: Vec<String> = session.pop_flash("").await.unwrap();
                assert_eq!(shown, ["saved"]);
                session.insert("b", 2).unwrap();
            }),
        );
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let visit = site.visit(&*cookie, async |session| {
            let (a, b) = (session.contains_key("a"), session.contains_key("b"));
            (a, b, session.peek_flash::<String>("").unwrap().len())
        });
        let state = visit.await.result;
        assert!(
            [(false, false, 1), (true, true, 0)].contains(&state),
            "dropped after {polls} polls: {state:?}"
        );
        seen.push(state.0);
        if !under_way {
            break;
        }
        polls += 1;
    }
    assert!(polls > 6, "only {polls} polls: the store did not let anybody in between");
    assert!(seen.contains(&false) && seen.contains(&true));
}

#[tokio::test]
async fn s27_s69_a_logout_that_was_called_holds_wherever_the_request_is_dropped() {
    let mut polls = 0;
    loop {
        let sessions = StoredFactory::builder("shop", Yielding(MemoryStore::new()))
            .io_timeout(None)
            .build()
            .unwrap();
        let site = Site::new(sessions.clone());
        let begin = async |session: Session| session.insert("n", 1).map(drop);
        let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
        let called = std::sync::atomic::AtomicBool::new(false);
        let under_way = drop_after(
            polls,
            slow_visit(&sessions, &cookie, async |session| {
                session.invalidate().unwrap();
                called.store(true, std::sync::atomic::Ordering::SeqCst);
                tokio::task::yield_now().await;
            }),
        );
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let left = site.visit(&*cookie, async |session| session.len()).await.result;
        let called = called.into_inner();
        assert_eq!(left, usize::from(!called), "dropped after {polls} polls");
        if !under_way {
            break;
        }
        polls += 1;
    }
    assert!(polls > 3);
}

#[tokio::test(start_paused = true)]
async fn s75_a_store_that_does_not_answer_is_left_alone_and_found_again() {
    let store = FaultyStore::new(MemoryStore::new());
    let builder = StoredFactory::builder("shop", store.clone()).io_timeout(Duration::from_secs(3));
    let site = Site::new(builder.fail_fast_after(4).build().unwrap());
    let cookie = begin(&site).await;
    store.fail(Call::Load, Fault::Hang);
    for _ in 0..4 {
        open(&site, &cookie).await.unwrap_err();
    }
    let asked = store.calls(Call::Load);
    for _ in 0..100 {
        let error = open(&site, &cookie).await.unwrap_err();
        assert_eq!((error.kind(), error.status().as_u16()), ("store", 503));
    }
    assert_eq!(store.calls(Call::Load), asked, "it was asked all the same");
    store.heal();
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!open(&site, &cookie).await.unwrap(), "the session that it was");
    assert_eq!(store.calls(Call::Load), asked + 1);
}

#[tokio::test]
async fn s75_a_store_that_is_down_does_not_fill_the_log() {
    let (site, store) = faulty();
    let cookie = begin(&site).await;
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    let log = Log::default();
    let guard = log.listen();
    for _ in 0..100 {
        let error = open(&site, &cookie).await.unwrap_err();
        assert_eq!(axum::response::IntoResponse::into_response(error).status(), 503);
    }
    drop(guard);
    let said = log.take();
    let errors = said.iter().filter(|line| line.starts_with("ERROR")).count();
    // One more, if a second passes meanwhile and the store is asked again.
    assert!((10..=12).contains(&errors), "{errors}: {said:#?}");
    let told = said.iter().filter(|line| line.contains("requests fail at once")).count();
    assert_eq!(told, 1, "{said:#?}");
}
