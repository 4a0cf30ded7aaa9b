//! Sessions in an SQLite file.

/// Keeps records in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore;
