//! Settings that cannot be served as they are given: each is refused when it is set, with words (R54).
//!
//! Those of a cookie are in `cookie.rs`, those of a settings file in `src/settings/tests.rs`.

use std::time::Duration;

use cloakroom::cookie::CookieSettings;
use cloakroom::csrf::DoubleSubmit;
use cloakroom::factory::{SignedCookieBuilder, StoredBuilder};
use cloakroom::keyring::HashAlg;
use cloakroom::session::{Bounds, Limits};
use cloakroom::store::MemoryStore;
use cloakroom::{ConfigError, Error, Secret, Session, StoredFactory};

use crate::site::{Site, Stored, builder};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

type Stores = StoredBuilder<MemoryStore>;
/// What is set, and the setting that is refused with a word of why; nothing if it is served.
type Case<B> = (fn(B) -> B, &'static str, &'static str);

/// Whether it was served or refused as expected, and in words that say what to do.
fn check<T>(built: Result<T, ConfigError>, index: usize, setting: &str, word: &str) {
    match built {
        Ok(_) => assert_eq!(setting, "", "case {index}: accepted"),
        Err(error) => {
            let said = error.to_string();
            assert!(!setting.is_empty(), "case {index}: {said}");
            assert!(said.contains(setting) && said.contains(word), "case {index}: {said}");
            assert!(said.contains(": "), "case {index}: what to do instead? {said}");
        }
    }
}

#[test]
fn r54_what_a_signed_cookie_cannot_serve_is_refused_when_it_is_built() {
    let cases: [Case<SignedCookieBuilder>; 14] = [
        (|it| it.timeout(Duration::ZERO), "timeout", "is zero"),
        (|it| it.timeout(Duration::from_millis(500)), "timeout", "fraction of a second"),
        (|it| it.timeout(SECOND + NANO), "timeout", "fraction of a second"),
        (|it| it.timeout(SECOND), "", ""),
        (|it| it.timeout(None), "", ""),
        (|it| it.timeout(Duration::MAX), "", ""),
        (|it| it.timeout(Duration::from_secs(u64::MAX)), "", ""),
        (|it| it.reissue_time(Duration::from_millis(500)), "reissue_time", "fraction"),
        (|it| it.reissue_time(1200 * SECOND), "reissue_time", "not shorter than the timeout"),
        (|it| it.reissue_time(1199 * SECOND), "", ""),
        (|it| it.reissue_time(Duration::ZERO), "", ""),
        (|it| it.reissue_time(Duration::MAX), "", ""),
        (|it| it.timeout(None).reissue_time(Duration::from_secs(u64::MAX)), "", ""),
        (|it| it.hash(HashAlg::Sha1).cookie_name("n".repeat(4030)), "cookie name", "no value fits"),
    ];
    for (index, (set, setting, word)) in cases.into_iter().enumerate() {
        check(set(builder()).build(), index, setting, word);
    }
}

#[test]
fn r54_what_a_stored_session_cannot_serve_is_refused_when_it_is_built() {
    let cases: [Case<Stores>; 34] = [
        (|it| it.idle_limit(Duration::ZERO), "idle limit", "is zero"),
        (|it| it.idle_limit(NANO), "idle limit", "is zero"),
        (|it| it.absolute_limit(Duration::ZERO), "absolute limit", "is zero"),
        (|it| it.absolute_limit(60 * SECOND), "", ""),
        (|it| it.limits(Limits { idle: None, absolute: None, persistent: true }), "", ""),
        (|it| it.idle_limit(Duration::MAX).absolute_limit(Duration::MAX), "", ""),
        (|it| it.touch_after(1200 * SECOND), "touch_after", "not shorter than the idle limit"),
        (|it| it.touch_after(1201 * SECOND), "touch_after", "not shorter than the idle limit"),
        (|it| it.touch_after(1199 * SECOND), "", ""),
        (|it| it.touch_after(Duration::ZERO), "", ""),
        (|it| it.touch_after(None), "", ""),
        (|it| it.touch_after(Duration::MAX), "", ""),
        (|it| it.idle_limit(None).touch_after(1201 * SECOND), "", ""),
        (|it| it.renew_every(Duration::ZERO).grace(Duration::ZERO), "renew_every", "is zero"),
        (|it| it.renew_every(NANO).grace(Duration::ZERO), "renew_every", "is zero"),
        (|it| it.renew_every(29 * SECOND), "renew_every", "shorter than the grace"),
        (|it| it.renew_every(30 * SECOND), "", ""),
        (|it| it.renew_every(5 * SECOND).grace(5 * SECOND), "", ""),
        (|it| it.renew_every(Duration::MAX), "", ""),
        (|it| it.grace(31 * SECOND), "grace", "longer than 30 seconds"),
        (|it| it.grace(Duration::MAX), "grace", "longer than 30 seconds"),
        (|it| it.grace(30 * SECOND), "", ""),
        (|it| it.flash_lease(Duration::ZERO), "flash_lease", "is zero"),
        (|it| it.flash_lease(NANO), "flash_lease", "is zero"),
        (|it| it.io_timeout(Duration::ZERO), "io_timeout", "is zero"),
        (|it| it.io_timeout(NANO), "", ""),
        (|it| it.fail_fast_after(0), "fail_fast_after", "is zero"),
        (|it| it.fail_fast_after(1), "", ""),
        (|it| it.bounds(Bounds { bytes: 0, ..Bounds::DEFAULT }), "bounds", "zero"),
        (|it| it.bounds(Bounds { keys: 0, ..Bounds::DEFAULT }), "bounds", "zero"),
        (|it| it.bounds(Bounds { key_bytes: 0, ..Bounds::DEFAULT }), "bounds", "zero"),
        (|it| it.bounds(Bounds { messages: 0, ..Bounds::DEFAULT }), "bounds", "zero"),
        (|it| it.bounds(Bounds { bytes: 1, keys: 1, key_bytes: 1, messages: 1 }), "", ""),
        (|it| it.cookie(CookieSettings::new("n".repeat(4033))), "cookie name", "no value fits"),
    ];
    for (index, (set, setting, word)) in cases.into_iter().enumerate() {
        check(
            set(StoredFactory::builder("shop", MemoryStore::new())).build(),
            index,
            setting,
            word,
        );
    }
    let double = DoubleSubmit::new(Secret::generate().unwrap()).unwrap();
    let long = CookieSettings::new("n".repeat(4033));
    check(double.cookie(&long), 0, "cookie name", "no value fits");
}

#[tokio::test]
async fn r54_limits_of_a_session_s_own_are_checked_where_they_are_set() {
    let stored = Stored::new();
    let own = |idle, absolute| Limits { idle, absolute, persistent: true };
    let visit = stored.site.visit(None, async |session: Session| {
        session.set_limits(own(Some(60 * SECOND), None)).unwrap();
        for (limits, limit) in [
            (own(Some(Duration::ZERO), None), "idle"),
            (own(Some(NANO), None), "idle"),
            (own(None, Some(Duration::ZERO)), "absolute"),
        ] {
            let error = session.set_limits(limits).unwrap_err();
            assert_eq!(error.kind(), "setting");
            let Error::Setting(ConfigError::Limit { limit: said }) = error else { panic!() };
            assert_eq!(said, limit);
        }
        assert_eq!(session.limits().unwrap().idle, Some(60 * SECOND), "what was set stays");
        session.insert("a", 1).unwrap();
        session.set_limits(own(Some(10 * SECOND), Some(SECOND))).unwrap(); // any two that are some
        session.set_limits(own(Some(60 * SECOND), None)).unwrap();
    });
    let cookie = visit.await.cookie().unwrap().to_owned();
    stored.clock.advance(59 * SECOND);
    assert_eq!(stored.look(&cookie).await, "a=1", "the session is usable");
}

/// `Duration::MAX` is as good as no limit wherever a limit can be, and nothing panics on the way.
#[tokio::test]
async fn s25_the_longest_spans_are_served() {
    const MAX: Duration = Duration::MAX;
    let longest = Limits { idle: Some(MAX), absolute: Some(MAX), persistent: true };
    let stored = Stored::with(|it| {
        let it = it.limits(longest).touch_after(MAX).renew_every(MAX).flash_lease(MAX);
        it.csrf_grace(MAX).io_timeout(MAX).fail_fast_after(u32::MAX)
    });
    let begin = async |session: Session| {
        session.set_limits(longest).unwrap();
        session.flash("saved").unwrap();
    };
    let first = stored.site.visit(None, begin).await;
    assert!(first.set_cookies()[0].contains("; Max-Age=34560000; "), "{:?}", first.set_cookies());
    stored.clock.advance(Duration::from_secs(1_000_000_000));
    let visit = stored.site.visit(first.cookie(), async |session: Session| {
        session.renew().unwrap();
        (session.pop_flash::<String>("").await.unwrap(), session.limits().unwrap().idle)
    });
    assert_eq!(visit.await.result.0, ["saved"]);

    let signed = builder().timeout(MAX).reissue_time(MAX).build().unwrap();
    let site = Site::new(signed.clone());
    let made = site.visit(None, async |session: Session| session.insert("k", 1).map(drop)).await;
    let read = async |session: Session| (session.contains_key("k"), session.expires_in());
    assert_eq!(site.visit(made.cookie(), read).await.result, (true, None));
    assert!(!signed.read_value(made.cookie_value().unwrap()).unwrap().is_expired);
    let distant = builder().timeout(Duration::from_secs(u64::MAX)).build().unwrap();
    assert!(Site::new(distant).visit(made.cookie(), read).await.result.0);
}

#[cfg(all(feature = "redis", feature = "postgres", feature = "sqlite", feature = "memcached"))]
mod stores {
    use cloakroom::store::{MemcachedOptions, MemcachedStore, PostgresOptions, PostgresStore};
    use cloakroom::store::{RedisOptions, RedisStore, SqliteStore, StoreError, StoreErrorKind};
    use std::error::Error as _;

    use super::*;

    /// What is set, and the setting that is refused.
    type Choice<O> = (fn(O) -> O, &'static str);

    fn is_refused<T>(opened: Result<T, StoreError>, setting: &'static str, case: usize) {
        let Err(error) = opened else { panic!("{case}: {setting} is accepted") };
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{case}: {error:?}");
        let cause = error.source().unwrap().downcast_ref::<ConfigError>();
        let is_named =
            matches!(cause, Some(ConfigError::Setting { setting: said, .. }) if *said == setting);
        assert!(is_named, "{case}: {error:?}");
    }

    // Nobody listens there, so that what is accepted fails otherwise.
    #[tokio::test]
    async fn r54_what_a_store_cannot_serve_is_refused_before_it_connects() {
        let redis: [Choice<RedisOptions>; 2] = [
            (|it| it.connect_timeout(Duration::ZERO), "connect_timeout"),
            (|it| it.wait_for_replicas(1, Duration::ZERO), "wait_for_replicas"),
        ];
        for (case, (set, setting)) in redis.into_iter().enumerate() {
            let options = set(RedisStore::options("redis://127.0.0.1:1"));
            is_refused(options.connect().await, setting, case);
        }
        let postgres: [Choice<PostgresOptions>; 3] = [
            (|it| it.connect_timeout(Duration::ZERO), "connect_timeout"),
            (|it| it.max_connections(0), "max_connections"),
            (|it| it.max_connections(u32::MAX), "max_connections"),
        ];
        for (case, (set, setting)) in postgres.into_iter().enumerate() {
            let options = set(PostgresStore::options("postgres://127.0.0.1:1/x"));
            is_refused(options.connect().await, setting, case);
        }
        let memcached: fn(MemcachedOptions) -> MemcachedOptions =
            |it| it.connect_timeout(Duration::ZERO);
        let options = memcached(MemcachedStore::options("memcached://127.0.0.1:1"));
        is_refused(options.connect().await, "connect_timeout", 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        is_refused(SqliteStore::options(file.path()).max_bytes(4095).open(), "max_bytes", 0);
    }

    #[tokio::test]
    async fn s25_a_store_that_may_take_for_ever_to_connect_does_not_panic() {
        let sqlite = tempfile::NamedTempFile::new().unwrap();
        let sqlite = SqliteStore::options(sqlite.path()).busy_timeout(Duration::MAX);
        assert!(sqlite.sweep_every(Duration::MAX).open().is_ok());
        let redis = RedisStore::options("redis://127.0.0.1:1").connect_timeout(Duration::MAX);
        let redis = redis.wait_for_replicas(1, Duration::MAX).connect().await;
        assert_eq!(redis.unwrap_err().kind(), StoreErrorKind::Unavailable);
        let postgres = PostgresStore::options("postgres://127.0.0.1:1/x");
        let connecting = postgres.connect_timeout(Duration::MAX).connect();
        tokio::select! {
            biased;
            _ = connecting => {}
            () = tokio::task::yield_now() => {} // it goes on trying
        }
    }
}
