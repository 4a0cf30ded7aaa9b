//! Going through all records, whoever's they are: for care from the command line, not for requests.

use std::future::Future;

use super::{Listed, Result, Store};

/// A store whose records can be gone through, a page at a time.
///
/// A record that is there from the first page to the last is on one of them, on several perhaps. Records that have
/// expired may be among them. A page looks at a part of them only, so that requests are served meanwhile.
#[diagnostic::on_unimplemented(message = "`{Self}` cannot list all of its records")]
pub trait Scan: Store {
    /// About `limit` records that come after this place, or the first ones. A limit of 0 is as good as 1, so that
    /// everybody arrives.
    fn scan(
        &self,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page>> + Send;
}

/// A part of all records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in no particular order; perhaps none although there are more.
    pub records: Vec<Listed>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A place between records, in a store's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// The place that this text says.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What it was made of.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Page {
    /// A page of records in an order that their keys decide, so that the last one's key is the place to go on from.
    /// There are more if it is full.
    #[must_use]
    pub fn in_order(records: Vec<Listed>, limit: usize) -> Self {
        let last = records.last().filter(|_| records.len() >= limit);
        let next = last.map(|listed| Cursor::new(listed.key.to_string()));
        Self { records, next }
    }
}
