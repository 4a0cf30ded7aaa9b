//! For tests: a clock that stands still until it is moved, randomness that is known beforehand, and every error there is.
//!
//! ```
//! use cloakroom::testing::FakeClock;
//! use cloakroom::time::Clock;
//! use std::time::Duration;
//!
//! let clock = FakeClock::at(1_700_000_000.5);
//! let factory = cloakroom::SignedCookieFactory::builder(cloakroom::Secret::generate()?)
//!     .clock(clock.clone())
//!     .build()?;
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(clock.now().as_secs(), 1_700_000_060);
//! # Ok::<(), cloakroom::ConfigError>(())
//! ```

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Error;
use crate::random::Random;
use crate::time::{Clock, Timestamp};

mod errors;
mod faulty;

pub use errors::errors;
pub use faulty::{Call, Fault, FaultyStore};

/// A clock that stands still. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    /// A clock that shows this many seconds since 1970-01-01 UTC; the epoch if that is no time.
    #[must_use]
    pub fn at(seconds: f64) -> Self {
        let now = Timestamp::from_secs_f64(seconds).unwrap_or(Timestamp::from_secs(0));
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(span);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives out these bytes in order, then fails.
#[derive(Debug)]
pub struct FixedRandom(Mutex<std::vec::IntoIter<u8>>);

impl FixedRandom {
    /// Randomness that consists of these bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Mutex::new(bytes.into().into_iter()))
    }
}

impl Random for FixedRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in buffer {
            *byte = bytes.next().ok_or_else(|| Error::Random { source: "used up".into() })?;
        }
        Ok(())
    }
}
