//! Removing what has expired, in stores that do not do it by themselves.

use std::future::Future;
use std::time::Duration;

use super::{Result, Store};
use crate::random::{Random, SystemRandom};
use crate::time::{Clock, SystemClock, Timestamp};

/// How much is removed at once, so that no statement takes long.
const AT_ONCE: usize = 200;
/// The shortest pause between two sweeps.
const SHORTEST: Duration = Duration::from_millis(1);

/// A store that keeps expired records until they are swept.
#[diagnostic::on_unimplemented(message = "`{Self}` has nothing to sweep, or cannot")]
pub trait Sweep: Store {
    /// Removes records that expired before `now`, at most `limit` of them, and says how many it removed. Fewer than
    /// `limit` means that nothing is left to do.
    fn sweep(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}

/// Sweeps a store again and again, for as long as it is let: `tokio::spawn` it. Nothing is to be done if several
/// processes do.
///
/// It waits `every`, a millisecond at least, give or take a quarter, so that processes that started together do not sweep together; then it
/// removes what has expired, 200 records at a time. A failure is a warning in the log, and it tries again the next time.
pub async fn sweep_forever(store: impl Sweep, every: Duration) {
    loop {
        tokio::time::sleep(jittered(every)).await;
        loop {
            match store.sweep(SystemClock.now(), AT_ONCE).await {
                Ok(AT_ONCE) => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "expired sessions not swept");
                    break;
                }
            }
        }
    }
}

/// Between three and five quarters of it. Never so short that nothing else would be done.
fn jittered(every: Duration) -> Duration {
    let mut byte = [128];
    // Without randomness, without jitter.
    let _ = SystemRandom.fill(&mut byte);
    let seconds = every.as_secs_f64() * (0.75 + f64::from(byte[0]) / 512.0);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).max(SHORTEST)
}
