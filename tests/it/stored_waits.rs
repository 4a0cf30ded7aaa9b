//! Waiting: for one's turn, for a store, between attempts. Visitors never wait for each other, and no request longer
//! than its budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom::session::Limits;
use cloakroom::store::{
    Created, MemoryStore, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};
use cloakroom::{Session, StoredFactory, Timestamp};
use tokio::time::{Instant, sleep};

use crate::site::Site;

/// A store that takes its time, and whose sessions another process writes all the time.
#[derive(Clone)]
struct Slow {
    inner: MemoryStore,
    delay: Duration,
    /// How many replaces still find that somebody else was faster.
    rivals: Arc<AtomicU64>,
}

impl Store for Slow {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.inner.load(key).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        self.inner.create(key, record).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        sleep(self.delay).await;
        let has_rival = self.rivals.load(Ordering::SeqCst) > 0;
        if has_rival && let Some(now) = self.inner.load(key).await? {
            self.rivals.fetch_sub(1, Ordering::SeqCst);
            let _ = self.inner.replace(key, now.version, &now.record).await?;
        }
        self.inner.replace(key, expected, record).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        self.inner.touch(key, seen, expires_at).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        self.inner.remove(key).await
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        self.inner.await_replication(key).await
    }
}

fn slow(delay: Duration, rivals: u64) -> (Site, StoredFactory<Slow>) {
    let rivals = Arc::new(AtomicU64::new(rivals));
    let sessions = StoredFactory::new("shop", Slow { inner: MemoryStore::new(), delay, rivals });
    (Site::new(sessions.clone()), sessions)
}

async fn begin(site: &Site) -> String {
    let visit = site.visit(None, async |session| session.insert("n", 0)).await;
    visit.cookie().unwrap().to_owned()
}

async fn add(session: Session) {
    session.modify("n", |n: &mut u32| *n += 1).unwrap();
}

#[tokio::test(start_paused = true)]
async fn s70_a_visitor_who_races_nobody_waits_for_nobody() {
    let (site, _) = slow(Duration::from_millis(100), 0);
    let contended = begin(&site).await;
    let mut others = Vec::new();
    for _ in 0..300 {
        others.push(begin(&site).await);
    }
    let writers = async {
        let writers = (0..4).map(|_| site.visit(&*contended, add)).collect::<Vec<_>>();
        for visit in futures(writers).await {
            assert_eq!(visit.response.status(), 200);
        }
    };
    let strangers = async {
        sleep(Duration::from_millis(150)).await; // the writers wait for each other by now
        let begun = Instant::now();
        let visits = others.iter().map(|cookie| site.visit(&**cookie, add)).collect::<Vec<_>>();
        futures(visits).await;
        begun.elapsed().as_millis()
    };
    let ((), waited) = tokio::join!(writers, strangers);
    assert!(waited <= 101, "one call, not somebody else's: {waited} ms");
}

/// All of these at once.
async fn futures<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let each = pending.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none());
        for (future, done) in each {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        let is_done = done.iter().all(Option::is_some);
        if is_done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn s75_with_a_store_that_hangs_nobody_waits_longer_than_the_budget() {
    let (site, sessions) = slow(Duration::ZERO, 0);
    let cookie = begin(&site).await;
    let hanging = Slow { delay: Duration::from_secs(3600), ..sessions.store().clone() };
    let site = Site::new(StoredFactory::new("shop", hanging));
    let begun = Instant::now();
    let visits = (0..12).map(|_| site.visit(&*cookie, add)).collect::<Vec<_>>();
    for visit in futures(visits).await {
        assert_eq!(visit.response.status(), 503);
    }
    assert!(begun.elapsed().as_secs() <= 3, "waiting for one's turn included");
}

#[tokio::test(start_paused = true)]
async fn s62_against_other_processes_a_write_is_tried_until_its_time_is_over() {
    let (site, _) = slow(Duration::ZERO, 60);
    let cookie = begin(&site).await;
    let begun = Instant::now();
    assert_eq!(site.visit(&*cookie, add).await.response.status(), 200);
    assert!(begun.elapsed() > Duration::from_millis(100), "others get a chance in between");

    let (site, _) = slow(Duration::ZERO, u64::MAX);
    let cookie = begin(&site).await;
    let begun = Instant::now();
    let visit = site.visit(&*cookie, add).await;
    assert_eq!((visit.response.status().as_u16(), begun.elapsed().as_secs()), (503, 3));
}

/// Its browser may have another session's cookie by then.
#[tokio::test(start_paused = true)]
async fn s64_a_renewal_that_outlasts_its_session_sends_no_cookie_that_removes() {
    const START: Timestamp = Timestamp::from_secs(1_700_000_000);
    let begun = Instant::now();
    let clock = move || START.saturating_add(begun.elapsed());
    let limits = Limits { idle: None, absolute: Some(Duration::from_secs(2)), persistent: true };
    // It has not noticed yet that the session is over.
    let inner = MemoryStore::builder().clock(|| START).build();
    let store = Slow { inner, delay: Duration::from_millis(2_100), rivals: Arc::default() };
    let site = Site::new(
        StoredFactory::builder("shop", store).clock(clock).limits(limits).build().unwrap(),
    );
    let cookie = begin(&site).await;
    let visit = site.visit(&*cookie, async |session: Session| session.renew().unwrap()).await;
    assert_eq!(visit.response.status(), 200);
    assert!(visit.set_cookies().is_empty(), "{:?}", visit.set_cookies());
}
