//! The suite on SQLite, each rule on a file of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use cloakroom::store::{Durability, SqliteStore};

async fn open() -> SqliteStore {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("conformance-{}.db", NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for beside in ["", "-wal", "-shm"] {
        // What an earlier run has left.
        let _ = std::fs::remove_file(PathBuf::from(format!("{}{beside}", path.display())));
    }
    SqliteStore::options(path).durability(Durability::Fast).open().unwrap()
}

cloakroom::store_conformance!(open());
cloakroom::store_races!(open());
cloakroom::store_endurance!(open());
cloakroom::index_conformance!(open());
cloakroom::scan_conformance!(open());
cloakroom::sweep_conformance!(open());
