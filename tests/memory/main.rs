//! The memory store from outside: against a plain model, and with many threads at once.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, MemoryStore, Record, Replaced, Store, StoreErrorKind, StoreKey, Sweep, Touched,
    Version,
};
use cloakroom::testing::FakeClock;

mod model;

/// The memory store never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory store waits for something"),
    }
}

fn key(number: u8) -> StoreKey {
    StoreKey::from_bytes([number; 16])
}

fn record(data: impl ToString, expires_at: i64, owner: Option<&str>) -> Record {
    let expires_at = Timestamp::from_secs(expires_at);
    Record::new(data.to_string().into_bytes(), expires_at, owner.map(Arc::from))
}

fn create(store: &MemoryStore, number: u8, expires_at: i64, owner: Option<&str>) {
    let created = now(store.create(&key(number), &record(number, expires_at, owner))).unwrap();
    assert_eq!(created, Created::Done(Version::FIRST), "record {number}");
}

fn there(store: &MemoryStore, numbers: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let is_there = |number: &u8| now(store.load(&key(*number))).unwrap().is_some();
    numbers.into_iter().filter(is_there).collect()
}

/// Runs this on so many threads, which begin together.
fn together(threads: usize, run: impl Fn(usize) + Sync) {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        for number in 0..threads {
            let (start, run) = (&start, &run);
            scope.spawn(move || {
                start.wait();
                run(number);
            });
        }
    });
}

#[test]
fn s62_no_increment_of_64_threads_is_lost() {
    let store = MemoryStore::new();
    let _ = now(store.create(&key(1), &record(0, i64::MAX, None))).unwrap();
    let increment = || {
        let mut seen = now(store.load(&key(1))).unwrap().unwrap();
        loop {
            let text = std::str::from_utf8(&seen.record.data).unwrap();
            let next = record(text.parse::<u64>().unwrap() + 1, i64::MAX, None);
            match now(store.replace(&key(1), seen.version, &next)).unwrap() {
                Replaced::Done(version) => return assert_ne!(version, seen.version),
                Replaced::Conflict(other) => seen = other,
                Replaced::Gone => panic!("nobody removed it"),
            }
        }
    };
    together(64, |_| (0..250).for_each(|_| increment()));
    let stored = now(store.load(&key(1))).unwrap().unwrap();
    assert_eq!(stored.record.data[..], *b"16000");
}

#[test]
fn s64_what_remove_all_but_removed_no_replace_revives() {
    for _ in 0..50 {
        let store = MemoryStore::builder().clock(FakeClock::at(0.0)).build();
        (0..16).for_each(|number| create(&store, number, 100, Some("ada")));
        let removed = AtomicBool::new(false);
        together(5, |thread| {
            if thread == 0 {
                let count = now(store.remove_all_but("ada", Some(&key(3)))).unwrap();
                removed.store(true, Ordering::SeqCst);
                assert_eq!(count, 15);
                return;
            }
            for number in (0..16).filter(|number| *number != 3) {
                write_until_gone(&store, number, &removed, |_| Some("ada"));
            }
        });
        assert_eq!(there(&store, 0..16), [3]);
        let listed = now(store.list("ada")).unwrap();
        assert_eq!(listed.iter().map(|one| one.key).collect::<Vec<_>>(), [key(3)]);
        assert_eq!(now(store.count("ada")).unwrap(), 1);
    }
}

#[test]
fn s64_owners_that_change_meanwhile_leave_nothing_in_the_index() {
    const OWNERS: [Option<&str>; 3] = [Some("ada"), Some("bob"), None];
    for _ in 0..15 {
        let store = MemoryStore::builder().clock(FakeClock::at(0.0)).build();
        (0..16).for_each(|number| create(&store, number, 100, None));
        let removed = AtomicBool::new(false);
        together(6, |thread| match thread {
            0 => (0..200).for_each(|_| drop(now(store.list("ada")).unwrap())),
            1 => {
                (0..16).for_each(|number| remove_as_whoever_it_is(&store, number));
                removed.store(true, Ordering::SeqCst);
            }
            _ => (0..16).for_each(|number| {
                let owner = |version| OWNERS[version as usize % 3];
                write_until_gone(&store, number, &removed, owner);
            }),
        });
        let counts = store.counts();
        assert_eq!((counts.records, counts.owned), (0, 0));
        assert_eq!(now(store.count("ada")).unwrap() + now(store.count("bob")).unwrap(), 0);
    }
}

/// Replaces a record again and again, with the owner that its version gives, until somebody removed it.
fn write_until_gone(
    store: &MemoryStore,
    number: u8,
    removed: &AtomicBool,
    owner: impl Fn(u64) -> Option<&'static str>,
) {
    let mut version = Version::FIRST;
    loop {
        let must_be_gone = removed.load(Ordering::SeqCst);
        let next = record("again", 100, owner(version.number()));
        match now(store.replace(&key(number), version, &next)).unwrap() {
            Replaced::Done(next) => version = next,
            Replaced::Conflict(other) => version = other.version,
            Replaced::Gone => return,
        }
        assert!(!must_be_gone, "record {number} is there after it was removed");
    }
}

/// The owner changes all the time, so that some tries hit and some miss; what is left then goes whoever has it.
fn remove_as_whoever_it_is(store: &MemoryStore, number: u8) {
    for _ in 0..100 {
        let was_adas = now(store.remove_of("ada", &key(number))).unwrap();
        if was_adas || now(store.remove_all_but("bob", None)).unwrap() > 0 {
            break;
        }
        thread::yield_now();
    }
    let _ = now(store.remove(&key(number))).unwrap();
}

#[test]
fn an_expired_record_makes_room_before_a_live_one_has_to_go() {
    let clock = FakeClock::at(0.0);
    let store = MemoryStore::builder().capacity(100).clock(clock.clone()).build();
    create(&store, 0, 10, None);
    (1..100).for_each(|number| create(&store, number, 1000, None));
    clock.advance(Duration::from_secs(11));
    create(&store, 100, 1000, None);
    assert_eq!(there(&store, 0..=100), (1..=100).collect::<Vec<_>>());
    let counts = store.counts();
    assert_eq!((counts.records, counts.evicted, counts.swept), (100, 0, 1));
}

#[test]
fn an_expired_record_with_an_owner_does_not_keep_a_full_store_shut() {
    let clock = FakeClock::at(0.0);
    let store = MemoryStore::builder().capacity(100).clock(clock.clone()).build();
    create(&store, 0, 10, Some("ada"));
    (1..100).for_each(|number| create(&store, number, 1000, Some("bob")));
    clock.advance(Duration::from_secs(11));
    create(&store, 100, 1000, None);
    assert_eq!(now(store.count("ada")).unwrap(), 0);
    assert_eq!(store.counts().owned, 99);
}

#[test]
fn s83_ten_thousand_anonymous_writers_put_out_no_owner() {
    let store = MemoryStore::builder().capacity(100).clock(FakeClock::at(0.0)).build();
    (0..50).for_each(|number| create(&store, number, 1000, Some("ada")));
    for number in 0..10_000_u128 {
        let key = StoreKey::from_bytes((number << 64 | 1).to_be_bytes());
        let created = now(store.create(&key, &record("junk", 9999, None))).unwrap();
        assert_eq!(created, Created::Done(Version::FIRST));
    }
    assert_eq!(there(&store, 0..50), (0..50).collect::<Vec<_>>());
    let counts = store.counts();
    assert_eq!((counts.records, counts.owned, counts.evicted), (100, 50, 9950));
}

#[test]
fn a_large_store_stays_within_its_bound_in_every_shard() {
    let store = MemoryStore::builder().capacity(4096).build();
    let mut done = 0;
    for number in 0..20_000_u128 {
        let number = number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let new = record("x", 253_402_300_799, None);
        let created = now(store.create(&StoreKey::from_bytes(number.to_be_bytes()), &new)).unwrap();
        done += usize::from(created == Created::Done(Version::FIRST));
    }
    let counts = store.counts();
    assert_eq!(counts.records + counts.evicted, done);
    assert_eq!(counts.records, 4096, "every shard is full after five times as many");
}

#[test]
fn a_store_without_room_refuses() {
    let store = MemoryStore::builder().capacity(0).build();
    let error = now(store.create(&key(1), &record("x", 100, None))).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Rejected);
}

#[test]
fn one_write_drops_four_expired_records_at_most() {
    let clock = FakeClock::at(0.0);
    let store = MemoryStore::builder().capacity(1000).clock(clock.clone()).build();
    (0..40).for_each(|number| create(&store, number, 10, Some("ada")));
    clock.advance(Duration::from_secs(11));
    create(&store, 100, 1000, None);
    let first = store.counts();
    assert!((1..=4).contains(&first.swept), "{first:?}");
    for _ in 0..11 {
        let stored = now(store.load(&key(100))).unwrap().unwrap();
        let _ = now(store.replace(&key(100), stored.version, &stored.record)).unwrap();
    }
    assert_eq!(store.counts().swept, 40, "a turn through 41 rows takes 11 writes");
    assert_eq!(now(store.count("ada")).unwrap(), 0);
}

#[test]
fn a_touched_record_is_not_swept_at_its_first_expiry() {
    let clock = FakeClock::at(0.0);
    let store = MemoryStore::builder().clock(clock.clone()).build();
    create(&store, 1, 10, None);
    create(&store, 2, 10, None);
    let touched = now(store.touch(&key(1), Version::FIRST, Timestamp::from_secs(20)));
    assert_eq!(touched.unwrap(), Touched::Done);
    let touched = now(store.touch(&key(3), Version::FIRST, Timestamp::from_secs(20)));
    assert_eq!(touched.unwrap(), Touched::Gone);
    assert_eq!(now(store.sweep(Timestamp::from_secs(10), 9)).unwrap(), 0, "not past its end");
    assert_eq!(now(store.sweep(Timestamp::from_secs(15), 9)).unwrap(), 1);
    assert_eq!(there(&store, 1..=3), [1]);
}

#[test]
fn a_sweep_removes_no_more_than_its_limit() {
    let store = MemoryStore::builder().clock(FakeClock::at(0.0)).build();
    (0..=255).for_each(|number| create(&store, number, 10, Some("ada")));
    let later = Timestamp::from_secs(11);
    let swept = [0, 100, 100, 100, 100].map(|limit| now(store.sweep(later, limit)).unwrap());
    assert_eq!(swept, [0, 100, 100, 56, 0]);
    assert_eq!((store.counts().swept, now(store.count("ada")).unwrap()), (256, 0));
}

#[test]
fn an_expiry_is_kept_to_the_microsecond_and_data_is_shared() {
    let store = MemoryStore::new();
    let exact = Timestamp::from_micros(253_402_300_799_123_456);
    let _ = now(store.create(&key(1), &Record::new(&b"data"[..], exact, None))).unwrap();
    let load = || now(store.load(&key(1))).unwrap().unwrap().record;
    assert_eq!(load().expires_at, exact);
    assert_eq!(load().data.as_ptr(), load().data.as_ptr());
    let before = load();
    let _ = now(store.replace(&key(1), Version::FIRST, &record("new", 1, None))).unwrap();
    assert_eq!(before.data[..], *b"data", "whoever has read it keeps what he read");
}

#[test]
fn an_owner_is_found_by_his_whole_name_only() {
    let store = MemoryStore::builder().clock(FakeClock::at(0.0)).build();
    for (number, owner) in ["", "a", "ada", "adam", "b", "\0"].into_iter().enumerate() {
        create(&store, number as u8, 10, Some(owner));
    }
    let listed: BTreeSet<_> =
        now(store.list("ada")).unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(listed, BTreeSet::from([key(2)]));
    assert_eq!(now(store.count("ada")).unwrap(), 1);
    assert!(!now(store.remove_of("ada", &key(3))).unwrap());
    assert_eq!(now(store.remove_all_but("", None)).unwrap(), 1);
    assert_eq!(there(&store, 0..6), [1, 2, 3, 4, 5]);
}

#[test]
fn a_clock_may_ask_the_store() {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        let asked = Arc::new(OnceLock::<MemoryStore>::new());
        let ask = asked.clone();
        let clock = move || {
            let records = ask.get().map_or(0, |store| store.counts().records);
            Timestamp::from_secs(records as i64)
        };
        let store = asked.get_or_init(|| MemoryStore::builder().clock(clock).build());
        create(store, 1, 100, None);
        let _ = now(store.replace(&key(1), Version::FIRST, &record("x", 1, None))).unwrap();
        done.send(store.counts().records)
    });
    let records = wait.recv_timeout(Duration::from_secs(60)).expect("the clock waits for a lock");
    assert_eq!(records, 1);
}
