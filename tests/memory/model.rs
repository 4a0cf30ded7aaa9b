//! Random calls, one after the other, on a small store and on a list in the order of last use: after each, both hold
//! the same, but for expired records and for the one that had to make room.

use proptest::prelude::*;

use super::*;

const CAPACITY: usize = 6;
const OWNERS: [Option<&str>; 4] = [None, None, Some("ada"), Some("bob")];

#[derive(Debug, Clone)]
enum Call {
    Create(u8, usize, i64),
    Replace(u8, usize, i64),
    ReplaceOther(u8),
    Touch(u8, i64),
    TouchOther(u8),
    Remove(u8),
    RemoveOf(usize, u8),
    RemoveAllBut(usize, u8),
    Sweep(usize),
    Advance(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let (number, owner, life) = (0..12_u8, 0..OWNERS.len(), 1..40_i64);
    prop_oneof![
        6 => (number.clone(), owner.clone(), life.clone()).prop_map(|(n, o, l)| Call::Create(n, o, l)),
        3 => (number.clone(), owner.clone(), life.clone()).prop_map(|(n, o, l)| Call::Replace(n, o, l)),
        1 => number.clone().prop_map(Call::ReplaceOther),
        2 => (number.clone(), life).prop_map(|(n, l)| Call::Touch(n, l)),
        1 => number.clone().prop_map(Call::TouchOther),
        1 => number.clone().prop_map(Call::Remove),
        1 => (owner.clone(), number.clone()).prop_map(|(o, n)| Call::RemoveOf(o, n)),
        1 => (owner, number).prop_map(|(o, n)| Call::RemoveAllBut(o, n)),
        1 => (0..4_usize).prop_map(Call::Sweep),
        1 => (0..15_u64).prop_map(Call::Advance),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    number: u8,
    version: u64,
    data: String,
    expires_at: i64,
    owner: Option<&'static str>,
}

/// The list, with the row that was used longest ago first.
struct Model {
    store: MemoryStore,
    clock: FakeClock,
    time: i64,
    writes: u32,
    rows: Vec<Row>,
    evicted: usize,
    swept: usize,
}

impl Model {
    fn new() -> Self {
        let clock = FakeClock::at(0.0);
        let store = MemoryStore::builder().capacity(CAPACITY).clock(clock.clone()).build();
        let rows = Vec::new();
        Self { store, clock, time: 0, writes: 0, rows, evicted: 0, swept: 0 }
    }

    fn run(&mut self, call: Call) {
        match call {
            Call::Create(number, owner, life) => self.create(number, OWNERS[owner], life),
            Call::Replace(number, owner, life) => self.replace(number, OWNERS[owner], life),
            Call::ReplaceOther(number) => self.replace_other(number),
            Call::Touch(number, life) => self.touch(number, life),
            Call::TouchOther(number) => self.touch_other(number),
            Call::Remove(number) => {
                let was_there = self.take(number).is_some();
                assert_eq!(now(self.store.remove(&key(number))).unwrap(), was_there);
            }
            Call::RemoveOf(owner, number) => self.remove_of(OWNERS[owner].unwrap_or(""), number),
            Call::RemoveAllBut(owner, number) => {
                let owner = OWNERS[owner].unwrap_or("");
                let before = self.rows.len();
                self.rows.retain(|row| row.owner != Some(owner) || row.number == number);
                let removed = now(self.store.remove_all_but(owner, Some(&key(number)))).unwrap();
                assert_eq!(removed, before - self.rows.len());
            }
            Call::Sweep(limit) => self.sweep(limit),
            Call::Advance(seconds) => {
                self.time += seconds as i64;
                self.clock.advance(Duration::from_secs(seconds));
            }
        }
        self.compare();
    }

    fn create(&mut self, number: u8, owner: Option<&'static str>, life: i64) {
        let (row, record) = self.written(number, 1, owner, life);
        match now(self.store.create(&key(number), &record)) {
            Ok(Created::Taken) => {
                assert!(self.rows.iter().any(|row| row.number == number));
                self.drop_swept();
            }
            Ok(Created::Done(version)) => {
                assert_eq!(version, Version::FIRST);
                if let Some(old) = self.take(number) {
                    assert!(self.is_expired(&old), "{old:?} was written over");
                    self.swept += 1;
                }
                self.drop_swept();
                self.drop_evicted();
                self.rows.push(row);
            }
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Rejected);
                self.drop_swept();
                assert_eq!(self.rows.len(), CAPACITY);
                assert!(self.rows.iter().all(|row| row.owner.is_some()));
                assert!(!self.is_expired(&self.rows[0]), "an expired one could have gone");
            }
        }
    }

    fn replace(&mut self, number: u8, owner: Option<&'static str>, life: i64) {
        let version = self.row(number).map_or(1, |row| row.version);
        let (mut row, record) = self.written(number, version, owner, life);
        let expected = Version::from_number(version);
        match now(self.store.replace(&key(number), expected, &record)).unwrap() {
            Replaced::Done(version) => {
                assert_ne!(version.number(), row.version, "a write gives another");
                row.version = version.number();
                self.take(number).expect("it was there");
                self.drop_swept();
                self.rows.push(row);
            }
            Replaced::Conflict(other) => panic!("there is no other: {other:?}"),
            Replaced::Gone => self.drop_swept(),
        }
        assert_eq!(self.row(number).is_some(), self.loaded(number).is_some());
    }

    fn replace_other(&mut self, number: u8) {
        let other = record("never", 99, None);
        let replaced = now(self.store.replace(&key(number), Version::from_number(0), &other));
        self.drop_swept();
        match (replaced.unwrap(), self.row(number)) {
            (Replaced::Conflict(stored), Some(row)) => {
                assert_eq!(stored.version.number(), row.version);
                assert_eq!(stored.record.data, row.data);
            }
            (Replaced::Gone, None) => (),
            other => panic!("{other:?}"),
        }
    }

    fn touch(&mut self, number: u8, life: i64) {
        let expires_at = self.time + life;
        let row = self.take(number);
        let seen = Version::from_number(row.as_ref().map_or(1, |row| row.version));
        let touched = now(self.store.touch(&key(number), seen, Timestamp::from_secs(expires_at)));
        let expected = if row.is_some() { Touched::Done } else { Touched::Gone };
        assert_eq!(touched.unwrap(), expected);
        self.rows.extend(row.map(|row| Row { expires_at, ..row }));
    }

    /// Also in the order of last use, nothing happens.
    fn touch_other(&mut self, number: u8) {
        let touched = now(self.store.touch(&key(number), Version::from_number(0), Timestamp::MAX));
        let expected = if self.row(number).is_some() { Touched::Changed } else { Touched::Gone };
        assert_eq!(touched.unwrap(), expected);
    }

    fn remove_of(&mut self, owner: &str, number: u8) {
        let is_his = self.row(number).is_some_and(|row| row.owner == Some(owner));
        assert_eq!(now(self.store.remove_of(owner, &key(number))).unwrap(), is_his);
        if is_his {
            self.take(number);
        }
    }

    fn sweep(&mut self, limit: usize) {
        let expired = self.rows.iter().filter(|row| self.is_expired(row)).count();
        let swept = now(self.store.sweep(Timestamp::from_secs(self.time), limit)).unwrap();
        assert_eq!(swept, expired.min(limit));
        let before = self.swept;
        self.drop_swept();
        assert_eq!(self.swept - before, swept);
    }

    /// Forgets the expired rows that the store dropped.
    fn drop_swept(&mut self) {
        let dropped = |row: &Row| self.is_expired(row) && self.loaded(row.number).is_none();
        let (dropped, rows): (Vec<_>, _) = self.rows.iter().cloned().partition(dropped);
        self.swept += dropped.len();
        self.rows = rows;
    }

    /// Forgets the row that made room: only where there was no room, and only the first of the anonymous ones.
    fn drop_evicted(&mut self) {
        if self.rows.len() < CAPACITY {
            return;
        }
        let first = self.rows.iter().position(|row| row.owner.is_none());
        let first = self.rows.remove(first.expect("only an anonymous record may go"));
        assert!(!self.is_expired(&first) && self.loaded(first.number).is_none(), "{first:?}");
        let owned = self.rows.iter().find(|row| row.owner.is_some());
        assert!(owned.is_none_or(|row| !self.is_expired(row)), "{owned:?} should have gone");
        self.evicted += 1;
    }

    fn compare(&self) {
        for number in 0..12 {
            assert_eq!(self.loaded(number).as_ref(), self.row(number));
        }
        for owner in ["ada", "bob", ""] {
            let his = self.rows.iter().filter(|row| row.owner == Some(owner));
            let his: BTreeSet<_> = his.map(|row| key(row.number)).collect();
            let listed = now(self.store.list(owner)).unwrap();
            assert_eq!(listed.into_iter().map(|one| one.key).collect::<BTreeSet<_>>(), his);
            assert_eq!(now(self.store.count(owner)).unwrap(), his.len());
        }
        let counts = self.store.counts();
        let owned = self.rows.iter().filter(|row| row.owner.is_some()).count();
        assert_eq!((counts.records, counts.owned), (self.rows.len(), owned));
        assert_eq!((counts.evicted, counts.swept), (self.evicted, self.swept));
    }

    fn written(
        &mut self,
        number: u8,
        version: u64,
        owner: Option<&'static str>,
        life: i64,
    ) -> (Row, Record) {
        self.writes += 1;
        let (data, expires_at) = (self.writes.to_string(), self.time + life);
        let new = record(&data, expires_at, owner);
        (Row { number, version, data, expires_at, owner }, new)
    }

    fn is_expired(&self, row: &Row) -> bool {
        row.expires_at < self.time
    }

    fn row(&self, number: u8) -> Option<&Row> {
        self.rows.iter().find(|row| row.number == number)
    }

    fn take(&mut self, number: u8) -> Option<Row> {
        let at = self.rows.iter().position(|row| row.number == number)?;
        Some(self.rows.remove(at))
    }

    fn loaded(&self, number: u8) -> Option<Row> {
        let stored = now(self.store.load(&key(number))).unwrap()?;
        let owner = stored.record.owner.as_deref();
        Some(Row {
            number,
            version: stored.version.number(),
            data: String::from_utf8(stored.record.data.to_vec()).unwrap(),
            expires_at: stored.record.expires_at.as_secs(),
            owner: OWNERS.into_iter().flatten().find(|known| owner == Some(*known)),
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_list_in_order_of_use_does(calls in prop::collection::vec(call(), 1..120)) {
        let mut model = Model::new();
        calls.into_iter().for_each(|call| model.run(call));
    }
}
