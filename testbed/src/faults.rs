//! The store behind the scenes: what it was asked, and how it is made to fail.

use std::collections::BTreeMap;

use cloakroom::store::{Store, StoreErrorKind};
use cloakroom::testing::{Call, Fault, FaultyStore};
use serde::{Deserialize, Deserializer, de};

/// A store whose calls are counted and can be made to fail, whatever it is.
pub(crate) trait Faulty: Send + Sync {
    /// How often each kind of call was made.
    fn calls(&self) -> BTreeMap<&'static str, u64>;
    /// Lets a call go wrong from now on.
    fn fail(&self, failing: Failing);
    /// Lets everything work again.
    fn heal(&self);
}

/// A call, and how it goes wrong.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Failing {
    #[serde(deserialize_with = "call")]
    call: Call,
    fault: FaultName,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultName {
    /// It is never answered.
    Hang,
    /// It is not done, and answered with an error.
    Fail,
    /// It is done, and answered with an error.
    Lost,
    /// It is done, and the record that comes back is damaged.
    Garbage,
}

fn call<'de, D: Deserializer<'de>>(input: D) -> Result<Call, D::Error> {
    let name = String::deserialize(input)?;
    let known = Call::ALL.into_iter().find(|call| call.name() == name);
    known.ok_or_else(|| de::Error::custom(format!("no call {name}")))
}

impl<S: Store> Faulty for FaultyStore<S> {
    fn calls(&self) -> BTreeMap<&'static str, u64> {
        Call::ALL.into_iter().map(|call| (call.name(), self.calls(call))).collect()
    }

    fn fail(&self, Failing { call, fault }: Failing) {
        let fault = match fault {
            FaultName::Hang => Fault::Hang,
            FaultName::Fail => Fault::Before(StoreErrorKind::Unavailable),
            FaultName::Lost => Fault::After(StoreErrorKind::Unavailable),
            FaultName::Garbage => Fault::Garbage,
        };
        self.fail(call, fault);
    }

    fn heal(&self) {
        self.heal();
    }
}
