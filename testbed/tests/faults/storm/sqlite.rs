//! A file of SQLite's that two processes share, and others get in the way of. There is no network.

use std::path::PathBuf;
use std::process::Command;

use rusqlite::Connection;

use super::rage;
use super::scene::{Fault, Scene};

/// A folder with the file. Dropping it removes it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("cloakroom-storm-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it lies among other temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn s77_sqlite_gives_nobody_a_wrong_answer_and_recovers_from_all_of_it() {
    let folder = Folder::new();
    let url = format!("sqlite:{}", folder.file().display());
    let faults = vec![
        Fault::new("locked by another process", |scene| {
            let other = scene.other();
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            scene.last();
            other.execute_batch("COMMIT").unwrap();
        }),
        Fault::new("locked by one that dies", |scene| {
            let other = scene.other();
            other.execute_batch("BEGIN EXCLUSIVE; DELETE FROM sessions").unwrap();
            scene.last();
        }),
        Fault::new("read for long by another", |scene| {
            let other = scene.other();
            other.execute_batch("BEGIN; SELECT count(*) FROM sessions").unwrap();
            scene.last();
        }),
        Fault::new("log cut by another", |scene| {
            let cut = "PRAGMA wal_checkpoint(TRUNCATE)";
            scene.other().query_row(cut, [], |_| Ok(())).unwrap();
        }),
        Fault::new("disk full for one", |scene| {
            let one = scene.dice.below(2) as usize;
            scene.without_disk(one..=one);
        }),
        Fault::new("disk full", |scene| scene.without_disk(0..=1)),
    ];
    rage(folder, &url, faults);
}

impl Scene<Folder> {
    /// A connection that waits long for its turn.
    fn other(&self) -> Connection {
        let other = Connection::open(self.engine.file()).unwrap();
        other.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
        other
    }

    /// For a while, what some of the processes write goes into no file.
    fn without_disk(&self, whose: std::ops::RangeInclusive<usize>) {
        let limit = |size: &str| {
            for process in &self.processes[whose.clone()] {
                let words = [format!("--pid={process}"), format!("--fsize={size}:")];
                assert!(Command::new("prlimit").args(words).status().unwrap().success());
            }
        };
        limit("0");
        self.last();
        limit("unlimited");
    }
}
