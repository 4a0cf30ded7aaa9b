//! What is looked at before the first visitor comes: whether the user may do with the table what cloakroom does, and
//! whether the database's clock is right.
//!
//! A table that is not there is nothing to complain of: it may be made later. Nor is a question that is not answered,
//! because the calls of visitors will say so themselves.

use super::error::of_missing;
use super::{Dialect, SqlStore};
use crate::store::{Result, clocks};
use crate::time::{Clock, SystemClock, Timestamp};

/// What a database says of itself.
#[derive(Debug, Default)]
pub struct Looked {
    /// The rights that the user has not.
    pub(super) missing: Vec<String>,
    /// What time it is there.
    pub(super) now: Option<Timestamp>,
}

impl<D: Dialect> SqlStore<D> {
    /// # Errors
    /// `Rejected` if this store would not work.
    pub(super) async fn look_around(&self) -> Result<()> {
        let table = &self.statements.table;
        let asked = SystemClock.now();
        let looked = D::look(&self.lender, table).await;
        let now = looked.as_ref().ok().and_then(|looked| looked.now);
        clocks::compare(asked, SystemClock.now(), now);
        match looked {
            Ok(looked) if looked.missing.is_empty() => Ok(()),
            Ok(looked) => Err(of_missing::<D>(table, &looked.missing)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "the database does not say what this user may do");
                Ok(())
            }
        }
    }
}
