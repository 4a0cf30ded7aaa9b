//! The conformance suite, on the stores that come with the crate and on stores that are written carelessly.

#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod careless;
mod slips;

mod memory {
    use cloakroom::store::MemoryStore;

    cloakroom::store_conformance!(async { MemoryStore::new() });
    cloakroom::store_races!(async { MemoryStore::new() });
    cloakroom::store_endurance!(async { MemoryStore::new() });
    cloakroom::index_conformance!(async { MemoryStore::new() });
    cloakroom::scan_conformance!(async { MemoryStore::new() });
    cloakroom::sweep_conformance!(async { MemoryStore::new() });
}

#[cfg(feature = "sqlite")]
mod sqlite;
