//! A logout and a renewal ask the store whether they hold; nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::store::{
    Created, MemoryStore, Record, Replaced, Result, Store, StoreErrorKind, StoreKey, Stored,
    Touched, Version,
};
use cloakroom::testing::FaultyStore;
use cloakroom::{Session, StoredFactory, Timestamp};

use crate::site::Site;
use crate::yielding::Yielding;

/// Counts how often it is asked; says no if it was told to.
#[derive(Clone)]
struct Replicated {
    inner: MemoryStore,
    asked: Arc<AtomicUsize>,
    fails: bool,
}

impl Store for Replicated {
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
        self.inner.replace(key, expected, record).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        self.inner.touch(key, seen, expires_at).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        self.inner.remove(key).await
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        self.inner.await_replication(key).await?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Who waits lets others go on meanwhile.
        tokio::task::yield_now().await;
        if self.fails { Err(StoreErrorKind::Unavailable.into()) } else { Ok(()) }
    }
}

fn site(inner: &MemoryStore, fails: bool) -> (Site, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let store = Replicated { inner: inner.clone(), asked: asked.clone(), fails };
    (Site::new(StoredFactory::new("shop", store)), asked)
}

#[tokio::test]
async fn s77_what_must_not_be_undone_is_confirmed_and_nothing_else() {
    let (site, asked) = site(&MemoryStore::new(), false);
    let begun = site.visit(None, async |session| session.insert("n", 0)).await;
    let mut cookie = begun.cookie().unwrap().to_owned();
    site.visit(&*cookie, async |session| session.insert("n", 1)).await.result.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0, "a plain write waits for nobody");
    let renewals: [fn(&Session); 2] =
        [|session| session.renew().unwrap(), |session| session.set_owner("ada").unwrap()];
    for (times, renew) in (1..).zip(renewals) {
        let visit = site.visit(&*cookie, async |session| renew(&session)).await;
        visit.cookie().unwrap().clone_into(&mut cookie);
        assert_eq!(asked.load(Ordering::Relaxed), times);
    }
    site.visit(&*cookie, async |session| session.invalidate().unwrap()).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn s77_a_store_around_another_asks_that_one() {
    let (inner, asked) = (MemoryStore::new(), Arc::<AtomicUsize>::default());
    let replicated = Replicated { inner, asked: asked.clone(), fails: true };
    let (faulty, yielding) = (FaultyStore::new(replicated.clone()), Yielding(replicated));
    let key = StoreKey::from_bytes([1; 16]);
    assert!(faulty.await_replication(&key).await.is_err());
    assert!(yielding.await_replication(&key).await.is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn s77_a_logout_that_may_not_hold_is_not_acknowledged() {
    let store = MemoryStore::new();
    let begun = site(&store, false).0.visit(None, async |session| session.insert("n", 0)).await;
    let (site, _) = site(&store, true);
    let ended = site.visit(begun.cookie(), async |session| session.invalidate().unwrap()).await;
    assert_eq!(ended.response.status(), 503);
    assert!(ended.set_cookies().is_empty(), "the visitor can try again");
    let again = site.visit(begun.cookie(), async |session| session.invalidate().unwrap()).await;
    assert_eq!(again.response.status(), 503, "what is gone may come back still");
    let moved_on = async |session: Session| {
        session.invalidate().unwrap();
        session.insert("n", 1).unwrap();
    };
    let again = site.visit(begun.cookie(), moved_on).await;
    assert_eq!((again.response.status().as_u16(), again.set_cookies().len()), (503, 0));
}

#[tokio::test]
async fn s77_a_logout_that_is_tried_again_holds_once_it_is_acknowledged() {
    let store = MemoryStore::new();
    let begun = site(&store, false).0.visit(None, async |session| session.insert("n", 0)).await;
    let (failing, _) = site(&store, true);
    failing.visit(begun.cookie(), async |session| session.invalidate().unwrap()).await;
    let (site, asked) = site(&store, false);
    site.visit(begun.cookie(), async |session| session.get::<u32>("n").unwrap()).await;
    assert_eq!(asked.load(Ordering::Relaxed), 0, "a look asks nobody");
    let again = site.visit(begun.cookie(), async |session| session.invalidate().unwrap()).await;
    assert_eq!((again.response.status().as_u16(), asked.load(Ordering::Relaxed)), (200, 1));
}

#[tokio::test]
async fn s75_confirmations_that_fail_are_nobody_else_s_outage() {
    let store = MemoryStore::new();
    let (begins, _) = site(&store, false);
    let mut cookies = Vec::new();
    for _ in 0..20 {
        let begun = begins.visit(None, async |session| session.insert("n", 0)).await;
        cookies.push(begun.cookie().unwrap().to_owned());
    }
    let (site, _) = site(&store, true);
    let leaving = cookies.split_off(1).into_iter().map(|cookie| {
        let site = &site;
        async move {
            let end = async |session: Session| session.invalidate().unwrap();
            assert_eq!(site.visit(&*cookie, end).await.response.status(), 503);
        }
    });
    futures_util::future::join_all(leaving).await;
    let stays = site.visit(&*cookies[0], async |session| session.get::<u32>("n").unwrap()).await;
    assert_eq!((stays.response.status().as_u16(), stays.result), (200, Some(0)));
}
