//! Whether a call that failed is made once more, by what the failure means.

use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use hashbrown::DefaultHashBuilder;
use sqlx::Error;

use super::error::{Meaning, meaning};
use super::lent::Lender;
use super::{Dialect, LIMIT};

/// How often a statement is made again that others got in the way of.
const MOST: u32 = 10;
/// How often it is made on another connection.
const MOVES: u32 = 2;

/// What comes of making a call twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    Writes,
}

/// Those of one call.
pub(super) struct Attempts<'a, D: Dialect> {
    lender: &'a Lender<D>,
    effect: Effect,
    began: Instant,
    lost: u32,
    moved: u32,
    /// Whether one of them may have been done although it failed.
    pub(super) is_in_doubt: bool,
}

impl<'a, D: Dialect> Attempts<'a, D> {
    pub(super) fn new(lender: &'a Lender<D>, effect: Effect) -> Self {
        Self { lender, effect, began: Instant::now(), lost: 0, moved: 0, is_in_doubt: false }
    }

    /// Whether there is to be another one, after this failure on a connection that was taken then.
    pub(super) async fn go_on(&mut self, error: &Error, taken: Instant) -> bool {
        match meaning::<D>(error).0 {
            Meaning::Again => self.wait().await,
            Meaning::Elsewhere if self.lender.renewal().is_too_early(taken) => false,
            Meaning::Elsewhere => self.move_on(taken),
            Meaning::OutOfReach => {
                // What an answer ends has not been done, but for one case: PostgreSQL that shuts down while it waits
                // for a replica. Silence says nothing.
                let may = self.effect == Effect::Reads || matches!(error, Error::Database(_));
                self.is_in_doubt |= self.effect == Effect::Writes;
                self.move_on(taken) && may
            }
            Meaning::Taken | Meaning::Slow | Meaning::Refused | Meaning::Corrupt => false,
        }
    }

    fn move_on(&mut self, taken: Instant) -> bool {
        self.lender.renew(taken);
        self.moved += 1;
        self.moved <= MOVES
    }

    /// Lets those go first who won: at random, so that who lost together does not meet again.
    async fn wait(&mut self) -> bool {
        self.lost += 1;
        if self.lost > MOST || self.began.elapsed() >= LIMIT {
            return false;
        }
        let longest = Duration::from_millis(1 << self.lost.min(6));
        let part = DefaultHashBuilder::default().hash_one(self.lost) as u32;
        tokio::time::sleep(longest.mul_f64(f64::from(part) / f64::from(u32::MAX))).await;
        true
    }
}
