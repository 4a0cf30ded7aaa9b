//! Where unpredictable bytes come from: the operating system, or a test.

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
