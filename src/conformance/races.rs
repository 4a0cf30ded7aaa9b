//! What several callers at once may rely on: of those that want the same, one gets it; nothing is lost or revived.
//!
//! Each race is run often enough for a store that reads and then writes, without anything in between to keep others
//! out, to be caught.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{any_key, create, far_away, record};
use crate::store::{Created, Record, Replaced, Store, StoreKey, Touched};
use crate::time::Timestamp;

suite! { $ races, Store, store_races, race_rules, run_races;
    every_replace_counts
    one_of_many_creates_the_record
    one_of_many_replaces_a_version
    one_of_many_removes_the_record
    a_replace_never_revives_what_is_removed
    a_touch_never_undoes_a_replace
    a_touch_never_revives_what_is_removed
}

const TASKS: usize = 16;
const ROUNDS: usize = 40;

/// Has `tasks` do the same at the same moment, each with its number, and collects what they answer.
async fn together<T, F>(tasks: usize, act: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(tasks));
    let mut set = JoinSet::new();
    for number in 0..tasks {
        let (barrier, act) = (barrier.clone(), act(number));
        set.spawn(async move {
            barrier.wait().await;
            act.await
        });
    }
    set.join_all().await
}

fn number(record: &Record) -> u64 {
    let digits = std::str::from_utf8(&record.data).expect("a number");
    digits.parse().expect("a number")
}

/// Adds one, as often as it takes.
async fn increment(store: &impl Store, key: &StoreKey) {
    let mut there = store.load(key).await.expect("load answers").expect("it is there");
    loop {
        let next = record((number(&there.record) + 1).to_string());
        match store.replace(key, there.version, &next).await.expect("replace answers") {
            Replaced::Done(_) => return,
            Replaced::Conflict(now) => there = now,
            Replaced::Gone => panic!("nobody removed the record, and it is gone"),
        }
    }
}

/// Many add to one number, each by replacing what it saw: the sum is exact.
pub async fn every_replace_counts<S: Store>(store: Arc<S>) {
    let key = any_key();
    create(&*store, &key, &record("0")).await;
    together(TASKS, |_| {
        let store = store.clone();
        async move {
            for _ in 0..ROUNDS {
                increment(&*store, &key).await;
            }
        }
    })
    .await;
    let there = store.load(&key).await.expect("load answers").expect("it is there");
    assert_eq!(number(&there.record), (TASKS * ROUNDS) as u64, "updates were lost");
}

/// The others are told `Taken`, and the record is the winner's.
pub async fn one_of_many_creates_the_record<S: Store>(store: Arc<S>) {
    for _ in 0..ROUNDS {
        let key = any_key();
        let answers = together(TASKS, |number| {
            let store = store.clone();
            async move {
                let created = store.create(&key, &record(number.to_string())).await;
                (number, created.expect("create answers"))
            }
        });
        let answers = answers.await;
        let done = |answer: &&(usize, Created)| matches!(answer.1, Created::Done(_));
        let winners: Vec<_> = answers.iter().filter(done).collect();
        assert_eq!(winners.len(), 1, "several created the same record: {winners:?}");
        let there = store.load(&key).await.expect("load answers").expect("it is there");
        assert_eq!(number(&there.record), winners[0].0 as u64, "a loser's record is there");
    }
}

/// The others are told of a conflict, with what the winner left.
pub async fn one_of_many_replaces_a_version<S: Store>(store: Arc<S>) {
    for _ in 0..ROUNDS {
        let key = any_key();
        let version = create(&*store, &key, &record("0")).await;
        let answers = together(TASKS, |number| {
            let store = store.clone();
            async move {
                let next = record((number + 1).to_string());
                (number + 1, store.replace(&key, version, &next).await.expect("replace answers"))
            }
        });
        let answers = answers.await;
        let done = |answer: &&(usize, Replaced)| matches!(answer.1, Replaced::Done(_));
        let winners: Vec<_> = answers.iter().filter(done).map(|answer| answer.0).collect();
        assert_eq!(winners.len(), 1, "several replaced the same version");
        for (_, answer) in &answers {
            match answer {
                Replaced::Done(_) => {}
                Replaced::Conflict(there) => {
                    assert_eq!(
                        number(&there.record),
                        winners[0] as u64,
                        "not what the winner left"
                    );
                }
                Replaced::Gone => panic!("nobody removed the record, and it is gone"),
            }
        }
    }
}

/// The others are told that it was not there.
pub async fn one_of_many_removes_the_record<S: Store>(store: Arc<S>) {
    for _ in 0..ROUNDS {
        let key = any_key();
        create(&*store, &key, &record("0")).await;
        let answers = together(TASKS, |_| {
            let store = store.clone();
            async move { store.remove(&key).await.expect("remove answers") }
        });
        let removed = answers.await.into_iter().filter(|removed| *removed).count();
        assert_eq!(removed, 1, "{removed} removed the same record");
    }
}

/// Whichever comes first, afterwards there is nothing.
pub async fn a_replace_never_revives_what_is_removed<S: Store>(store: Arc<S>) {
    for round in 0..10 * ROUNDS {
        let key = any_key();
        let version = create(&*store, &key, &record("0")).await;
        together(2, |number| {
            let store = store.clone();
            async move {
                // Each comes first in half of the rounds, as far as that can be told.
                if number == round % 2 {
                    assert!(store.remove(&key).await.expect("remove answers"));
                } else {
                    let _ =
                        store.replace(&key, version, &record("late")).await.expect("it answers");
                }
            }
        })
        .await;
        let there = store.load(&key).await.expect("load answers");
        assert_eq!(there, None, "a removed record was revived");
    }
}

/// In either order the replaced record stands as it was written, its end included: the touch comes before it, or finds
/// that it has changed.
pub async fn a_touch_never_undoes_a_replace<S: Store>(store: Arc<S>) {
    let next = Record::new("1", Timestamp::from_secs(4_000_000_000), None);
    for round in 0..10 * ROUNDS {
        let key = any_key();
        let version = create(&*store, &key, &record("0")).await;
        let answers = together(2, |number| {
            let (store, next) = (store.clone(), next.clone());
            async move {
                // Each comes first in half of the rounds, as far as that can be told.
                if number == round % 2 {
                    let touched = store.touch(&key, version, far_away()).await;
                    assert_ne!(touched.expect("touch answers"), Touched::Gone);
                    return None;
                }
                match store.replace(&key, version, &next).await.expect("replace answers") {
                    Replaced::Done(version) => Some(version),
                    other => panic!("a touch made it {other:?}"),
                }
            }
        });
        let replaced = answers.await.into_iter().flatten().next().expect("it was replaced");
        let there = store.load(&key).await.expect("load answers").expect("it is there");
        assert_eq!(there.record, next, "a touch undid a replace, or a part of it");
        // A version is of use only as long as it is the record's.
        assert_eq!(there.version, replaced, "a touch moved the version");
    }
}

/// Whichever comes first, afterwards there is nothing.
pub async fn a_touch_never_revives_what_is_removed<S: Store>(store: Arc<S>) {
    for round in 0..10 * ROUNDS {
        let key = any_key();
        let version = create(&*store, &key, &record("0")).await;
        together(2, |number| {
            let store = store.clone();
            async move {
                if number == round % 2 {
                    assert!(store.remove(&key).await.expect("remove answers"));
                } else {
                    let touched = store.touch(&key, version, far_away()).await;
                    assert_ne!(touched.expect("touch answers"), Touched::Changed);
                }
            }
        })
        .await;
        let there = store.load(&key).await.expect("load answers");
        assert_eq!(there, None, "a touch revived a removed record");
    }
}
