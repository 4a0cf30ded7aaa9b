//! Changes replayed: on the state that was loaded they give what the handler saw; on another they keep both.

use cloakroom::cookie::{CookieHeader, SetCookies};
use cloakroom::factory::{Commit, Opened};
use cloakroom::{Entries, Error, Session, SessionFactory, Timestamp, Value};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

use crate::site::Site;

/// Opens a session with some state and shows what comes back.
#[derive(Clone, Default)]
struct Mirror {
    loaded: Entries,
    commit: Arc<Mutex<Option<Commit>>>,
}

impl SessionFactory for Mirror {
    type Base = ();

    async fn open(&self, _: CookieHeader<'_>) -> Result<Opened<()>, Error> {
        let now = Timestamp::from_secs(0);
        Ok(Opened::live(now, now, self.loaded.clone(), ()))
    }

    async fn commit(&self, (): &(), commit: Commit) -> Result<SetCookies, Error> {
        *self.commit.lock().unwrap() = Some(commit);
        Ok(SetCookies::none())
    }
}

/// One call on the session.
#[derive(Debug, Clone)]
enum Call {
    Insert(u8, i32),
    Remove(u8),
    Default(u8, i32),
    Modify(u8, i32),
    Extend(u8, i32),
    PopItem,
    Clear,
    Retain(u8),
    Invalidate,
    Flash(u8, i32),
    FlashUnique(u8, i32),
    PopFlash(u8),
    Token,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let key = || 0..4u8;
    let call = prop_oneof![
        4 => (key(), 0..3i32).prop_map(|(k, v)| Call::Insert(k, v)),
        2 => key().prop_map(Call::Remove),
        2 => (key(), 0..3i32).prop_map(|(k, v)| Call::Default(k, v)),
        4 => (key(), 1..3i32).prop_map(|(k, v)| Call::Modify(k, v)),
        1 => (key(), 0..3i32).prop_map(|(k, v)| Call::Extend(k, v)),
        1 => Just(Call::PopItem),
        1 => Just(Call::Clear),
        1 => key().prop_map(Call::Retain),
        1 => Just(Call::Invalidate),
        3 => (key(), 0..3i32).prop_map(|(k, v)| Call::Flash(k, v)),
        2 => (key(), 0..3i32).prop_map(|(k, v)| Call::FlashUnique(k, v)),
        2 => key().prop_map(Call::PopFlash),
        1 => Just(Call::Token),
    ];
    proptest::collection::vec(call, 0..20)
}

fn name(key: u8) -> String {
    format!("key{key}")
}

async fn make(call: Call, session: &Session) -> Result<(), Error> {
    match call {
        Call::Insert(key, value) => session.insert(name(key), value).map(drop),
        Call::Remove(key) => session.remove(name(key)).map(drop),
        Call::Default(key, value) => session.get_or_insert_with(name(key), || value).map(drop),
        Call::Modify(key, by) => session.modify(name(key), move |value: &mut i32| *value += by),
        Call::Extend(key, value) => session.extend([(name(key), value), (name(key + 1), value)]),
        Call::PopItem => session.pop_item().map(drop),
        Call::Clear => session.clear(),
        Call::Retain(key) => session.retain(&[name(key)]),
        Call::Invalidate => session.invalidate(),
        Call::Flash(queue, message) => session.flash_to(name(queue), message),
        Call::FlashUnique(queue, message) => session.flash_unique(name(queue), message).map(drop),
        Call::PopFlash(queue) => session.pop_flash::<i32>(name(queue)).await.map(drop),
        Call::Token => session.csrf_token().map(drop),
    }
}

/// What the factory is handed after these calls on this state.
fn commit_of(loaded: Entries, calls: Vec<Call>) -> Commit {
    let mirror = Mirror { loaded, ..Mirror::default() };
    let site = Site::new(mirror.clone());
    let visit = site.visit(None, async |session: Session| {
        for call in calls {
            make(call, &session).await.unwrap();
        }
    });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(visit);
    mirror.commit.lock().unwrap().take().unwrap()
}

fn entries(pairs: &[(&str, &str)]) -> Entries {
    pairs.iter().map(|(key, json)| (*key, Value::from_json(json).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn replaying_on_the_loaded_state_gives_what_the_handler_saw(first in calls(), second in calls()) {
        let loaded = commit_of(Entries::new(), first).entries().clone();
        let mut commit = commit_of(loaded.clone(), second);
        let seen: Vec<_> = commit.entries().clone().into_iter().collect();
        for _ in 0..2 {
            let replayed = commit.changes().replay(&loaded).unwrap();
            prop_assert_eq!(replayed.into_iter().collect::<Vec<_>>(), seen.clone(), "order included");
        }
        if commit.changes().is_empty() { prop_assert_eq!(commit.entries(), &loaded); }
    }

    #[test]
    fn disjoint_keys_survive_each_other(mine in 0..1000i32, theirs in 0..1000i32) {
        let base = entries(&[("mine", "0"), ("theirs", "0")]);
        let mut commit = commit_with(&base, async |session| {
            session.insert("mine", mine).unwrap();
        });
        let mut now_there = base.clone();
        now_there.set("theirs", &Value::encode("theirs", &theirs).unwrap());
        let merged = commit.changes().replay(&now_there).unwrap();
        prop_assert_eq!(merged.get("mine").unwrap().get::<i32>().unwrap(), mine);
        prop_assert_eq!(merged.get("theirs").unwrap().get::<i32>().unwrap(), theirs);
    }
}

fn commit_with(loaded: &Entries, handler: impl AsyncFnOnce(Session)) -> Commit {
    let mirror = Mirror { loaded: loaded.clone(), ..Mirror::default() };
    let site = Site::new(mirror.clone());
    let visit = site.visit(None, handler);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(visit);
    mirror.commit.lock().unwrap().take().unwrap()
}

#[test]
fn modify_adds_up_on_what_another_request_left() {
    let mut commit = commit_with(&entries(&[("n", "1")]), async |session| {
        session.modify("n", |n: &mut i32| *n += 5).unwrap();
    });
    let merged = commit.changes().replay(&entries(&[("n", "100")])).unwrap();
    assert_eq!(merged, entries(&[("n", "105")]));
}

#[test]
fn popping_takes_only_what_was_shown() {
    let mut commit = commit_with(&entries(&[("_f_", "[\"a\",\"b\"]")]), async |session| {
        assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["a", "b"]);
    });
    let pushed_meanwhile = entries(&[("_f_", "[\"a\",\"b\",\"a\",\"c\"]")]);
    let merged = commit.changes().replay(&pushed_meanwhile).unwrap();
    assert_eq!(merged, entries(&[("_f_", "[\"a\",\"c\"]")]));
    let pushed_before = entries(&[("_f_", "[\"c\",\"b\"]")]);
    let merged = commit.changes().replay(&pushed_before).unwrap();
    assert_eq!(merged, entries(&[("_f_", "[\"c\"]")]));
    let shown_elsewhere = commit.changes().replay(&Entries::new()).unwrap();
    assert_eq!(shown_elsewhere, Entries::new());
}

#[test]
fn a_flash_never_swallows_another() {
    let mut commit = commit_with(&Entries::new(), async |session| {
        session.flash("mine").unwrap();
    });
    let merged = commit.changes().replay(&entries(&[("_f_", "[\"theirs\"]")])).unwrap();
    assert_eq!(merged, entries(&[("_f_", "[\"theirs\",\"mine\"]")]));
}

#[test]
fn setting_an_equal_value_is_no_change() {
    let mut commit = commit_with(&entries(&[("a", "1")]), async |session| {
        session.insert("a", 1).unwrap();
        session.remove("zz").unwrap();
    });
    assert!(commit.changes().is_empty() && commit.was_written());
}

#[test]
fn what_cannot_be_replayed_is_an_error() {
    let mut commit = commit_with(&Entries::new(), async |session| {
        session.modify("n", |n: &mut i32| *n += 1).unwrap();
    });
    let error = commit.changes().replay(&entries(&[("n", "\"text\"")])).unwrap_err();
    assert_eq!(error.kind(), "wrong_type");
}
