//! Where unpredictable bytes come from: the operating system, or a test.

use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::DefaultHashBuilder;

use crate::Error;

/// Fills buffers with bytes that nobody can predict.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer`, or fails with [`Error::Random`]; there is no weaker source to fall back to (S1).
    ///
    /// # Errors
    /// [`Error::Random`] if the source has nothing to give.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error>;
}

/// The operating system's generator, asked each time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(buffer).map_err(|source| Error::Random { source: source.into() })
    }
}

/// A number that no other call and no other process is likely to get, for telling two of one thing apart. Anybody may
/// foresee it.
pub(crate) fn distinct() -> u32 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    static SEED: OnceLock<DefaultHashBuilder> = OnceLock::new();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    (SEED.get_or_init(DefaultHashBuilder::default).hash_one(call) >> 32) as u32
}
