//! Attacks on how requests end, on handles, and on what outlives a request.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use cloakroom::session::{Limits, SessionHandle, Standing};
use cloakroom::store::{MemoryStore, StoreErrorKind};
use cloakroom::testing::{Call, FakeClock, Fault, FaultyStore};
use cloakroom::{Error, Session, StoredFactory};
use http::{Response, StatusCode};
use std::sync::{Arc, Mutex};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::site::{Site, Stored, with_cookie};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn handle(session: Session) -> SessionHandle {
    session.handle().unwrap()
}

/// A request that ends without a response: the client goes away, or the handler panics, or its service fails.
async fn broken<F: AsyncFnOnce(Session) + 'static>(stored: &Stored, cookie: &str, how: &str, act: F) {
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

/// What was cleared goes with the clearing; where the clearing is not kept, and nobody saw the message, it waits.
#[tokio::test]
async fn s67_a_message_waits_where_the_clearing_that_it_went_with_is_not_kept() {
    for how in ["dropped", "panic with renew", "500"] {
        let stored = Stored::with(|builder| builder.keep_on_error(false));
        let flash = async |session: Session| session.flash("saved").unwrap();
        let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
        let act = async move |session: Session| {
            assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["saved"]);
            session.clear().unwrap();
            if how == "panic with renew" {
                session.renew().unwrap();
            }
        };
        match how {
            "500" => drop(stored.site.respond(&*cookie, with_status(500), act).await),
            "dropped" => broken(&stored, &cookie, "dropped", act).await,
            _ => broken(&stored, &cookie, "panic", act).await,
        }
        assert_eq!(stored.look(&cookie).await, "_f_=[\"saved\"]", "{how}");
    }
}

/// A periodic renewal of a session that ended while its request was under way, in a store that has not swept it yet.
#[tokio::test]
async fn s22_s64_a_periodic_renewal_revives_no_session_that_has_ended() {
    let (clock, still) = (FakeClock::at(1_700_000_000.0), FakeClock::at(1_700_000_000.0));
    let store = MemoryStore::builder().clock(still).build();
    let limits = Limits { idle: Some(seconds(60)), absolute: None, persistent: false };
    let builder = StoredFactory::builder(store).clock(clock.clone()).limits(limits);
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

/// "A handle can neither reach the session that follows": not even to end it.
#[tokio::test]
async fn s64_a_handle_from_before_a_login_does_not_end_the_session_of_the_login() {
    let stored = Stored::new();
    let cookie = stored.begin().await;
    let mut handle = stored.site.visit(&*cookie, handle).await.result;
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let new = stored.site.visit(&*cookie, login).await.cookie().unwrap().to_owned();
    handle.invalidate().unwrap();
    assert_eq!(handle.commit().await.unwrap(), Standing::Gone);
    assert_eq!(stored.look(&new).await, "n=0");
}

/// A handle that is taken after a login whose request gets no response is gone.
#[tokio::test]
async fn s19_a_handle_of_a_login_that_was_never_kept_is_gone() {
    for how in ["panic", "error", "dropped"] {
        for does in ["renew", "login", "login and limits", "login and message"] {
            let stored = Stored::new();
            let begin = async |session: Session| {
                session.insert("n", 0).unwrap();
                session.flash("hello").unwrap();
            };
            let cookie = stored.site.visit(None, begin).await.cookie().unwrap().to_owned();
            let taken: Arc<Mutex<Option<SessionHandle>>> = Arc::default();
            let out = taken.clone();
            broken(&stored, &cookie, how, async move |session| {
                if does == "login and message" {
                    session.pop_flash::<String>("").await.unwrap();
                }
                if does == "renew" {
                    session.renew().unwrap();
                } else {
                    session.set_owner("ada").unwrap();
                }
                if does == "login and limits" {
                    session.set_limits(Limits { persistent: true, ..Limits::DEFAULT }).unwrap();
                }
                *out.lock().unwrap() = Some(session.handle().unwrap());
            })
            .await;
            let mut handle = taken.lock().unwrap().take().unwrap();
            assert_eq!(handle.reload().await.unwrap(), Standing::Gone, "{does}, {how}: {:?}", handle.owner());
        }
    }
}

/// A message that a handle has taken is shown to nobody else while the handle lives.
#[tokio::test(start_paused = true)]
async fn s67_a_message_that_a_handle_has_taken_is_not_shown_again_while_the_handle_lives() {
    let stored = Stored::with(|builder| builder.flash_lease(seconds(30)));
    let flash = async |session: Session| session.flash("saved").unwrap();
    let cookie = stored.site.visit(None, flash).await.cookie().unwrap().to_owned();
    let handle = stored.site.visit(&*cookie, handle).await.result;
    assert_eq!(handle.pop_flash::<String>("").await.unwrap(), ["saved"]);
    let mut others = 0;
    for _ in 0..5 {
        stored.clock.advance(seconds(15));
        tokio::time::sleep(seconds(15)).await;
        let pop = async |session: Session| session.pop_flash::<String>("").await.unwrap().len();
        others += stored.site.visit(&*cookie, pop).await.result;
    }
    assert_eq!(others, 0);
    drop(handle);
}

/// A look of another request is no write: it does not make a change count twice.
#[tokio::test]
async fn s74_a_commit_whose_answer_was_lost_is_recognised_after_a_look() {
    let clock = FakeClock::at(1_700_000_000.0);
    let store = FaultyStore::new(MemoryStore::builder().clock(clock.clone()).build());
    let sessions = StoredFactory::builder(store.clone()).clock(clock.clone()).build().unwrap();
    let site = Site::new(sessions);
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    let mut handle = site.visit(&*cookie, handle).await.result;
    handle.modify("n", |n: &mut u32| *n += 1).unwrap();
    store.fail(Call::Replace, Fault::After(StoreErrorKind::TimedOut));
    store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
    assert!(matches!(handle.commit().await, Err(Error::Store { .. })));
    store.heal();
    clock.advance(seconds(300));
    let look = async |session: Session| session.get::<u32>("n").unwrap();
    assert_eq!(site.visit(&*cookie, look).await.result, Some(1));
    assert_eq!(handle.commit().await.unwrap(), Standing::Live);
    assert_eq!(site.visit(&*cookie, look).await.result, Some(1));
}

/// What is documented: "Each of these takes effect even if the handler then fails, panics or is given up."
#[tokio::test]
async fn s27_limits_take_effect_however_the_request_ends() {
    for how in ["panic", "error", "dropped"] {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        broken(&stored, &cookie, how, async |session| {
            session.set_limits(Limits { idle: Some(seconds(60)), absolute: None, persistent: false }).unwrap();
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
            assert!(stored.sessions.revoke_others(&session).await.is_err() || session.owner().is_some());
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
        session.modify("n", move |n: &mut u32| {
            let _ = own.get::<u32>("n");
            let _ = own.insert("x", 1);
            *n += 1;
        }).unwrap();
        let fast = async |session: Session| session.insert("n", 100).map(drop);
        stored.site.visit(&*cookie, fast).await.result.unwrap();
    });
    assert_eq!(visit.await.response.status(), 200);
    assert!(stored.look(&cookie).await.contains("n=101"));
    let _ = stored.site.layer().layer(service_fn(async |_: http::Request<()>| Ok::<_, Infallible>(Response::new(String::new())))).oneshot(with_cookie(None)).await;
}

/// A commit that the store refused, and another request that came to the same: each counts.
#[tokio::test]
async fn s62_s74_a_commit_that_failed_is_not_taken_for_another_s_that_says_the_same() {
    for limits in [
        Limits { idle: None, absolute: Some(seconds(3600)), persistent: false },
        // The last minutes of a session with both limits.
        Limits { idle: Some(seconds(1200)), absolute: Some(seconds(1500)), persistent: false },
    ] {
        let clock = FakeClock::at(1_700_000_000.0);
        let store = FaultyStore::new(MemoryStore::builder().clock(clock.clone()).build());
        let builder = StoredFactory::builder(store.clone()).clock(clock.clone()).limits(limits);
        let site = Site::new(builder.build().unwrap());
        let begin = async |session: Session| session.insert("n", 0);
        let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
        clock.advance(seconds(600));
        let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 1).unwrap();
        let mut handle = site.visit(&*cookie, handle).await.result;
        handle.modify("n", |n: &mut u32| *n += 1).unwrap();
        store.fail(Call::Replace, Fault::Before(StoreErrorKind::TimedOut));
        store.fail(Call::Load, Fault::Before(StoreErrorKind::Unavailable));
        assert!(matches!(handle.commit().await, Err(Error::Store { .. })));
        store.heal();
        clock.advance(seconds(1));
        site.visit(&*cookie, add).await;
        clock.advance(seconds(1));
        assert_eq!(handle.commit().await.unwrap(), Standing::Live);
        let look = async |session: Session| session.get::<u32>("n").unwrap();
        assert_eq!(site.visit(&*cookie, look).await.result, Some(2), "{limits:?}");
    }
}

/// The same of two requests, where the other one's write falls between the call that failed and the look after it.
#[tokio::test]
async fn s62_s74_a_request_that_the_store_refused_is_not_taken_for_another_that_says_the_same() {
    use cloakroom::Timestamp;
    use cloakroom::store::{Created, Record, Replaced, Result, Store, StoreKey, Touched, Version};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Fails one `replace` without effect, and has another request go first by then.
    #[derive(Clone)]
    struct Between(MemoryStore, Arc<AtomicBool>, FakeClock, Arc<Mutex<String>>);

    impl Store for Between {
        async fn load(&self, key: &StoreKey) -> Result<Option<cloakroom::store::Stored>> {
            self.0.load(key).await
        }
        async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
            self.0.create(key, record).await
        }
        async fn replace(&self, key: &StoreKey, version: Version, record: &Record) -> Result<Replaced> {
            if !self.1.swap(false, Ordering::SeqCst) {
                return self.0.replace(key, version, record).await;
            }
            let cookie = self.3.lock().unwrap().clone();
            let add = service_fn(async |request: http::Request<()>| {
                let session = Session::of(&request).await.unwrap();
                session.modify("n", |n: &mut u32| *n += 1).unwrap();
                Ok::<_, Infallible>(Response::new(String::new()))
            });
            let layer = layer_of(self.0.clone(), self.2.clone());
            assert_eq!(layer.layer(add).oneshot(with_cookie(&*cookie)).await.unwrap().status(), 200);
            Err(StoreErrorKind::TimedOut.into())
        }
        async fn touch(&self, key: &StoreKey, seen: Version, end: Timestamp) -> Result<Touched> {
            self.0.touch(key, seen, end).await
        }
        async fn remove(&self, key: &StoreKey) -> Result<bool> {
            self.0.remove(key).await
        }
        async fn await_replication(&self, key: &StoreKey) -> Result<()> {
            self.0.await_replication(key).await
        }
    }

    fn factory_of<S: Store>(store: S, clock: FakeClock) -> StoredFactory<S> {
        let limits = Limits { idle: None, absolute: Some(seconds(3600)), persistent: false };
        StoredFactory::builder(store).clock(clock).limits(limits).build().unwrap()
    }

    fn layer_of(store: impl Store, clock: FakeClock) -> cloakroom::SessionLayer {
        cloakroom::SessionLayer::new(factory_of(store, clock))
    }

    let clock = FakeClock::at(1_700_000_000.0);
    let store = MemoryStore::builder().clock(clock.clone()).build();
    let (armed, jar) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(String::new())));
    let site = Site::new(factory_of(Between(store, armed.clone(), clock.clone(), jar.clone()), clock));
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    jar.lock().unwrap().clone_from(&cookie);
    armed.store(true, Ordering::SeqCst);
    let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 1).unwrap();
    let status = site.visit(&*cookie, add).await.response.status();
    let look = async |session: Session| session.get::<u32>("n").unwrap();
    let n = site.visit(&*cookie, look).await.result.unwrap();
    let acknowledged = 1 + u32::from(status == StatusCode::OK);
    assert_eq!(n, acknowledged, "answered {status}");
}

/// A handle on what was to follow a logout that could not be kept is no handle on what was to be over.
#[tokio::test]
async fn s64_a_handle_on_what_follows_a_logout_that_failed_is_gone() {
    let store = FaultyStore::new(MemoryStore::new());
    let site = Site::new(StoredFactory::new(store.clone()));
    let begin = async |session: Session| {
        session.set_owner("ada").unwrap();
        session.insert("n", 0)
    };
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    let visit = site.visit(&*cookie, async |session: Session| {
        session.invalidate().unwrap();
        session.insert("next", 1).unwrap();
        store.fail(Call::Replace, Fault::Before(StoreErrorKind::Unavailable));
        session.handle().unwrap()
    });
    let visit = visit.await;
    assert_eq!(visit.response.status(), 503);
    store.heal();
    let mut handle = visit.result;
    handle.insert("of the next one", 1).unwrap();
    let standing = handle.commit().await.unwrap();
    let look = async |session: Session| session.keys();
    assert_eq!(site.visit(&*cookie, look).await.result, ["n"]);
    assert_eq!(standing, Standing::Gone);
}
