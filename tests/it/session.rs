//! The dictionary, operation by operation, and what each means for the cookie.

use cloakroom::session::Limits;
use cloakroom::{Entries, Error, Key, Session, Value};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::site::Site;

const COUNT: Key<u32> = Key::new("count");
const NAME: Key<String> = Key::new("name");

fn session(pairs: serde_json::Value) -> Session {
    let session = Session::detached();
    session.extend(pairs.as_object().unwrap().iter()).unwrap();
    session
}

#[test]
fn r13a_reading() {
    let session = session(json!({"a": 1, "b": [true, null], "c": "text"}));
    assert_eq!(session.get::<u32>("a").unwrap(), Some(1));
    assert_eq!(session.get::<u32>("zz").unwrap(), None);
    assert!(session.contains_key("b") && !session.contains_key("zz"));
    assert_eq!((session.len(), session.is_empty()), (3, false));
    assert_eq!(session.keys(), ["a", "b", "c"]);
    let pairs =
        session.entries().into_iter().map(|(key, value)| format!("{key}={}", value.as_json()));
    assert_eq!(pairs.collect::<Vec<_>>(), ["a=1", "b=[true,null]", "c=\"text\""]);
}

#[test]
fn r13a_a_copy_is_detached() {
    let session = session(json!({"a": 1}));
    let copy = session.entries();
    session.insert("a", 2).unwrap();
    session.insert("b", 3).unwrap();
    assert_eq!(copy.get("a").unwrap().get::<u32>().unwrap(), 1);
    assert_eq!(copy.len(), 1);
}

#[test]
fn r13b_insert_and_remove_return_what_was_there() {
    let session = Session::detached();
    assert_eq!(session.insert("a", 1).unwrap(), None);
    assert_eq!(session.insert("a", "x").unwrap().unwrap().as_json(), "1");
    assert_eq!(session.remove("a").unwrap().unwrap().get::<String>().unwrap(), "x");
    assert_eq!(session.remove("a").unwrap(), None);
}

#[test]
fn r13b_take_pop_item_clear_extend_and_default() {
    let session = session(json!({"a": 1, "b": 2, "c": 3}));
    assert_eq!(session.take::<u32>("b").unwrap(), Some(2));
    assert_eq!(session.take::<u32>("b").unwrap(), None);
    let (key, value) = session.pop_item().unwrap().unwrap();
    assert_eq!((&*key, value.as_json()), ("c", "3"));
    assert_eq!(session.get_or_insert_with("d", || 4).unwrap(), 4);
    assert_eq!(session.get_or_insert_with("d", || 5).unwrap(), 4);
    session.extend([("e", 6), ("a", 7)]).unwrap();
    assert_eq!(session.keys(), ["a", "d", "e"]);
    session.clear().unwrap();
    assert!(session.is_empty());
    assert_eq!(session.pop_item().unwrap(), None);
}

#[test]
fn r13b_extend_sets_all_or_nothing() {
    struct Odd(bool);
    impl Serialize for Odd {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 { serializer.serialize_u8(1) } else { Err(serde::ser::Error::custom("odd")) }
        }
    }
    let session = Session::detached();
    assert!(session.extend([("a", Odd(true)), ("b", Odd(false))]).is_err());
    assert!(session.is_empty());
}

#[test]
fn r13c_equality_is_by_content_not_by_order() {
    let one = session(json!({"a": 1, "b": {"x": 1, "y": 2}}));
    let two = Session::detached();
    two.insert("b", json!({"y": 2, "x": 1})).unwrap();
    assert_ne!(one, two);
    two.insert("a", 1).unwrap();
    assert_eq!(one, two);
}

#[test]
fn typed_keys_need_no_annotation() {
    let session = Session::detached();
    session.insert(COUNT, 3).unwrap();
    let four = &4; // borrowed on purpose, here and below
    session.insert(COUNT, four).unwrap();
    session.insert(NAME, "Ada").unwrap();
    let grace = String::from("Grace");
    session.insert(NAME, &grace).unwrap();
    assert_eq!(grace, "Grace");
    assert_eq!(session.get(COUNT).unwrap(), Some(4));
    assert_eq!(session.take(NAME).unwrap().as_deref(), Some("Grace"));
    assert!(session.contains_key(COUNT) && session.remove(COUNT).unwrap().is_some());
    assert_eq!(session.modify(COUNT, |count| *count += 2).unwrap(), ());
    assert_eq!(session.get_or_insert_with(COUNT, || 9).unwrap(), 2);
}

#[test]
fn r19_what_cannot_be_serialised_fails_at_the_line_that_sets_it() {
    let session = session(json!({"k": "old"}));
    let by_pair = std::collections::HashMap::from([((1, 2), 3)]);
    let error = session.insert("k", &by_pair).unwrap_err();
    assert!(matches!(&error, Error::Serialize { key, .. } if key == "k"), "{error:?}");
    assert!(error.to_string().contains("key must be a string"), "{error}");
    assert_eq!(session.get::<String>("k").unwrap().as_deref(), Some("old"));
}

#[test]
fn asking_for_the_wrong_type_names_key_and_type_and_takes_nothing() {
    #[derive(Debug, Deserialize)]
    struct Cart {
        _items: Vec<u32>,
    }
    let session = session(json!({"cart": "hunter2"}));
    let error = session.take::<Cart>("cart").unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("session value \"cart\" is a JSON string, which cannot be read as "),
        "{text}"
    );
    assert!(text.ends_with("::Cart"), "{text}");
    assert!(!text.contains("hunter2"), "S87: {text}");
    assert!(session.contains_key("cart"));
    let error = session.modify("cart", |n: &mut u32| *n += 1).unwrap_err();
    assert_eq!(error.kind(), "wrong_type");
}

#[test]
fn modify_may_look_at_the_session_and_returns_what_the_closure_does() {
    let session = session(json!({"step": 5}));
    let handle = session.clone();
    let doubled = session
        .modify("n", move |n: &mut u32| {
            *n += handle.get::<u32>("step").unwrap().unwrap();
            *n * 2
        })
        .unwrap();
    assert_eq!((doubled, session.get::<u32>("n").unwrap()), (10, Some(5)));
}

#[test]
fn handles_in_several_threads_lose_no_modification() {
    let session = Session::detached();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    session.modify("n", |n: &mut u32| *n += 1).unwrap();
                }
            });
        }
    });
    assert_eq!(session.get::<u32>("n").unwrap(), Some(2000));
}

/// What a single call on a live, fresh session sends: a cookie, or nothing.
async fn sends<T>(call: impl AsyncFnOnce(&Session) -> Result<T, Error>) -> bool {
    let (site, _) = Site::signed_at(1_700_000_000.0);
    let first = site
        .visit(None, async |session: Session| session.extend([("a", 1), ("b", 2)]).unwrap())
        .await;
    let visit = site
        .visit(first.cookie(), async |session: Session| call(&session).await.map(drop).unwrap())
        .await;
    visit.cookie().is_some()
}

#[tokio::test]
async fn r13_every_writing_method_writes_and_no_other_does() {
    assert!(sends(async |s| s.insert("a", 1)).await, "R13d: setting an equal value writes");
    assert!(sends(async |s| s.remove("zz")).await, "removing what is not there writes");
    assert!(sends(async |s| s.take::<u32>("zz").map(drop)).await);
    assert!(sends(async |s| s.get_or_insert_with("a", || 9)).await);
    assert!(sends(async |s| s.pop_item()).await);
    assert!(sends(async |s| s.clear()).await);
    assert!(sends(async |s| s.extend([("x", 1)])).await);
    assert!(sends(async |s| s.modify("a", |n: &mut u32| *n += 1)).await);
    assert!(sends(async |s| s.changed()).await);
    assert!(sends(async |s| s.invalidate()).await);
    assert!(sends(async |s| s.flash("x")).await);
    assert!(sends(async |s| s.csrf_token()).await);
    assert!(!sends(async |s| s.get::<u32>("a").map(drop)).await);
    assert!(
        !sends(async |s| Ok((s.len(), s.is_empty(), s.keys(), s.entries(), s.contains_key("a"))))
            .await
    );
    assert!(!sends(async |s| s.pop_flash::<String>("").await.map(drop)).await, "R32, but safer");
    assert!(!sends(async |s| s.peek_flash::<String>("").map(drop)).await);
    assert!(!sends(async |s| Ok((s.created(), s.is_new(), s.was_expired(), s == s))).await);
}

#[test]
fn s87_nothing_that_prints_shows_a_value() {
    let session = session(json!({"k": "hunter2"}));
    let value: Option<Value> = session.entries().get("k");
    let printed = format!("{session:?} {:?} {value:?}", session.entries());
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("\"k\""), "keys may be shown: {printed}");
}

#[test]
fn entries_can_be_collected() {
    let entries: Entries = [("a", Value::from_json("1").unwrap())].into_iter().collect();
    assert_eq!(entries.get("a").unwrap().as_json(), "1");
    assert_eq!(Value::from_json("[1,"), None);
}

#[tokio::test]
async fn r86_a_session_of_no_request_can_have_an_owner_and_is_kept_nowhere() {
    let session = Session::detached();
    assert_eq!((session.owner(), session.id(), session.limits()), (None, None, None));
    session.set_owner("ada").unwrap();
    session.set_limits(Limits::DEFAULT).unwrap();
    session.renew().unwrap();
    assert_eq!(session.owner().as_deref(), Some("ada"));
    assert_eq!(session.limits(), Some(Limits::DEFAULT));
    session.forget_owner().unwrap();
    assert_eq!(session.owner(), None);
    session.flash("saved").unwrap();
    assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["saved"]);
    let mut handle = session.handle().unwrap();
    handle.insert("n", 1).unwrap();
    let error = handle.commit().await.unwrap_err();
    assert!(matches!(error, Error::NotSupported { .. }), "{error}");
    assert!(handle.reload().await.is_err());
}
