//! What the options made besides the session factory: counts, the index by owner, a clock that can be moved, a store
//! that can be made to fail. Operations and the routes behind the scenes get it; most need nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::testing::FakeClock;
use http::StatusCode;
use serde::Deserialize;

use crate::answer::{Answer, Outcome};
use crate::faults::Faulty;
use crate::operation::read;
use crate::owners::Owners;
use crate::stats::Stats;

/// What the options made besides the session factory. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    pub(crate) stats: Stats,
    /// Where the store has an index.
    pub(crate) owners: Option<Arc<dyn Owners>>,
    /// Where there is `--now`.
    pub(crate) clock: Option<FakeClock>,
    /// Where there is a store.
    pub(crate) store: Option<Arc<dyn Faulty>>,
}

#[derive(Deserialize)]
struct Move {
    advance: f64,
}

impl Setup {
    /// Moves the clock on: `{"advance": seconds}`.
    pub(crate) fn move_clock(&self, input: &str) -> Outcome {
        let Move { advance } = read(input)?;
        let clock =
            self.clock.as_ref().ok_or_else(|| missing("a clock that stands still: --now"))?;
        clock.advance(Duration::try_from_secs_f64(advance).map_err(Answer::bad_request)?);
        Answer::done()
    }

    /// Has a store call fail from now on, `{"call", "fault"}`, or everything work again, `{}`.
    pub(crate) fn set_fault(&self, input: &str) -> Outcome {
        let store = self.store.as_ref().ok_or_else(|| missing("a store"))?;
        match read::<BTreeMap<String, String>>(input)?.is_empty() {
            true => store.heal(),
            false => store.fail(read(input)?),
        }
        Answer::done()
    }

    /// What happened since the start.
    pub(crate) fn stats(&self) -> Outcome {
        let calls = self.store.as_ref().map_or_else(BTreeMap::new, |store| store.calls());
        Answer::json(&self.stats.counts(calls))
    }

    /// The index by owner, or 501.
    pub(crate) fn owners(&self) -> Result<&dyn Owners, Answer> {
        self.owners.as_deref().ok_or_else(|| missing("a store with an index by owner"))
    }
}

fn missing(what: &str) -> Answer {
    let detail = format!("this needs {what}");
    Answer::failure(StatusCode::NOT_IMPLEMENTED, "not_available", detail)
}
