//! Removing what has expired, in stores that do not do it by themselves.

use std::future::Future;

use super::{Result, Store};
use crate::time::Timestamp;

/// A store that keeps expired records until they are swept.
#[diagnostic::on_unimplemented(message = "`{Self}` has nothing to sweep, or cannot")]
pub trait Sweep: Store {
    /// Removes records that expired before `now`, at most `limit` of them, and says how many it removed. Fewer than
    /// `limit` means that nothing is left to do.
    fn sweep(&self, now: Timestamp, limit: usize) -> impl Future<Output = Result<usize>> + Send;
}
