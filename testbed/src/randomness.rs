//! Randomness that anybody can foretell, so that two processes with the same seed make the same tickets and tokens.

use std::sync::{Mutex, PoisonError};

use cloakroom::Error;
use cloakroom::random::Random;
use cloakroom_testbed::Dice;

/// The same bytes in each process with this seed, in the order in which they are drawn.
pub(crate) struct Foretold(Mutex<Dice>);

impl Foretold {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Mutex::new(Dice::new(seed)))
    }
}

impl Random for Foretold {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Below 256, so that nothing is cut off.
        buffer.fill_with(|| dice.below(256) as u8);
        Ok(())
    }
}
