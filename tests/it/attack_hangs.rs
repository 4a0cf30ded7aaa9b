//! Attacks with a store that does what it is asked and never answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloakroom::store::{
    Created, MemoryStore, Record, Replaced, Result, Store, StoreKey, Stored, Touched, Version,
};
use cloakroom::{Session, StoredFactory, Timestamp};

use crate::site::Site;

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
    let site = Site::new(StoredFactory::new(Silent(MemoryStore::new(), silent.clone())));
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
    let site = Site::new(StoredFactory::new(Silent(store.clone(), silent)));
    let login = async |session: Session| session.set_owner("ada").unwrap();
    let visit = site.visit(None, login).await;
    let has_cookie = visit.cookie().is_some();
    assert!(has_cookie || store.counts().records == 0, "answered {}", visit.response.status());
}
