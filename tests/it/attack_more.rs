//! More attacks: time, settings, endings that leave something behind, and what a user would write first.

use std::borrow::Cow;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, SystemTime};

use cloakroom::session::{Bounds, Limits};
use cloakroom::store::MemoryStore;
use cloakroom::time::Clock;
use cloakroom::{Entries, Key, Queue, Session, SignedCookieFactory, StoredFactory, Timestamp};
use http::{Response, StatusCode};
use tower::{Layer, Service, service_fn};

use crate::site::{Site, Stored, builder, with_cookie};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// A clock that can be set.
#[derive(Clone)]
struct Settable(Arc<Mutex<i64>>);

impl Settable {
    fn set(&self, seconds: i64) {
        *self.0.lock().unwrap() = seconds;
    }
}

impl Clock for Settable {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(*self.0.lock().unwrap())
    }
}

const T: i64 = 1_700_000_000;

fn settable() -> (Settable, Site) {
    let clock = Settable(Arc::new(Mutex::new(T)));
    let still = Settable(Arc::new(Mutex::new(T)));
    let store = MemoryStore::builder().clock(still).build();
    let factory = StoredFactory::builder(store).clock(clock.clone()).build().unwrap();
    (clock, Site::new(factory))
}

/// A session that a long request looked at until its end was used until then.
#[tokio::test]
async fn s22_a_long_request_s_last_look_is_a_use() {
    for second_look in [false, true] {
        let stored = Stored::new();
        let cookie = stored.begin().await;
        let visit = stored.site.visit(&*cookie, async |session| {
            assert_eq!(session.len(), 1);
            stored.clock.advance(seconds(15 * 60));
            if second_look {
                assert_eq!(session.len(), 1);
            }
        });
        visit.await;
        stored.clock.advance(seconds(10 * 60));
        let look = stored.look(&cookie).await;
        if second_look {
            assert_eq!(look, "n=0", "used 10 minutes ago, of 20");
        }
    }
}

/// A node whose clock is behind shortens nobody's session by a look.
#[tokio::test]
async fn s24_a_look_on_a_node_whose_clock_is_behind_ends_no_session_early() {
    let (clock, site) = settable();
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    clock.set(T - 140);
    let look = async |session: Session| session.len();
    assert_eq!(site.visit(&*cookie, look).await.result, 1);
    clock.set(T + 19 * 60);
    assert_eq!(site.visit(&*cookie, look).await.result, 1, "used 19 minutes ago, of 20");
}

/// A ticket renewed on a node whose clock is behind: a request from just before is still late.
#[tokio::test]
async fn s64_a_request_from_just_before_a_login_on_a_node_that_is_behind_keeps_nothing() {
    let (clock, site) = settable();
    let begin = async |session: Session| session.insert("n", 0);
    let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    clock.set(T - 60);
    let login = async |session: Session| session.set_owner("ada").unwrap();
    assert!(site.visit(&*cookie, login).await.cookie().is_some());
    clock.set(T + 1);
    let late = async |session: Session| session.insert("n", 5).unwrap();
    let late = site.visit(&*cookie, late).await;
    assert!(late.set_cookies().is_empty());
}

/// What a request took, and did not show because it never answered, waits at once: also where it was to change owners.
#[tokio::test]
async fn s67_messages_come_back_at_once_whatever_else_the_request_wished() {
    let acts: [(&str, fn(&Session)); 6] = [
        ("nothing", |_| ()),
        ("renew", |s| s.renew().unwrap()),
        ("same owner", |s| s.set_owner("ada").unwrap()),
        ("another owner", |s| s.set_owner("bob").unwrap()),
        ("forget", |s| s.forget_owner().unwrap()),
        ("limits", |s| s.set_limits(Limits::DEFAULT).unwrap()),
    ];
    let mut faults = Vec::new();
    for (what, act) in acts {
        for panics in [false, true] {
            let stored = Stored::new();
            let login = async |session: Session| {
                session.set_owner("ada").unwrap();
                session.flash("saved").unwrap();
            };
            let cookie = stored.site.visit(None, login).await.cookie().unwrap().to_owned();
            let service = service_fn(|request| async move {
                let session = Session::of(&request).await.unwrap();
                assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["saved"]);
                act(&session);
                assert!(!panics, "on purpose");
                pending::<Result<Response<String>, &str>>().await
            });
            let mut service = stored.site.layer().layer(service);
            let mut response = Box::pin(service.call(with_cookie(&*cookie)));
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _ = response.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }));
            drop(response);
            settle().await;
            let look = stored.look(&cookie).await;
            if look != "_f_=[\"saved\"]" {
                faults.push(format!("{what}, panics {panics}: {look:?}"));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Settings that cannot be served.
#[test]
fn r54_what_cannot_be_served_is_refused() {
    let stored = || StoredFactory::builder(MemoryStore::new());
    let mut accepted = Vec::new();
    let mut check = |what: &str, refused: bool| {
        if !refused {
            accepted.push(what.to_owned());
        }
    };
    check("no keys", stored().bounds(Bounds { keys: 0, ..Bounds::DEFAULT }).build().is_err());
    check("no bytes", stored().bounds(Bounds { bytes: 0, ..Bounds::DEFAULT }).build().is_err());
    check(
        "no messages",
        stored().bounds(Bounds { messages: 0, ..Bounds::DEFAULT }).build().is_err(),
    );
    check(
        "no key bytes",
        stored().bounds(Bounds { key_bytes: 0, ..Bounds::DEFAULT }).build().is_err(),
    );
    check("touch after idle", stored().touch_after(seconds(1200)).build().is_err());
    check(
        "signed reissue after timeout",
        builder().timeout(seconds(60)).reissue_time(seconds(120)).build().is_err(),
    );
    check("signed half a second", builder().timeout(Duration::from_millis(500)).build().is_err());
    check("signed nothing", builder().timeout(Duration::ZERO).build().is_err());
    assert!(accepted.is_empty(), "{accepted:?}");
}

/// What a user would write first.
#[tokio::test]
async fn r26_what_a_user_would_write_first() {
    const CART: Key<Vec<u32>> = Key::new("cart");
    const NAME: Key<String> = Key::new("name");
    const NOTICES: Queue<String> = Queue::new("notices");
    let session = Session::detached();
    let cow: Cow<'_, str> = Cow::Borrowed("cow");
    session.insert(&cow, 1).unwrap();
    session.insert(cow.clone(), 1).unwrap();
    session.insert(&&"twice", 1).unwrap();
    session.insert(String::from("own"), 1).unwrap();
    assert!(session.contains_key(&&"twice") && session.contains_key(&cow));
    assert_eq!(session.get::<u32>(&&"twice").unwrap(), Some(1));
    assert_eq!(session.take::<u32>(&cow).unwrap(), Some(1));
    session.modify(&&"twice", |n: &mut u32| *n += 1).unwrap();
    session.get_or_insert_with(&String::from("x"), || 5).unwrap();
    session.insert(CART, vec![1]).unwrap();
    session.insert(CART, &vec![1]).unwrap();
    session.insert(NAME, "ada").unwrap();
    session.insert(NAME, String::from("ada")).unwrap();
    session.insert(NAME, &String::from("ada")).unwrap();
    session.extend([(CART, vec![1, 2])]).unwrap();
    session.extend([("a", 1), ("b", 2)]).unwrap();
    session.extend(vec![(String::from("c"), "x")]).unwrap();
    session.flash("x").unwrap();
    session.flash(&String::from("x")).unwrap();
    session.flash_to(NOTICES, "x").unwrap();
    session.flash_to(NOTICES, String::from("x")).unwrap();
    session.flash_to(&NOTICES, &String::from("x")).unwrap();
    session.flash_to(String::from("q"), 1).unwrap();
    assert_eq!(session.peek_flash(NOTICES).unwrap().len(), 3);
    let entries: Entries = session.entries();
    assert_eq!(entries.get(CART).unwrap().get::<Vec<u32>>().unwrap(), [1, 2]);
    let cart = session.remove(CART).unwrap().unwrap();
    session.insert("cart", &cart).unwrap();
    session.insert(CART.name(), cart).unwrap();
    session.retain(&["cart", "name"]).unwrap();
    session.retain(&[CART]).unwrap();
    assert_eq!(session.keys(), ["cart"]);
    let created = session.created();
    let _: SystemTime = created.into();
    let _ = created.to_string();
    fn clones<T: Clone>() {}
    clones::<SignedCookieFactory>();
    session.set_owner("ada").unwrap();
    assert_eq!(session.owner().as_deref(), Some("ada"));
    session.renew().unwrap();
    session.set_limits(None).unwrap();
    session.invalidate().unwrap();
    assert_eq!(session.owner(), None);
}

