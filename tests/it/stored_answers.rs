//! A store that does what it is asked and does not say so, or says so and does not do it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::session::{Limits, SessionHandle, Standing};
use cloakroom::store::{
    Created, MemoryStore, Record, Replaced, Result, Store, StoreErrorKind, StoreKey, Stored,
    Touched, Version,
};
use cloakroom::testing::{Call, FakeClock, Fault, FaultyStore};
use cloakroom::{Error, Session, StoredFactory, Timestamp};
use http::{Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

use crate::site::{Site, with_cookie};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn handle(session: Session) -> SessionHandle {
    session.handle().unwrap()
}

/// Does it, and once it is told to, never answers the next write: the connection fell silent.
#[derive(Clone)]
struct Silent(MemoryStore, Arc<AtomicBool>);

impl Silent {
    async fn answer<T>(&self, done: T) -> T {
        if self.1.swap(false, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        done
    }
}

impl Store for Silent {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.0.load(key).await
    }
    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let done = self.0.create(key, record).await;
        self.answer(done).await
    }
    async fn replace(&self, key: &StoreKey, version: Version, record: &Record) -> Result<Replaced> {
        let done = self.0.replace(key, version, record).await;
        self.answer(done).await
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

/// A login and its cookie are one thing, also where the store did the write and fell silent: "the record is looked at
/// once: whether it holds the new ticket decides".
#[tokio::test(start_paused = true)]
async fn s19_a_login_whose_answer_never_comes_leaves_one_good_ticket() {
    let silent = Arc::new(AtomicBool::new(false));
    let site = Site::new(StoredFactory::new("shop", Silent(MemoryStore::new(), silent.clone())));
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    silent.store(true, Ordering::SeqCst);
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let began = tokio::time::Instant::now();
    let visit = site.visit(&*cookie, login).await;
    assert!(began.elapsed() <= Duration::from_secs(4));
    let len = async |session: Session| session.len();
    let ticket = visit.cookie().unwrap_or(&cookie);
    let status = visit.response.status();
    assert_eq!(site.visit(ticket, len).await.result, 1, "answered {status}, nobody has the ticket");
}

/// A new session whose ticket nobody gets must not stay.
#[tokio::test(start_paused = true)]
async fn s74_a_new_session_whose_answer_never_comes_is_not_left_behind() {
    let silent = Arc::new(AtomicBool::new(true));
    let store = MemoryStore::new();
    let site = Site::new(StoredFactory::new("shop", Silent(store.clone(), silent)));
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let visit = site.visit(None, login).await;
    let has_cookie = visit.cookie().is_some();
    assert!(has_cookie || store.counts().records == 0, "answered {}", visit.response.status());
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
        let builder =
            StoredFactory::builder("shop", store.clone()).clock(clock.clone()).limits(limits);
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
    /// Fails one `replace` without effect, and has another request go first by then.
    #[derive(Clone)]
    struct Between(MemoryStore, Arc<AtomicBool>, FakeClock, Arc<Mutex<String>>);

    impl Store for Between {
        async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
            self.0.load(key).await
        }
        async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
            self.0.create(key, record).await
        }
        async fn replace(
            &self,
            key: &StoreKey,
            version: Version,
            record: &Record,
        ) -> Result<Replaced> {
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
            assert_eq!(
                layer.layer(add).oneshot(with_cookie(&*cookie)).await.unwrap().status(),
                200
            );
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
        StoredFactory::builder("shop", store).clock(clock).limits(limits).build().unwrap()
    }

    fn layer_of(store: impl Store, clock: FakeClock) -> cloakroom::SessionLayer {
        cloakroom::SessionLayer::new(factory_of(store, clock))
    }

    let clock = FakeClock::at(1_700_000_000.0);
    let store = MemoryStore::builder().clock(clock.clone()).build();
    let (armed, jar) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(String::new())));
    let site =
        Site::new(factory_of(Between(store, armed.clone(), clock.clone(), jar.clone()), clock));
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

/// A look of another request is no write: it does not make a change count twice.
#[tokio::test]
async fn s74_a_commit_whose_answer_was_lost_is_recognised_after_a_look() {
    let clock = FakeClock::at(1_700_000_000.0);
    let store = FaultyStore::new(MemoryStore::builder().clock(clock.clone()).build());
    let sessions =
        StoredFactory::builder("shop", store.clone()).clock(clock.clone()).build().unwrap();
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

/// An answer that was lost and found again is no outage: the look after it was answered.
#[tokio::test(start_paused = true)]
async fn s75_an_answer_that_was_lost_and_found_does_not_count_as_a_failure_of_the_store() {
    let silent = Arc::new(AtomicBool::new(false));
    let store = Silent(MemoryStore::new(), silent.clone());
    let site = Site::new(StoredFactory::builder("shop", store).fail_fast_after(2).build().unwrap());
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    let add = async |session: Session| session.modify("n", |n: &mut u32| *n += 1).unwrap();
    for _ in 0..3 {
        silent.store(true, Ordering::SeqCst);
        assert_eq!(site.visit(&*cookie, add).await.response.status(), 200);
    }
    let look = async |session: Session| session.get::<u32>("n").unwrap();
    assert_eq!(site.visit(&*cookie, look).await.result, Some(3), "each counts once");
}
