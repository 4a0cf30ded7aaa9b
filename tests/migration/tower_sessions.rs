//! From tower-sessions.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use tower_sessions_core::SessionStore;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error, Result};
use tower_sessions_memory_store::MemoryStore;

use super::Site;

#[allow(dead_code)] // its `main`
#[path = "../../examples/from_tower_sessions.rs"]
mod example;

/// The name of the new cookie, over plain http.
const NEW: &str = "session";

async fn signed_in() -> (MemoryStore, String) {
    let store = MemoryStore::default();
    let mut record = Record {
        id: Id::default(),
        data: [("user".to_owned(), "ada".into())].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::DAY,
    };
    store.create(&mut record).await.unwrap();
    (store, format!("id={}", record.id))
}

#[tokio::test]
async fn a_visitor_stays_signed_in_and_the_old_cookie_opens_nothing_after() {
    let (store, old) = signed_in().await;
    let site = Site::new(example::sessions(store).unwrap());
    let none = site.visit("/none", &old).await;
    assert!(none.cookies.is_empty(), "nobody asked: {:?}", none.cookies);
    let first = site.visit("/look", &old).await;
    assert_eq!((first.status.as_u16(), &*first.body), (200, "ada"));
    assert!(first.forgets("id"), "{:?}", first.cookies);
    let new = first.cookie(NEW).unwrap();
    let again = site.visit("/look", new).await;
    assert_eq!((&*again.body, again.cookies.len()), ("ada", 0));
    assert_eq!(site.visit("/look", &old).await.body, "", "a copy of the old cookie");
}

#[tokio::test]
async fn s64_a_logout_as_the_first_request_ends_the_former_session() {
    let (store, old) = signed_in().await;
    let site = Site::new(example::sessions(store).unwrap());
    let out = site.visit("/logout", &old).await;
    assert!(out.forgets("id") && out.cookie(NEW).is_none(), "{:?}", out.cookies);
    assert_eq!(site.visit("/look", &old).await.body, "");
}

#[tokio::test]
async fn a_cookie_that_names_nothing_is_nobody() {
    let (store, _) = signed_in().await;
    let site = Site::new(example::sessions(store).unwrap());
    for cookie in ["id=", "id=AAAAAAAAAAAAAAAAAAAAAA", "id=%00", "id=a; id=b"] {
        let visit = site.visit("/look", cookie).await;
        assert_eq!((visit.status.as_u16(), &*visit.body), (200, ""), "{cookie}");
        assert!(visit.cookies.is_empty(), "{cookie}: {:?}", visit.cookies);
    }
}

/// Answers no question.
#[derive(Debug)]
struct Gone;

#[async_trait]
impl SessionStore for Gone {
    async fn save(&self, _: &Record) -> Result<()> {
        Err(Error::Backend("gone".into()))
    }

    async fn load(&self, _: &Id) -> Result<Option<Record>> {
        Err(Error::Backend("gone".into()))
    }

    async fn delete(&self, _: &Id) -> Result<()> {
        Err(Error::Backend("gone".into()))
    }
}

#[tokio::test]
async fn s73_an_old_store_that_does_not_answer_is_an_error_and_no_empty_session() {
    let site = Site::new(example::sessions(Gone).unwrap());
    let visit = site.visit("/look", "id=AAAAAAAAAAAAAAAAAAAAAA").await;
    assert_eq!(visit.status.as_u16(), 503);
    assert_eq!(site.visit("/look", "").await.status.as_u16(), 200);
}
