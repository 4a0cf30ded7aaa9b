//! A factory written outside the crate carries everything; the signed cookie's own settings and life cycle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::cookie::{Candidates, CookieHeader, CookieSettings, CookieWriter, SetCookies};
use cloakroom::factory::{Commit, Opened, Refused, SignedCookieBuilder};
use cloakroom::keyring::HashAlg;
use cloakroom::session::MAX_DEPTH;
use cloakroom::testing::FakeClock;
use cloakroom::{ConfigError, Entries, Error, Secret, Session, SessionFactory, Timestamp};
use cloakroom::{SignedCookieFactory, error::TooLarge};
use http::Response;

use crate::log::Log;
use crate::site::{SECRET, Site, Visit, builder, builder_with};

/// Sessions in a map, named by a number.
struct Numbered {
    cookie: CookieWriter,
    next: AtomicU64,
    sessions: Mutex<HashMap<u64, Entries>>,
}

impl SessionFactory for Numbered {
    type Base = Option<u64>;

    async fn open(&self, cookies: CookieHeader<'_>) -> Result<Opened<Self::Base>, Error> {
        let now = Timestamp::from_secs(7);
        let Candidates::One(text) = cookies.named(self.cookie.name()) else {
            return Ok(Opened::absent(now, None));
        };
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        let sessions = self.sessions.lock().unwrap();
        Ok(match number.and_then(|number| Some((number, sessions.get(&number)?))) {
            Some((number, entries)) => Opened::live(now, now, entries.clone(), Some(number)),
            None => Opened::absent(now, None),
        })
    }

    async fn commit(&self, base: &Self::Base, mut commit: Commit) -> Result<SetCookies, Error> {
        if commit.changes().is_empty() {
            return Ok(SetCookies::none());
        }
        let number = base.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
        let mut sessions = self.sessions.lock().unwrap();
        let now_there = sessions.entry(number).or_default();
        *now_there = commit.changes().replay(now_there)?;
        Ok(SetCookies::one(self.cookie.set(&number.to_string())?))
    }
}

fn numbered() -> Numbered {
    Numbered {
        cookie: CookieSettings::new("number").build().unwrap(),
        next: AtomicU64::new(1),
        sessions: Mutex::default(),
    }
}

/// One visitor's way through handlers that do not know which factory serves them.
async fn tour(site: &Site) {
    let first = site
        .visit(None, async |session: Session| {
            session.insert("abc", "123").unwrap();
            session.flash("Saved").unwrap();
            session.modify("n", |n: &mut u32| *n += 1).unwrap();
            (session.is_new(), session.csrf_token().unwrap().plain().to_owned())
        })
        .await;
    let second = site
        .visit(first.cookie(), async |session: Session| {
            assert_eq!(session.get::<String>("abc").unwrap().as_deref(), Some("123"));
            assert_eq!(session.pop_flash::<String>("").await.unwrap(), ["Saved"]);
            session.modify("n", |n: &mut u32| *n += 1).unwrap();
            (session.is_new(), session.csrf_token().unwrap().plain().to_owned())
        })
        .await;
    assert_eq!((first.result.0, second.result.0), (true, false));
    assert_eq!(first.result.1, second.result.1);
    let third = site
        .visit(second.cookie(), async |session: Session| {
            (session.get::<u32>("n").unwrap(), session.pop_flash::<String>("").await.unwrap())
        })
        .await;
    assert_eq!(third.result, (Some(2), vec![]));
    assert_eq!(third.cookie(), None);
}

#[tokio::test]
async fn r18_r27_a_factory_of_ones_own_carries_flash_tokens_and_all_else() {
    let site = Site::new(numbered());
    tour(&site).await;
    let other = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    assert_eq!(other.cookie(), Some("number=2"), "its own scheme is in force");
}

#[tokio::test]
async fn r3_r26_handlers_stay_as_they_are_when_the_factory_is_exchanged() {
    tour(&Site::new(numbered())).await;
    tour(&Site::new(builder().build().unwrap())).await;
    tour(&Site::new(builder().hash(HashAlg::Sha256).timeout(None).build().unwrap())).await;
}

#[tokio::test]
async fn s8_what_cannot_be_a_signed_cookie_is_refused_before_any_cryptography() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = told.clone();
    let factory = builder().on_refused(move |why| teller.lock().unwrap().push(why)).build();
    let site = Site::new(factory.unwrap());
    let long = "A".repeat(1 << 20);
    let bad = ["", "../x", "%00", "*", "{tag}", "a b", "AAAA", "\"\"", "\"", &long];
    for value in bad {
        let header = format!("session={value}");
        assert!(site.visit(&*header, async |session: Session| session.is_new()).await.result);
    }
    assert_eq!(*told.lock().unwrap(), [Refused::Malformed; 10]);
}

#[tokio::test]
async fn r71_the_first_secret_signs_and_all_of_them_verify() {
    let (old, new) = (Secret::insecure("the old secret"), Secret::new(SECRET).unwrap());
    let site = |factory: SignedCookieFactory| Site::new(factory);
    let before = site(builder_with("the old secret").build().unwrap())
        .visit(None, async |session: Session| session.insert("user", "ada").map(drop))
        .await;
    let rotated = || SignedCookieFactory::builder(&new).also_verify(&old).build().unwrap();
    let read = async |session: Session| {
        session.changed().unwrap();
        session.get::<String>("user").unwrap()
    };
    let during = site(rotated()).visit(before.cookie(), read).await;
    assert_eq!(during.result.as_deref(), Some("ada"));
    let after = site(builder().build().unwrap()).visit(during.cookie(), read).await;
    assert_eq!(after.result.as_deref(), Some("ada"), "the new secret has signed");
    let dropped = site(builder().build().unwrap()).visit(before.cookie(), read).await;
    assert_eq!(dropped.result, None, "the old secret is not accepted for ever");
}

#[test]
fn s38_a_weak_secret_is_refused_when_the_factory_is_built() {
    for weak in ["", "secret", &"x".repeat(64)] {
        let error = SignedCookieFactory::new(weak).unwrap_err();
        assert!(matches!(error, ConfigError::WeakSecret { .. }), "{error}");
    }
    let error = builder().also_verify("short").build().unwrap_err();
    assert!(error.to_string().contains("has 5 bytes"), "{error}");
    assert!(SignedCookieFactory::new(Secret::generate().unwrap()).is_ok());
    assert!(builder().cookie_name("a;b").build().is_err());
}

#[tokio::test]
async fn s13_two_valid_cookies_that_differ_are_nobodys() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = told.clone();
    let told_site = Site::new(
        builder().on_refused(move |why| teller.lock().unwrap().push(why)).build().unwrap(),
    );
    let make = async |user: &str| {
        let user = user.to_owned();
        let visit =
            told_site.visit(None, async |s: Session| s.insert("user", user).map(drop)).await;
        visit.cookie().unwrap().to_owned()
    };
    let (ada, eve) = (make("ada").await, make("eve").await);
    let user = async |session: Session| session.get::<String>("user").unwrap();
    let look = async |header: String| told_site.visit(&*header, user).await.result;
    assert_eq!(look(format!("{ada}; {eve}")).await, None);
    assert_eq!(look(format!("{ada}; {ada}")).await.as_deref(), Some("ada"));
    assert_eq!(look(format!("session=junk; {ada}")).await.as_deref(), Some("ada"));
    assert_eq!(look(format!("{ada}; session=junk; session=more")).await, None);
    let (tampered, other) = (ada.replacen("session=", "session=AAAA", 1), "session=%%%");
    assert_eq!(look(tampered).await, None);
    assert_eq!(look(other.into()).await, None);
    let expected = [
        Refused::Ambiguous,
        Refused::Malformed,
        Refused::Ambiguous,
        Refused::Forged,
        Refused::Malformed,
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn s42_another_spelling_of_a_valid_cookie_is_refused_unless_lenient() {
    let at = |builder: SignedCookieBuilder| builder.clock(FakeClock::at(1_700_000_000.0)).build();
    let strict = Site::new(at(builder()).unwrap());
    let lenient = Site::new(at(builder().lenient()).unwrap());
    let made = strict.visit(None, async |s: Session| s.insert("k", "v").map(drop)).await;
    let value = made.cookie_value().unwrap();
    let read = async |session: Session| session.contains_key("k");
    assert!(
        value.contains('-') || value.contains('_') || value.len() % 4 != 0,
        "nothing to respell"
    );
    for respelt in
        [format!("{value}="), value.replace('-', "+").replace('_', "/"), format!(".{value}...")]
    {
        let header = format!("session={respelt}");
        assert!(!strict.visit(&*header, read).await.result, "{respelt}");
    }
    let header = format!("session={}", value.replace('-', "+").replace('_', "/"));
    assert!(lenient.visit(&*header, read).await.result);
    let header = format!("session=\"{value}\"");
    assert!(strict.visit(&*header, read).await.result, "R56");
}

#[tokio::test]
async fn r24_a_failed_response_is_kept_or_not_by_setting_but_a_logout_always_is() {
    for (keep, status, cookie) in [(true, 500, true), (false, 500, false), (false, 403, true)] {
        let site = Site::new(builder().set_on_exception(keep).build().unwrap());
        let response = || Response::builder().status(status).body(String::new()).unwrap();
        let made =
            site.respond(None, response(), async |s: Session| s.insert("k", 1).map(drop)).await;
        assert_eq!(made.cookie().is_some(), cookie, "{keep} {status}");
        let live = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
        let ended =
            site.respond(live.cookie(), response(), async |s: Session| s.invalidate()).await;
        assert_eq!(ended.cookie(), Some("session="), "S27: {keep} {status}");
        let restarted = site
            .respond(live.cookie(), response(), async |session: Session| {
                session.invalidate().unwrap();
                session.insert("k", 2).unwrap();
            })
            .await;
        let removed = restarted.cookie() == Some("session=");
        assert_eq!(removed, !cookie, "S27: what was written after is dropped: {keep} {status}");
    }
}

#[tokio::test]
async fn r17_invalidate_clears_the_cookie_and_what_follows_is_kept() {
    let (site, clock) = Site::signed_at(1_700_000_000.0);
    let live = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    let ended = site
        .visit(live.cookie(), async |session: Session| {
            session.invalidate().unwrap();
            session.is_empty()
        })
        .await;
    assert!(ended.result);
    assert_eq!(
        ended.set_cookies(),
        ["session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"]
    );
    clock.advance(Duration::from_secs(9));
    let again = site
        .visit(live.cookie(), async |session: Session| {
            session.invalidate().unwrap();
            session.insert("new", 2).unwrap();
            session.is_new()
        })
        .await;
    assert!(!again.result, "R15: invalidating does not make it new");
    let seen =
        site.visit(again.cookie(), async |s: Session| (s.keys(), s.created().as_secs())).await;
    assert_eq!(seen.result, (vec!["new".to_owned()], 1_700_000_000));
    let stranger = site.visit(None, async |s: Session| s.invalidate()).await;
    assert_eq!(stranger.cookie(), None);
}

#[tokio::test]
async fn r62_r63_idle_and_reissue_edges() {
    let clock = FakeClock::at(1_000_000.0);
    let site = Site::new(builder().clock(clock.clone()).build().unwrap()); // 1200 s and 120 s
    let made = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    let look =
        async |s: Session| (s.contains_key("k"), s.is_new(), s.was_expired(), s.expires_in());
    let left = |seconds| Some(Duration::from_secs(seconds));
    for (seconds, expected, reissued) in [
        (120, (true, false, false, left(1080)), false),
        (1, (true, false, false, left(1079)), true),
        (1079, (true, false, false, left(0)), true),
        (1, (false, true, true, left(1200)), true),
    ] {
        clock.advance(Duration::from_secs(seconds));
        let visit = site.visit(made.cookie(), look).await;
        assert_eq!((visit.result, visit.cookie().is_some()), (expected, reissued), "{seconds}");
    }
    let never = Site::new(builder().clock(clock.clone()).timeout(None).build().unwrap());
    let visit = never.visit(made.cookie(), look).await;
    assert_eq!((visit.result, visit.cookie()), ((true, false, false, None), None), "R68");
}

#[tokio::test]
async fn r59_a_new_session_that_nothing_was_put_into_is_not_written() {
    let (site, clock) = Site::signed_at(1_700_000_000.5);
    let visit = site
        .visit(None, async |session: Session| {
            clock.advance(Duration::from_secs(5));
            session.remove("nothing").unwrap();
            session.len()
        })
        .await;
    assert_eq!((visit.result, visit.cookie()), (0, None));
}

#[tokio::test]
async fn r8_the_limit_is_4064_characters_of_value_and_4096_with_the_name() {
    // sha512: 2984 bytes of JSON fit, the frame around one key of one letter takes 42 of them at this time.
    let log = Log::default();
    let _guard = log.listen();
    let fill = async |site: Site, letters: usize| {
        let visit = site
            .visit(None, async |session: Session| {
                session.insert("small", 1).unwrap();
                session.insert("d", "x".repeat(letters)).unwrap();
            })
            .await;
        (visit.cookie_value().map(str::len), visit.response, log.take().join(""))
    };
    let site = || Site::signed_at(1_700_000_000.0).0;
    let frame = r#"[1700000000, 1700000000.0, {"small": 1, "d": ""}]"#.len();
    let (fits, ..) = fill(site(), 2984 - frame).await;
    assert_eq!(fits, Some(SignedCookieFactory::MAX_VALUE));
    let (refused, response, said) = fill(site(), 2985 - frame).await;
    assert_eq!((refused, response.status().as_u16()), (None, 500));
    assert!(said.contains("4,066 bytes for a cookie of at most 4,064, 2 too many"), "{said}");
    assert!(said.contains("Largest: \"d\" 2,938 bytes, \"small\" 1 bytes."), "{said}");
    let name = "n".repeat(33);
    let long = builder().clock(FakeClock::at(1_700_000_000.0)).cookie_name(name).build().unwrap();
    let (refused, _, said) = fill(Site::new(long), 2984 - frame).await;
    assert!(refused.is_none() && said.contains("4,097 bytes"), "S10: {said}");
    let _: fn(TooLarge) -> Error = Error::from;
}

#[tokio::test]
async fn r53_salt_and_hash_keep_sessions_apart() {
    let made = Site::new(builder().build().unwrap())
        .visit(None, async |s: Session| s.insert("k", 1).map(drop))
        .await;
    let read = async |session: Session| session.contains_key("k");
    for (other, accepted) in [
        (builder(), true),
        (builder().salt("other."), false),
        (builder().hash(HashAlg::Sha384), false),
        (builder().hash(HashAlg::Sha1), false),
        (builder_with("another secret"), false),
    ] {
        let visit = Site::new(other.build().unwrap()).visit(made.cookie(), read).await;
        assert_eq!(visit.result, accepted);
    }
    let sha384 = || Site::new(builder().hash(HashAlg::Sha384).build().unwrap());
    let made = sha384().visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    assert!(sha384().visit(made.cookie(), read).await.result);
}

#[test]
fn s87_the_factory_prints_no_secret() {
    let printed = format!("{:?} {:?}", builder().build().unwrap(), Secret::new(SECRET));
    assert!(!printed.contains(&SECRET[..8]), "{printed}");
}

#[tokio::test]
async fn s84_a_value_nested_as_deeply_as_allowed_comes_back() {
    let nested = "[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH);
    let value: serde_json::Value = serde_json::from_str(&nested).unwrap();
    let site = Site::new(builder().build().unwrap());
    let made = site.visit(None, async |s: Session| s.insert("k", value).map(drop)).await;
    let read = site.visit(made.cookie(), async |s: Session| s.get::<serde_json::Value>("k")).await;
    assert_eq!(read.result.unwrap().unwrap().to_string(), nested);
}

#[tokio::test]
async fn clones_of_a_signed_cookie_s_factory_are_the_same_one() {
    let told = Arc::new(AtomicU64::new(0));
    let teller = told.clone();
    let count = move |_| {
        teller.fetch_add(1, Ordering::Relaxed);
    };
    let factory = builder().on_refused(count).build().unwrap();
    let (site, other) = (Site::new(factory.clone()), Site::new(factory.clone()));
    let made = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    assert!(other.visit(made.cookie(), async |s: Session| s.contains_key("k")).await.result);
    other.visit("session=junk", async |s: Session| s.is_new()).await;
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert!(factory.read_value(made.cookie_value().unwrap()).is_ok(), "kept for later");
}

/// Pyramid's `manage_accessed` and `manage_changed`: each look and each write sets the time that is written.
#[tokio::test]
async fn r63_r64_the_cookie_carries_the_time_of_the_last_look_or_write() {
    let renewed = |site: &Visit<()>| {
        let factory = builder().build().unwrap();
        factory.read_value(site.cookie_value().unwrap()).unwrap().renewed.as_secs()
    };
    let (site, clock) = Site::signed_at(1_700_000_000.25);
    let wait = |seconds| clock.advance(Duration::from_secs(seconds));
    let made = site
        .visit(None, async |session: Session| {
            wait(10);
            session.insert("k", 1).unwrap();
            wait(30);
            session.get::<u32>("k").unwrap();
            wait(5);
        })
        .await;
    assert_eq!(renewed(&made), 1_700_000_040, "the look came last");
    let written = site
        .visit(made.cookie(), async |session: Session| {
            assert!(session.contains_key("k"));
            wait(60);
            session.insert("k", 2).unwrap();
            let _ = session.created();
            wait(60);
            session.changed().unwrap();
        })
        .await;
    assert_eq!(renewed(&written), 1_700_000_105, "neither a fact nor `changed` is a look");
}

#[tokio::test]
async fn r63_a_look_late_in_a_slow_request_renews_as_it_would_have_then() {
    let (site, clock) = Site::signed_at(1_700_000_000.0); // 1200 s and 120 s
    let made = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    let look = async |before: u64, after: u64| {
        let visit = site.visit(made.cookie(), async |session: Session| {
            clock.advance(Duration::from_secs(before));
            assert!(session.contains_key("k"));
            clock.advance(Duration::from_secs(after));
        });
        visit.await.cookie().is_some()
    };
    assert!(!look(120, 0).await, "not more than the reissue time has passed");
    assert!(look(1, 0).await, "it was not due when the session was opened, but at the look it is");
    let (site, clock) = Site::signed_at(1_700_000_000.0);
    let made = site.visit(None, async |s: Session| s.insert("k", 1).map(drop)).await;
    let early = site.visit(made.cookie(), async |session: Session| {
        assert!(session.contains_key("k"));
        clock.advance(Duration::from_secs(500));
    });
    assert_eq!(early.await.cookie(), None, "it was not due at the look");
}

#[tokio::test]
async fn r14_a_session_that_is_new_begins_when_it_says_for_good() {
    for nanos in [0, 1, 123_456_789, 987_654_321, 999_999_999] {
        let now = Timestamp::from_secs(1_700_000_000).saturating_add(Duration::from_nanos(nanos));
        let site = Site::new(builder().clock(move || now).build().unwrap());
        let created = async |session: Session| {
            session.changed().unwrap();
            session.created()
        };
        let first = site.visit(None, created).await;
        let later = site.visit(first.cookie(), created).await;
        assert_eq!(first.result, later.result, "{nanos}");
        let shift = first.result.since(now).max(now.since(first.result));
        assert!(shift < Duration::from_micros(1), "{nanos}");
    }
}
