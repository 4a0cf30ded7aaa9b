//! Attacks on values, keys and both factories.

use std::collections::HashMap;
use std::time::Duration;

use cloakroom::cookie::{CookieHeader, CookieSettings, SetCookie};
use cloakroom::factory::{Former, FormerSessions, MovingFactory};
use cloakroom::store::MemoryStore;
use cloakroom::{Error, Key, Session, StoredFactory, Value};
use http::{Response, StatusCode};
use serde_json::value::RawValue;

use crate::site::{Site, Stored};

fn with_status(status: u16) -> Response<String> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

fn signed() -> Site {
    Site::signed_at(1_700_000_000.0).0
}

/// Whatever JSON is accepted is read back as it was, and takes nothing else along with it.
#[tokio::test]
async fn r19_r20_raw_json_that_is_accepted_comes_back_and_harms_no_other_value() {
    let texts = [
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\u0000""#,
        "1e400",
        "-0",
        "-0.0",
        "1E5",
        "1e-400",
        "123456789012345678901234567890",
        "0.1234567890123456789012345678901234567890",
        r#"{"a":1,"a":2}"#,
        r#"{"$serde_json::private::RawValue":"1"}"#,
        r#"{"$serde_json::private::Number":"1"}"#,
        "[ 1 ,\n 2 ]",
        r#""\/\u00e9\ud83d\ude00é😀""#,
        r#"{"":{"":null}}"#,
        "\"\u{7f}\u{2028}\u{feff}\"",
    ];
    let mut faults = Vec::new();
    for text in texts {
        let stored = Stored::new();
        let signed = signed();
        for (name, site) in [("stored", &stored.site), ("signed", &signed)] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let visit = site.visit(None, async |session| {
                session.insert("other", 1).unwrap();
                session.insert("k", &raw).is_ok()
            });
            let visit = visit.await;
            let is_accepted = visit.result;
            let Some(cookie) = visit.cookie() else {
                faults
                    .push(format!("{name} {text}: no cookie, status {}", visit.response.status()));
                continue;
            };
            let back = site.visit(cookie, async |session| {
                let other: Result<Option<u32>, Error> = session.get("other");
                let back = session.entries().get("k").map(|value| value.as_json().to_owned());
                let carried = session.remove("k").ok().flatten().map(|value| {
                    session
                        .insert("again", &value)
                        .map(|_| session.entries().get("again") == Some(value))
                        .map_err(|e| e.to_string())
                });
                (format!("{other:?}"), back, carried)
            });
            let (other, back, carried) = back.await.result;
            if other != "Ok(Some(1))"
                || is_accepted != back.is_some()
                || carried.as_ref().is_some_and(|c| *c != Ok(true))
            {
                faults.push(format!("{name} {text}: accepted {is_accepted}, other {other}, back {back:?}, put back {carried:?}"));
            }
            if is_accepted
                && back.as_deref().map(|b| b.replace([' ', '\n'], ""))
                    != Some(text.replace([' ', '\n'], ""))
            {
                println!("{name}: {text} -> {back:?}");
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What `remove` gave can be put back, whatever it is.
#[tokio::test]
async fn r21_what_was_taken_out_can_be_put_back() {
    const BIG: Key<u128> = Key::new("big");
    const MAP: Key<HashMap<u8, f64>> = Key::new("map");
    let stored = Stored::new();
    let begun = stored.site.visit(None, async |session| {
        session.insert(BIG, u128::MAX).unwrap();
        session.insert(MAP, HashMap::from([(3, 0.1)])).unwrap();
    });
    let cookie = begun.await.cookie().unwrap().to_owned();
    let visit = stored.site.visit(&*cookie, async |session| {
        let (big, map) =
            (session.remove(BIG).unwrap().unwrap(), session.remove(MAP).unwrap().unwrap());
        session.invalidate().unwrap();
        session.insert("map", map).unwrap();
        session.insert("big", big).map(drop)
    });
    let visit = visit.await;
    visit.result.as_ref().unwrap();
    let big = async |session: Session| (session.get(BIG).unwrap(), session.get(MAP).unwrap());
    let (big, map) = stored.site.visit(visit.cookie().unwrap(), big).await.result;
    assert_eq!((big, map), (Some(u128::MAX), Some(HashMap::from([(3, 0.1)]))));
}

/// All entries are carried over an `invalidate` in one call.
#[tokio::test]
async fn r21_all_entries_can_be_carried_over_an_end() {
    for site in [&Stored::new().site, &signed()] {
        let begin = async |session: Session| {
            session.insert("", "empty key").unwrap();
            session.insert("a\0\u{1F600}\"", [1, 2]).unwrap();
        };
        let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session| {
            let all = session.entries();
            session.invalidate().unwrap();
            session.extend(all.clone()).unwrap();
            assert_eq!(session.entries(), all);
        });
        let visit = visit.await;
        let len = async |session: Session| session.len();
        assert_eq!(site.visit(visit.cookie().unwrap(), len).await.result, 2);
    }
}

/// `flash`: "`Error::WrongType` if the queue's key holds something else (R37)"; the rule: "an empty queue, never an error".
#[tokio::test]
async fn r37_a_queue_s_key_that_holds_something_else() {
    for site in [&Stored::new().site, &signed()] {
        let begin = async |session: Session| {
            let inserted = session.insert("_f_", 5);
            let token = session.insert("_csrft_", 5);
            println!("{inserted:?} {token:?}");
        };
        let cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
        let visit = site.visit(&*cookie, async |session| {
            let peeked = session.peek_flash::<String>("");
            let popped = session.pop_flash::<String>("").await;
            let queues = session.flash_queues();
            let token = session.csrf_token().map(|_| ());
            let flashed = session.flash("x");
            println!(
                "peek {peeked:?} pop {popped:?} queues {queues:?} token {token:?} flash {flashed:?}"
            );
            flashed
        });
        let flashed = visit.await.result;
        assert!(flashed.is_ok(), "the rule, not what `flash` documents");
    }
}

#[derive(Clone)]
struct Elsewhere(Vec<(String, Value)>);

impl FormerSessions for Elsewhere {
    type Id = ();

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        let has = matches!(cookies.named("old"), cloakroom::cookie::Candidates::One(_));
        Ok(has.then(|| Former { id: (), values: self.0.clone() }))
    }

    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        CookieSettings::new("old").build().unwrap().remove()
    }
}

/// A message that a cookie's session shows on a redirect waits, in order.
#[tokio::test]
async fn s67_in_a_cookie_too_messages_wait_after_a_redirect() {
    let site = signed();
    let begin = async |session: Session| session.flash("one").unwrap();
    let mut cookie = site.visit(None, begin).await.cookie().unwrap().to_owned();
    for status in [302, 303, 307, 308, 204, 205, 304, 500] {
        let visit = site.respond(&*cookie, with_status(status), async |session: Session| {
            let one: Vec<String> = session.pop_flash("").await.unwrap();
            assert_eq!(one.first().map(String::as_str), Some("one"), "{status}");
            session.insert("n", status).unwrap();
        });
        if let Some(new) = visit.await.cookie() {
            cookie = new.to_owned();
        }
    }
}

/// What only a server can do says so in a cookie.
#[tokio::test]
async fn r25_what_a_cookie_cannot_do_is_an_error() {
    let site = signed();
    let visit = site.visit(None, async |session| {
        assert!(matches!(session.handle(), Err(Error::NotSupported { .. })));
        assert!(matches!(session.set_owner("ada"), Err(Error::NotSupported { .. })));
        assert!(matches!(session.forget_owner(), Err(Error::NotSupported { .. })));
        assert!(matches!(session.set_limits(None), Err(Error::NotSupported { .. })));
        let stored = Stored::new();
        assert!(matches!(
            stored.sessions.revoke_others(&session).await,
            Err(Error::NotSupported { .. })
        ));
        assert!(session.is_empty());
    });
    assert!(visit.await.set_cookies().is_empty());
}

/// What is refused inside of other things, and what is not a key's type.
#[tokio::test]
async fn r19_what_cannot_be_read_back_is_refused_at_any_depth() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug, Default, Clone)]
    #[serde(tag = "t")]
    enum Tagged {
        #[default]
        A,
        B {
            n: u128,
        },
    }
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug, Default, Clone)]
    struct Flat {
        #[serde(flatten)]
        map: HashMap<u32, u32>,
    }
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug, Default, Clone)]
    struct Skips {
        #[serde(skip)]
        secret: u32,
        #[serde(rename(serialize = "x", deserialize = "y"))]
        named: u32,
    }
    const TAGGED: Key<Vec<Tagged>> = Key::new("k");
    const FLAT: Key<Option<Flat>> = Key::new("k");
    const NESTED: Key<Option<Option<u32>>> = Key::new("k");
    const SKIPS: Key<Skips> = Key::new("k");
    const FLOATS: Key<HashMap<String, (f32, Vec<f64>)>> = Key::new("k");
    let session = Session::detached();
    assert!(session.insert(TAGGED, vec![Tagged::B { n: u128::MAX }]).is_err());
    assert!(session.insert(FLAT, Some(Flat { map: HashMap::from([(1, 2)]) })).is_err());
    assert!(session.insert(NESTED, Some(None)).is_err());
    assert!(session.insert(SKIPS, Skips { secret: 0, named: 1 }).is_err());
    assert!(session.insert(FLOATS, HashMap::from([("a".to_owned(), (f32::NAN, vec![]))])).is_err());
    assert!(
        session
            .insert(FLOATS, HashMap::from([("a".to_owned(), (0.0, vec![f64::NEG_INFINITY]))]))
            .is_err()
    );
    assert!(session.insert("k", f64::NAN).is_err());
    assert!(session.insert("k", serde_json::json!({"a": 1.5})).is_ok());
    assert!(session.modify("k", |_: &mut f64| ()).is_err());
    session.remove("k").unwrap();
    assert!(session.modify("k", |n: &mut f64| *n = f64::INFINITY).is_err());
    assert!(session.get_or_insert_with("k", || f32::NAN).is_err());
    assert!(session.flash(f64::NAN).is_err());
    assert!(session.flash_to(cloakroom::Queue::<f64>::new("q"), f64::NAN).is_err());
    assert!(session.extend([("a", 1.0), ("k", f64::NAN)]).is_err());
    assert!(session.is_empty());
}

/// Unique messages are told apart by their digits.
#[tokio::test]
async fn r31_unique_messages_are_told_apart_by_their_digits() {
    let session = Session::detached();
    for n in [9_007_199_254_740_992_u64, 9_007_199_254_740_993] {
        assert!(session.flash_unique("", n).unwrap());
    }
    assert!(session.flash_unique("", 0.0).unwrap());
    assert!(session.flash_unique("", -0.0).unwrap());
    assert!(!session.flash_unique("", 0.0).unwrap());
    assert!(!session.flash_unique("", &&-0.0).unwrap());
}

/// What `Duration` allows and time does not.
#[tokio::test]
async fn s25_far_away_limits_are_no_limits() {
    use cloakroom::session::Limits;
    for span in
        [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(253_402_300_800)]
    {
        let stored = Stored::new();
        let visit = stored.site.visit(None, async |session| {
            session.insert("n", 1).unwrap();
            session
                .set_limits(Limits { idle: Some(span), absolute: Some(span), persistent: true })
                .unwrap();
        });
        let visit = visit.await;
        assert_eq!(visit.response.status(), 200, "{span:?}");
        assert!(visit.set_cookies()[0].contains("Max-Age=34560000"), "{:?}", visit.set_cookies());
        let left = async |session: Session| (session.len(), session.expires_in(), session.limits());
        println!("{:?}", stored.site.visit(visit.cookie().unwrap(), left).await.result);
    }
}

/// A library whose session ends when it was moved.
#[derive(Clone, Default)]
struct Ends(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl FormerSessions for Ends {
    type Id = ();

    async fn find(&self, cookies: CookieHeader<'_>) -> Result<Option<Former<()>>, Error> {
        let is_over = self.0.load(std::sync::atomic::Ordering::SeqCst);
        let has = matches!(cookies.named("old"), cloakroom::cookie::Candidates::One(_));
        let values = vec![("user".to_owned(), Value::from_json("\"ada\"").unwrap())];
        Ok((has && !is_over).then_some(Former { id: (), values }))
    }

    async fn end(&self, (): &()) -> Result<SetCookie, Error> {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
        CookieSettings::new("old").build().unwrap().remove()
    }
}

/// Two requests that the browser sends at once with the former cookie: nobody is signed out by the move.
#[tokio::test]
async fn s64_of_two_requests_that_move_together_the_second_does_not_sign_out() {
    let site =
        Site::new(MovingFactory::new(StoredFactory::new(MemoryStore::new()), Ends::default()));
    let form = async |session: Session| drop(session.csrf_token().unwrap());
    let first = site.visit("old=1", form).await;
    let mut jar = first.cookie_named("__Host-Http-session");
    let second = site.visit("old=1", form).await;
    jar = second.cookie_named("__Host-Http-session").or(jar);
    let user = async |session: Session| session.get::<String>("user").unwrap();
    assert_eq!(site.visit(&*jar.unwrap(), user).await.result.as_deref(), Some("ada"));
}

trait Named {
    fn cookie_named(&self, name: &str) -> Option<String>;
}

impl<R> Named for crate::site::Visit<R> {
    fn cookie_named(&self, name: &str) -> Option<String> {
        let own = |cookie: &&str| cookie.starts_with(name);
        let cookie = self.set_cookies().into_iter().find(own)?;
        Some(cookie.split(';').next().unwrap().to_owned())
    }
}

/// What a library's session brings is read by the next request, or refused: too deep a value takes nothing else along.
#[tokio::test]
async fn r60_what_is_brought_too_deep_takes_nothing_else_along() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let Some(deep) = Value::from_json(&deep) else { return };
    let values =
        vec![("user".to_owned(), Value::from_json("1").unwrap()), ("deep".to_owned(), deep)];
    let factory = crate::site::builder().build().unwrap();
    let site = Site::new(MovingFactory::new(factory, Elsewhere(values)));
    let user = async |session: Session| session.get::<u32>("user").unwrap();
    let first = site.visit("old=1", user).await;
    let cookie = first.cookie_named("session").unwrap();
    assert_eq!(site.visit(&*cookie, user).await.result, Some(1));
}
