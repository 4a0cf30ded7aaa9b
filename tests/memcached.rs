//! The suite on memcached, and what only memcached can do: share out keys, refuse large values, forget, be cut off.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[path = "engine/warnings.rs"]
mod warnings;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, MemcachedStore, Record, Replaced, Store, StoreErrorKind, StoreKey, Stored, Touched,
    Version,
};
use cloakroom::testing::FakeClock;
use cloakroom_engines::{Memcached, Proxy, Weather};
use futures_util::future::join_all;

/// One server for all tests of this binary. Each uses keys of its own.
static SERVER: LazyLock<Memcached> = LazyLock::new(own_server);

async fn connect() -> MemcachedStore {
    MemcachedStore::connect(&SERVER.url()).await.unwrap()
}

cloakroom::store_conformance!(connect());
cloakroom::store_races!(connect());
cloakroom::store_endurance!(connect());

/// A server for one test alone, which is going to disturb it.
fn own_server() -> Memcached {
    Memcached::start().unwrap_or_else(|error| panic!("{error}"))
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

/// What a record is called in memcached.
fn name(number: u8) -> String {
    format!("cloakroom:{}", key(number))
}

const FAR: Timestamp = Timestamp::from_secs(4_102_444_800);

fn record(data: &str) -> Record {
    Record::new(data.to_owned(), FAR, Some("ada".into()))
}

async fn create(store: &MemcachedStore, number: u8, data: &str) -> Version {
    match store.create(&key(number), &record(data)).await.unwrap() {
        Created::Done(version) => version,
        Created::Taken => panic!("{number} is taken"),
    }
}

async fn load(store: &MemcachedStore, number: u8) -> Option<Stored> {
    store.load(&key(number)).await.unwrap()
}

#[tokio::test]
async fn each_call_is_one_look_and_at_most_one_write_and_a_touch_is_one_look_more() {
    let server = own_server();
    let store = MemcachedStore::connect(&server.url()).await.unwrap();
    let mut version = create(&store, 1, "first").await;
    let mut before = [0; 2];
    let mut counts = || {
        let now = [server.count("cmd_get "), server.count("cmd_set ")];
        let counts = [now[0] - before[0], now[1] - before[1]];
        before = now;
        counts
    };
    counts();
    load(&store, 1).await.unwrap();
    assert_eq!(counts(), [1, 0], "load");
    create(&store, 2, "second").await;
    assert_eq!(counts(), [1, 1], "create");
    for call in ["replace", "replace again"] {
        let replaced = store.replace(&key(1), version, &record(call)).await.unwrap();
        let Replaced::Done(next) = replaced else { panic!("{replaced:?}") };
        version = next;
        assert_eq!(counts(), [1, 1], "{call}");
    }
    let late = store.replace(&key(1), Version::FIRST, &record("late")).await.unwrap();
    assert!(matches!(late, Replaced::Conflict(_)));
    assert_eq!(counts()[0], 1, "a conflict says what is there");
    assert_eq!(store.touch(&key(1), version, Timestamp::MAX).await.unwrap(), Touched::Done);
    assert_eq!(counts(), [2, 1], "touch");
    let late = store.touch(&key(1), Version::FIRST, Timestamp::MAX).await.unwrap();
    assert_eq!((late, counts()), (Touched::Changed, [1, 0]), "touch of an old version");
    assert!(store.remove(&key(1)).await.unwrap());
    assert_eq!(counts(), [0, 0], "remove");
}

#[tokio::test]
async fn a_version_outlasts_touches_and_no_other_fits() {
    let store = connect().await;
    let version = create(&store, 10, "first").await;
    for seconds in 1..=3 {
        let end = Timestamp::from_secs(5_000_000_000 + seconds);
        assert_eq!(store.touch(&key(10), version, end).await.unwrap(), Touched::Done);
        assert_eq!(load(&store, 10).await.unwrap().version, version);
    }
    // A touch is a write to memcached, with a number of its own.
    let gets = SERVER.command(&format!("gets {}", name(10)), &["END"]);
    let touched: u64 = gets.lines().next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert_ne!(touched, version.number());
    for wrong in [0, 1, touched + 1, u64::MAX] {
        let late = store.replace(&key(10), Version::from_number(wrong), &record("late")).await;
        assert!(matches!(late.unwrap(), Replaced::Conflict(_)), "{wrong}");
        let late = store.touch(&key(10), Version::from_number(wrong), FAR).await;
        assert_eq!(late.unwrap(), Touched::Changed, "{wrong}");
    }
    let replaced = store.replace(&key(10), version, &record("second")).await.unwrap();
    let Replaced::Done(next) = replaced else { panic!("{replaced:?}") };
    let late = store.replace(&key(10), version, &record("late")).await.unwrap();
    assert_eq!(late, Replaced::Conflict(Stored { record: record("second"), version: next }));
}

#[tokio::test]
async fn touches_at_once_all_hold_and_disturb_no_write() {
    let store = connect().await;
    let mut version = create(&store, 11, "first").await;
    let touch_all = |version| {
        let mut touches = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let store = store.clone();
            touches.spawn(async move { store.touch(&key(11), version, FAR).await.unwrap() });
        }
        touches
    };
    for _ in 0..20 {
        assert_eq!(touch_all(version).join_all().await, [Touched::Done; 8]);
        let touches = touch_all(version);
        match store.replace(&key(11), version, &record("next")).await.unwrap() {
            Replaced::Done(next) => version = next,
            other => panic!("a touch made it {other:?}"),
        }
        assert!(!touches.join_all().await.contains(&Touched::Gone), "nobody removed it");
        assert_eq!(load(&store, 11).await.unwrap().version, version);
    }
}

#[tokio::test]
async fn several_servers_have_a_share_each_and_all_processes_agree() {
    let servers = [own_server(), own_server(), own_server()];
    let places: Vec<String> =
        servers.iter().map(|server| server.url().replace("memcached://", "")).collect();
    let store =
        MemcachedStore::connect(&format!("memcached://{}", places.join(","))).await.unwrap();
    for number in 0..60 {
        create(&store, number, "data").await;
    }
    let shares = servers.each_ref().map(|server| server.count("curr_items "));
    assert_eq!(shares.iter().sum::<u64>(), 60);
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    let turned = places.iter().rev().cloned().collect::<Vec<_>>().join(",");
    let other = MemcachedStore::connect(&format!("memcached://{turned}/")).await.unwrap();
    for number in 0..60 {
        assert!(other.remove(&key(number)).await.unwrap(), "{number}");
    }
}

#[tokio::test]
async fn s74_s78_a_record_that_is_too_large_is_rejected_and_the_old_one_stays() {
    let store = connect().await;
    let version = create(&store, 12, "small").await;
    let large = record(&"x".repeat(5 << 20));
    let refused = [
        store.create(&key(13), &large).await.unwrap_err(),
        store.replace(&key(12), version, &large).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), StoreErrorKind::Rejected);
        let advice = std::error::Error::source(&error).unwrap().to_string();
        assert!(advice.contains("-I"), "{advice}");
    }
    assert_eq!(load(&store, 12).await, Some(Stored { record: record("small"), version }));
    assert_eq!(load(&store, 13).await, None);
}

#[tokio::test]
async fn s78_a_full_memcached_rejects_writes_and_keeps_what_it_has() {
    let server = Memcached::start_with(&["-M", "-m", "8"]).unwrap();
    let store = MemcachedStore::connect(&server.url()).await.unwrap();
    let version = create(&store, 1, "small").await;
    let large = record(&"x".repeat(200_000));
    let mut created = 0;
    let error = loop {
        created += 1;
        assert!(created < 250, "it is never full");
        if let Err(error) = store.create(&key(created), &large).await {
            break error;
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let error = store.replace(&key(1), version, &large).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert_eq!(load(&store, 1).await, Some(Stored { record: record("small"), version }));
    assert!(store.remove(&key(2)).await.unwrap());
    assert!(matches!(store.create(&key(2), &large).await, Ok(Created::Done(_))));
}

#[tokio::test]
async fn s77_what_memcached_forgot_is_gone_and_nothing_errs() {
    let server = own_server();
    let store = MemcachedStore::connect(&server.url()).await.unwrap();
    let version = create(&store, 1, "data").await;
    assert_eq!(server.command("flush_all", &["OK"]), "OK\r\n");
    assert_eq!(load(&store, 1).await, None);
    let replaced = store.replace(&key(1), version, &record("late")).await.unwrap();
    assert_eq!(replaced, Replaced::Gone);
    assert_eq!(store.touch(&key(1), version, FAR).await.unwrap(), Touched::Gone);
    assert!(!store.remove(&key(1)).await.unwrap());
}

#[tokio::test]
async fn every_key_has_an_end_as_far_as_memcached_can_count() {
    let server = own_server();
    let clock = FakeClock::at(1_000_000.0);
    let options = MemcachedStore::options(&server.url()).clock(clock.clone());
    let store = options.connect().await.unwrap();
    let month = 30 * 86_400;
    for (seconds, expected) in [
        (100, 160),
        (-5, 60),
        (month - 60, month),
        (month - 59, month + 1),
        (400 * 86_400, 400 * 86_400 + 60),
    ] {
        let end = Timestamp::from_secs(1_000_000 + seconds);
        let _ = store.create(&key(1), &Record::new("", end, None)).await.unwrap();
        let left = time_to_live(&server, 1);
        assert!((expected - 5..=expected + 1).contains(&left), "{seconds}: {left}");
        assert!(store.remove(&key(1)).await.unwrap());
    }
    // 2038 and later.
    let created = store.create(&key(1), &Record::new("", Timestamp::MAX, None)).await.unwrap();
    let Created::Done(version) = created else { panic!("{created:?}") };
    assert_eq!(time_to_live(&server, 1), -1);
    let end = Timestamp::from_secs(1_000_500);
    assert_eq!(store.touch(&key(1), version, end).await.unwrap(), Touched::Done);
    assert!((555..=561).contains(&time_to_live(&server, 1)));
}

fn time_to_live(server: &Memcached, number: u8) -> i64 {
    let said = server.command(&format!("mg {} t", name(number)), &["HD", "EN"]);
    said.trim_end().strip_prefix("HD t").unwrap().parse().unwrap()
}

#[tokio::test]
async fn s73_what_is_no_record_is_corrupt_and_not_absent() {
    let store = connect().await;
    let set = format!("set {} 0 0 5\r\nshort", name(14));
    assert_eq!(SERVER.command(&set, &["STORED"]), "STORED\r\n");
    assert_eq!(store.load(&key(14)).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
    let touched = store.touch(&key(14), Version::FIRST, FAR).await;
    assert_eq!(touched.unwrap_err().kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_memcached_without_versions_is_refused() {
    let server = Memcached::start_with(&["-C"]).unwrap();
    let store = MemcachedStore::connect(&server.url()).await.unwrap();
    let error = store.create(&key(1), &record("data")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    assert_eq!(store.load(&key(1)).await.unwrap_err().kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn s75_a_server_that_is_not_there_is_unavailable_within_the_budget() {
    let nowhere = |url: &str| {
        MemcachedStore::options(url).connect_timeout(Duration::from_millis(300)).connect()
    };
    let error = nowhere("memcached://127.0.0.1:1").await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let one_of_two = format!("{},127.0.0.1:1", SERVER.url());
    assert_eq!(nowhere(&one_of_two).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let proxy = Proxy::to(&SERVER.url()).unwrap();
    proxy.set(Weather::Lose);
    let error = nowhere(&proxy.before(&SERVER.url())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TimedOut);
    for url in ["http://example.org", "memcached://", "memcached://a:b"] {
        assert_eq!(nowhere(url).await.unwrap_err().kind(), StoreErrorKind::Rejected, "{url}");
    }
}

#[tokio::test]
async fn a_prefix_that_memcached_would_misread_is_refused() {
    let url = SERVER.url();
    for prefix in ["a b", "a\r\nflush_all\r\n", "a\0", &"x".repeat(219)] {
        let error = MemcachedStore::options(&url).prefix(prefix).connect().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Rejected, "{prefix:?}");
    }
    let longest = MemcachedStore::options(&url).prefix("x".repeat(218)).connect().await.unwrap();
    create(&longest, 1, "data").await;
    assert_eq!(load(&connect().await, 1).await, None, "keys with another prefix are others");
}

#[tokio::test]
async fn s75_a_server_that_was_restarted_is_found_again_at_once() {
    let mut server = own_server();
    let store = MemcachedStore::connect(&server.url()).await.unwrap();
    let mut version = Version::FIRST;
    for data in ["first", "second"] {
        version = create(&store, 1, data).await;
        server.restart().unwrap();
        assert_eq!(load(&store, 1).await, None);
    }
    server.restart().unwrap();
    // So that the runtime hears of it. A write is not sent twice: it may have been done.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let replaced = store.replace(&key(1), version, &record("late")).await.unwrap();
    assert_eq!(replaced, Replaced::Gone, "a write finds a new connection too");
}

#[tokio::test]
async fn s75_connections_that_were_forgotten_on_the_way_are_left_within_a_second_of_waiting() {
    let server = own_server();
    let proxy = Proxy::to(&server.url()).unwrap();
    let store = MemcachedStore::connect(&proxy.before(&server.url())).await.unwrap();
    let visitors = async |from: u8| {
        let mut all = tokio::task::JoinSet::new();
        for number in from..from + 12 {
            let store = store.clone();
            all.spawn(async move { create(&store, number, "data").await });
        }
        all.join_all().await;
    };
    visitors(0).await;
    proxy.set(Weather::Lose);
    proxy.set(Weather::Fair);
    // Idle, as connections are that are forgotten.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // Each of them in the time that the factory gives a request's calls.
    tokio::time::timeout(Duration::from_secs(3), visitors(100)).await.unwrap();
}

#[tokio::test]
async fn s75_a_connection_that_was_cut_off_is_not_used_again() {
    let server = own_server();
    let proxy = Proxy::to(&server.url()).unwrap();
    let store = MemcachedStore::connect(&proxy.before(&server.url())).await.unwrap();
    create(&store, 1, "data").await;
    for weather in [Weather::ResetMidReply, Weather::Refuse] {
        proxy.set(weather);
        assert_eq!(store.load(&key(1)).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        proxy.set(Weather::Fair);
        assert!(load(&store, 1).await.is_some(), "after {weather:?}");
    }
}

#[tokio::test]
async fn s77_an_answer_to_a_call_that_was_given_up_reaches_nobody() {
    let server = own_server();
    let proxy = Proxy::to(&server.url()).unwrap();
    let options = MemcachedStore::options(&proxy.before(&server.url())).max_connections(1);
    let store = options.connect().await.unwrap();
    create(&store, 1, "ada's").await;
    let version = create(&store, 2, "bob's").await;
    for _ in 0..10 {
        // Asked for, and answered only when nobody waits any more.
        proxy.set(Weather::Stall);
        let waiting = Duration::from_millis(20);
        assert!(tokio::time::timeout(waiting, store.load(&key(1))).await.is_err());
        let (bob, late) = (key(2), record("bob's"));
        let late = store.replace(&bob, version, &late);
        assert!(tokio::time::timeout(waiting, late).await.is_err());
        proxy.set(Weather::Fair);
        assert_eq!(load(&store, 2).await.unwrap().record, record("bob's"));
        assert_eq!(load(&store, 3).await, None);
        assert_eq!(load(&store, 1).await.unwrap().record, record("ada's"));
    }
}

/// The URL of what says this whenever it is asked what is there.
fn impostor(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("memcached://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Values are not text.
            for line in
                BufReader::new(stream.try_clone().unwrap()).split(b'\n').map_while(Result::ok)
            {
                let said = match line.split(|byte| *byte == b' ' || *byte == b'\r').next() {
                    Some(b"version") => "VERSION 1.6.18\r\n",
                    Some(b"gets") => &answer,
                    _ => continue,
                };
                stream.write_all(said.as_bytes()).unwrap();
            }
        }
    });
    url
}

#[tokio::test]
async fn s73_s77_an_answer_that_fits_no_question_is_an_error() {
    let (key_there, row) = (name(1), "\0".repeat(20));
    for answer in [
        format!("VALUE {} 0 20 7\r\n{row}\r\nEND\r\n", name(2)),
        format!("VALUE {key_there} 0 20 7\r\n{row}\r\nVALUE\r\n"),
        format!("VALUE {key_there} 0 19 7\r\n{row}\r\nEND\r\n"),
        format!("VALUE {key_there} 0 99999999999999999999 7\r\n"),
        format!("VALUE {key_there} 0 2000000000 7\r\n"),
        format!("VALUE {key_there} 0 20\r\n{row}\r\nEND\r\n"),
        format!("VALUE {key_there} 0 20 7\n{row}\nEND\n"),
        "x".repeat(5000),
        "ERROR\r\n".to_owned(),
        "END".to_owned() + &" ".repeat(2000) + "\r\n",
    ] {
        let store = MemcachedStore::connect(&impostor(answer.clone())).await.unwrap();
        for _ in 0..2 {
            let error = store.load(&key(1)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{answer:.60}");
        }
    }
    let refused = impostor("SERVER_ERROR nobody is behind me\r\n".to_owned());
    let store = MemcachedStore::connect(&refused).await.unwrap();
    assert_eq!(store.load(&key(1)).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn s62_what_another_wrote_right_after_is_not_taken_for_ones_own() {
    // Stored, and what is there a moment later took the place of item 7, which is not what was to be replaced.
    let row = "\0".repeat(20);
    let overtaken = format!("STORED\r\nVALUE {} 7 20 8\r\n{row}\r\nEND\r\n", name(1));
    let store = MemcachedStore::connect(&impostor(overtaken)).await.unwrap();
    let created = store.create(&key(1), &record("data")).await.unwrap();
    assert_eq!(created, Created::Done(Version::from_number(0)), "a version that nothing has");
    for (expected, version) in [(6, 0), (7, 8)] {
        let replaced =
            store.replace(&key(1), Version::from_number(expected), &record("data")).await;
        assert_eq!(replaced.unwrap(), Replaced::Done(Version::from_number(version)), "{expected}");
    }
}

#[tokio::test]
async fn s75_more_calls_than_connections_wait_for_each_other() {
    let server = own_server();
    let store = MemcachedStore::options(&server.url()).max_connections(2).connect().await.unwrap();
    create(&store, 1, "data").await;
    let before = server.count("total_connections ");
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        calls.spawn(async move { load(&store, 1).await.is_some() });
    }
    assert_eq!(calls.join_all().await, [true; 50]);
    let more = server.count("total_connections ") - before;
    assert!(more <= 1 + 1, "{more}: the second of two, and the one that counts");
    let none = MemcachedStore::options(&server.url()).max_connections(0).connect().await;
    assert_eq!(none.unwrap_err().kind(), StoreErrorKind::Rejected);
}

#[tokio::test]
async fn s87_neither_debug_nor_errors_show_a_password() {
    let url = SERVER.url().replace("://", "://nobody:hunter2@");
    let error = MemcachedStore::connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
    let shown = format!("{error:?} {error} {:?}", connect().await);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn s75_connections_that_were_forgotten_on_the_way_are_left_at_once() {
    let server = own_server();
    let proxy = Proxy::to(&server.url()).unwrap();
    let store = MemcachedStore::connect(&proxy.before(&server.url())).await.unwrap();
    create(&store, 1, "one").await;
    // So that none is back before the next is lent.
    proxy.set(Weather::Delay(Duration::from_millis(50)));
    join_all((0..10).map(|_| load(&store, 1))).await;
    assert!(proxy.opened() >= 10, "{}", proxy.opened());
    proxy.set(Weather::Lose);
    proxy.set(Weather::Fair);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let first = key(1);
    // Less time than a question whether a connection is there may take.
    let visit = || tokio::time::timeout(Duration::from_millis(500), store.load(&first));
    for given_up in 0.. {
        assert!(given_up < 5, "one for each connection");
        if visit().await.is_ok_and(|there| there.unwrap().is_some()) {
            return;
        }
    }
}

#[tokio::test]
async fn a_clock_that_differs_from_the_server_s_is_said_at_the_start() {
    let early = MemcachedStore::options(&SERVER.url()).clock(FakeClock::at(1_000_000.0));
    warnings::assert_an_early_clock_is_said(connect(), early.connect()).await;
}
