//! Requests of one session in every order that a scheduler can think of: commit, renewal, logout, flash.
//!
//! 10,000 schedules in all, half of them random and half by probabilistic concurrency testing. For a million:
//! `SCHEDULES=1000000 cargo test --release --test schedules`. A failure prints the schedule, which
//! `shuttle::replay` runs again.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use cloakroom::store::{
    Created, MemoryStore, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};
use cloakroom::{Session, SessionLayer, StoredFactory, Timestamp};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};
use tower::{Layer, ServiceExt, service_fn};

/// A store whose every call is a point at which the scheduler may go elsewhere, before it and after it.
#[derive(Clone)]
struct Scheduled(MemoryStore);

async fn scheduled<T>(call: impl Future<Output = T>) -> T {
    yield_now().await;
    let answer = call.await;
    yield_now().await;
    answer
}

impl Store for Scheduled {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        scheduled(self.0.load(key)).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        scheduled(self.0.create(key, record)).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        scheduled(self.0.replace(key, expected, record)).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        scheduled(self.0.touch(key, seen, expires_at)).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        scheduled(self.0.remove(key)).await
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        scheduled(self.0.await_replication(key)).await
    }
}

type Sessions = StoredFactory<Scheduled>;

/// What a request did, and the cookie that came back.
struct Visit<R> {
    result: R,
    cookie: Option<String>,
    is_gone: bool,
}

async fn visit<R>(
    sessions: Sessions,
    cookie: Option<String>,
    handler: impl AsyncFnOnce(&Session) -> R,
) -> Visit<R> {
    let (seen, handler) = (Mutex::new(None), Mutex::new(Some(handler)));
    let service = service_fn(async |request: Request<()>| {
        let session = Session::of(&request).await.unwrap();
        let handler = handler.lock().unwrap().take().unwrap();
        yield_now().await;
        let result = handler(&session).await;
        yield_now().await;
        *seen.lock().unwrap() = Some((result, session));
        Ok::<_, Infallible>(Response::<String>::default())
    });
    let mut request = Request::new(());
    if let Some(cookie) = cookie {
        request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
    }
    let layer = SessionLayer::new(sessions);
    let response = layer.layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let cookie = response.headers().get(SET_COOKIE).map(|line| line.to_str().unwrap());
    let cookie = cookie.and_then(|line| line.split(';').next()).map(str::to_owned);
    let (result, session) = seen.into_inner().unwrap().unwrap();
    Visit { result, cookie, is_gone: session.is_gone() }
}

/// A visitor with a session, and what is needed to send more of his requests.
#[derive(Clone)]
struct Site {
    sessions: Sessions,
    store: MemoryStore,
    cookie: Option<String>,
}

impl Site {
    async fn new(begin: impl AsyncFnOnce(&Session)) -> Self {
        let store = MemoryStore::builder().capacity(100).build();
        // The library's timer needs a runtime of its own.
        let sessions = StoredFactory::builder("shop", Scheduled(store.clone())).io_timeout(None);
        let sessions = sessions.build().unwrap();
        let cookie = visit(sessions.clone(), None, begin).await.cookie;
        Self { sessions, store, cookie }
    }

    async fn visit<R>(&self, handler: impl AsyncFnOnce(&Session) -> R) -> Visit<R> {
        visit(self.sessions.clone(), self.cookie.clone(), handler).await
    }
}

/// How many tests share the schedules.
const TESTS: usize = 4;

fn explore(test: fn()) {
    let schedules = std::env::var("SCHEDULES").map_or(10_000, |number| number.parse().unwrap());
    let schedules: usize = schedules / TESTS;
    let mut config = Config::new();
    config.stack_size = 512 << 10; // futures of debug builds are large
    Runner::new(RandomScheduler::new(schedules / 2), config.clone()).run(test);
    Runner::new(PctScheduler::new(3, schedules / 2), config).run(test);
}

#[test]
fn s62_no_schedule_loses_an_update() {
    explore(|| {
        block_on(async {
            let site = Site::new(async |session| session.insert("n", 0).map(drop).unwrap()).await;
            let writers: Vec<_> = (0..3_u32)
                .map(|number| {
                    let site = site.clone();
                    spawn(async move {
                        let change = async |session: &Session| {
                            session.modify("n", |n: &mut u32| *n += 1).unwrap();
                            session.insert(format!("own {number}"), number).unwrap();
                            session.flash(number).unwrap();
                        };
                        assert!(!site.visit(change).await.is_gone);
                    })
                })
                .collect();
            for writer in writers {
                writer.await.unwrap();
            }
            let look = async |session: &Session| {
                let own = (0..3).filter(|n| session.contains_key(format!("own {n}"))).count();
                let messages = session.peek_flash::<u32>("").unwrap();
                (session.get::<u32>("n").unwrap(), own, messages.len())
            };
            assert_eq!(site.visit(look).await.result, (Some(3), 3, 3));
        });
    });
}

#[test]
fn s64_no_schedule_revives_a_session_that_was_ended() {
    explore(|| {
        block_on(async {
            let site = Site::new(async |session| session.insert("n", 0).map(drop).unwrap()).await;
            let (writer, ender) = (site.clone(), site.clone());
            let write = spawn(async move {
                writer.visit(async |session| session.insert("late", 1).map(drop).unwrap()).await
            });
            let end = spawn(async move {
                ender.visit(async |session| session.invalidate().unwrap()).await;
            });
            let written = write.await.unwrap();
            end.await.unwrap();
            // A writer that came too late is anonymous, and begins a session that knows nothing of the old one.
            if let Some(cookie) = written.cookie {
                let look = async |session: &Session| session.keys();
                let keys = visit(site.sessions.clone(), Some(cookie), look).await.result;
                assert_eq!(keys, ["late"]);
            } else {
                assert_eq!(site.store.counts().records, 0);
            }
            let left = site.visit(async |session| session.len()).await.result;
            assert_eq!(left, 0, "the old ticket opens something");
        });
    });
}

#[test]
fn s19_s66_no_schedule_lets_an_old_ticket_write_behind_a_renewed_one() {
    explore(|| {
        block_on(async {
            let site = Site::new(async |session| session.insert("n", 0).map(drop).unwrap()).await;
            let (writer, renewer) = (site.clone(), site.clone());
            let write = spawn(async move {
                writer.visit(async |session| session.insert("late", 1).map(drop).unwrap()).await
            });
            let renew = spawn(async move {
                renewer.visit(async |session| session.set_owner("ada").unwrap()).await
            });
            let (written, renewed) = (write.await.unwrap(), renew.await.unwrap());
            let look = async |session: &Session| session.contains_key("late");
            let new = visit(site.sessions.clone(), renewed.cookie, look).await.result;
            // It was kept before the renewal, or not at all.
            let was_kept = !written.is_gone && written.cookie.is_none();
            assert_eq!(new, was_kept);
            assert_eq!(site.visit(async |session| session.len()).await.result, 0);
        });
    });
}

#[test]
fn s67_no_schedule_shows_a_message_twice_or_loses_one() {
    explore(|| {
        block_on(async {
            let site = Site::new(async |session| session.flash(1).unwrap()).await;
            let shown = Arc::new(Mutex::new(Vec::new()));
            let mut tasks: Vec<_> = (0..2)
                .map(|_| {
                    let (site, shown) = (site.clone(), shown.clone());
                    spawn(async move {
                        let pop = async |session: &Session| session.pop_flash::<u32>("").await;
                        let popped = site.visit(pop).await.result.unwrap();
                        shown.lock().unwrap().extend(popped);
                    })
                })
                .collect();
            let pusher = site.clone();
            tasks.push(spawn(async move {
                pusher.visit(async |session| session.flash(2).unwrap()).await;
            }));
            for task in tasks {
                task.await.unwrap();
            }
            let left = site.visit(async |session| session.peek_flash::<u32>("").unwrap()).await;
            let mut all = shown.lock().unwrap().clone();
            all.extend(left.result);
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        });
    });
}
