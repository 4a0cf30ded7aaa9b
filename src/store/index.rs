//! Finding the sessions of one owner: what a page "your devices" and "sign out everywhere" need.

use std::future::Future;

use super::{Result, Store, StoreKey, Stored};

/// A store that can find records by their owner without reading all of them.
///
/// What it promises, it promises for records whose [`create`](Store::create) or [`replace`](Store::replace) has
/// ended before the call began. Records that have expired may be listed; whoever reads them judges that.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot find sessions by their owner",
    note = "stores that can implement `cloakroom::store::Index`"
)]
pub trait Index: Store {
    /// All records of this owner, in no particular order.
    fn list(&self, owner: &str) -> impl Future<Output = Result<Vec<Listed>>> + Send;

    /// How many there are.
    fn count(&self, owner: &str) -> impl Future<Output = Result<usize>> + Send;

    /// Removes one record if it is this owner's, and says whether it was.
    fn remove_of(&self, owner: &str, key: &StoreKey) -> impl Future<Output = Result<bool>> + Send;

    /// Removes all records of this owner but `keep`, and says how many there were.
    fn remove_all_but(
        &self,
        owner: &str,
        keep: Option<&StoreKey>,
    ) -> impl Future<Output = Result<usize>> + Send;
}

/// One record of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is kept under.
    pub key: StoreKey,
    /// The record.
    pub stored: Stored,
}
