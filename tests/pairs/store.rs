//! The store of a run: in memory, each call a point for the scheduler, one of them failing if the run wishes so.
//!
//! All that depends on the methods of the store's trait is here.

use std::fmt::Debug;
use std::sync::Arc;

use cloakroom::Timestamp;
use cloakroom::store::{
    Created, Index, Listed, MemoryStore, Record, Replaced, Result, Store, StoreErrorKind, StoreKey,
    Stored, Touched, Version,
};

use crate::run::{Call, Event, Run, When};

/// What is wrong with a store, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// `replace` writes over what others wrote.
    Overwrites,
    /// `replace` creates what is no more.
    Revives,
    /// `remove` only says so.
    Keeps,
}

/// A store in memory that obeys a [`Run`].
#[derive(Clone)]
pub struct Scheduled {
    pub flaw: Flaw,
    pub store: MemoryStore,
    pub run: Arc<Run>,
}

impl Scheduled {
    /// Waits for its turn, then makes the call, or lets it fail before or after it took effect.
    ///
    /// `told` is the answer in a word, and whether something in the store is different now.
    async fn call<T: Debug>(
        &self,
        (name, key): (&'static str, Option<&StoreKey>),
        call: impl Future<Output = Result<T>>,
        told: impl FnOnce(&T) -> (String, bool),
    ) -> Result<T> {
        if !self.run.is_on() {
            return call.await;
        }
        self.run.point_of_call().await;
        let (who, failed) = self.run.count();
        let note = |(answer, has_effect)| {
            let key = key.copied();
            self.run.note(Event::Call(Call { who, name, key, answer, has_effect, failed }));
        };
        // The same error in both cases: a caller cannot know which it was.
        let lost = Err(StoreErrorKind::Unavailable.into());
        if failed == Some(When::Before) {
            note((String::new(), false));
            return lost;
        }
        let answer = call.await?;
        note(told(&answer));
        if failed.is_some() { lost } else { Ok(answer) }
    }
}

/// With its flaw, if it has one.
impl Scheduled {
    async fn replaced(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let replaced = self.store.replace(key, expected, record).await?;
        match (self.flaw, replaced) {
            (Flaw::Overwrites, Replaced::Conflict(other)) => {
                self.store.replace(key, other.version, record).await
            }
            (Flaw::Revives, Replaced::Gone) => match self.store.create(key, record).await? {
                Created::Done(version) => Ok(Replaced::Done(version)),
                Created::Taken => Ok(Replaced::Gone),
            },
            (_, replaced) => Ok(replaced),
        }
    }
}

fn version(stored: &Stored) -> String {
    format!("v{}", stored.version.number())
}

impl Store for Scheduled {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let told =
            |found: &Option<Stored>| (found.as_ref().map_or("nothing".to_owned(), version), false);
        self.call(("load", Some(key)), self.store.load(key), told).await
    }

    async fn create(&self, key: &StoreKey, record: &Record) -> Result<Created> {
        let told = |created: &Created| (String::new(), matches!(created, Created::Done(_)));
        self.call(("create", Some(key)), self.store.create(key, record), told).await
    }

    async fn replace(
        &self,
        key: &StoreKey,
        expected: Version,
        record: &Record,
    ) -> Result<Replaced> {
        let told = |replaced: &Replaced| match replaced {
            Replaced::Done(version) => (format!("done v{}", version.number()), true),
            Replaced::Conflict(stored) => (format!("conflict {}", version(stored)), false),
            Replaced::Gone => ("gone".to_owned(), false),
        };
        self.call(("replace", Some(key)), self.replaced(key, expected, record), told).await
    }

    async fn touch(&self, key: &StoreKey, seen: Version, expires_at: Timestamp) -> Result<Touched> {
        let told = |touched: &Touched| (format!("{touched:?}"), *touched == Touched::Done);
        self.call(("touch", Some(key)), self.store.touch(key, seen, expires_at), told).await
    }

    async fn remove(&self, key: &StoreKey) -> Result<bool> {
        let told = |removed: &bool| (removed.to_string(), *removed);
        let removed = async {
            if self.flaw == Flaw::Keeps { Ok(true) } else { self.store.remove(key).await }
        };
        self.call(("remove", Some(key)), removed, told).await
    }

    async fn await_replication(&self, key: &StoreKey) -> Result<()> {
        let told = |(): &()| (String::new(), false);
        self.call(("confirm", Some(key)), self.store.await_replication(key), told).await
    }
}

impl Index for Scheduled {
    async fn list(&self, owner: &str) -> Result<Vec<Listed>> {
        let told = |listed: &Vec<Listed>| (listed.len().to_string(), false);
        self.call(("list", None), self.store.list(owner), told).await
    }

    async fn count(&self, owner: &str) -> Result<usize> {
        self.call(("count", None), self.store.count(owner), |n| (n.to_string(), false)).await
    }

    async fn remove_of(&self, owner: &str, key: &StoreKey) -> Result<bool> {
        let told = |removed: &bool| (removed.to_string(), *removed);
        self.call(("remove_of", Some(key)), self.store.remove_of(owner, key), told).await
    }

    async fn remove_all_but(&self, owner: &str, keep: Option<&StoreKey>) -> Result<usize> {
        let told = |n: &usize| (n.to_string(), *n > 0);
        self.call(("remove_all_but", None), self.store.remove_all_but(owner, keep), told).await
    }
}
