//! How much memory live sessions take: each library creates a number of them, with two keys each, as requests do, in
//! a process of its own, and prints what the process grew by.
//!
//! And how large a file becomes that a tenth of them are kept in.
//!
//! `memory_footprint [SESSIONS]`, default one million; Linux only.

use std::convert::Infallible;
use std::process::Command;
use std::time::Instant;

use cloakroom::store::{Durability, MemoryStore, SqliteStore, Store};
use cloakroom::{Session, SessionLayer, StoredFactory};
use http::{Request, Response};
use tower::{Layer, Service, service_fn};

const GOAL: f64 = 0.35;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse().expect("a number");
    if let [library, sessions] = words.as_slice() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let grown = runtime.expect("a runtime").block_on(async {
            match library.as_str() {
                "ours" => {
                    let sessions = number(sessions);
                    let capacity = sessions + sessions / 10;
                    let store = MemoryStore::builder().capacity(capacity).build();
                    fill(ours(store), sessions).await
                }
                _ => fill(tower_sessions(), number(sessions)).await,
            }
        });
        println!("{} {}", grown.bytes, grown.ns);
        return;
    }
    compare(words.first().map_or(1_000_000, number));
}

/// What a number of sessions took.
struct Grown {
    /// Of resident memory.
    bytes: usize,
    /// To create one.
    ns: u128,
}

fn compare(sessions: usize) {
    println!("| {sessions} live sessions of two keys | resident | each | to create one |");
    println!("|---|---|---|---|");
    let [ours, theirs] = ["ours", "tower-sessions"].map(|library| {
        let this = std::env::current_exe().expect("a path");
        let output = Command::new(this).args([library, &sessions.to_string()]).output();
        let text = String::from_utf8(output.expect("started").stdout).expect("text");
        let (bytes, ns) = text.trim().split_once(' ').expect("two numbers");
        let grown =
            Grown { bytes: bytes.parse().expect("a number"), ns: ns.parse().expect("a number") };
        let name = if library == "ours" {
            "**cloakroom, memory**"
        } else {
            "tower-sessions 0.15.0, memory"
        };
        let (megabytes, each) = (grown.bytes / 1_000_000, grown.bytes / sessions);
        println!("| {name} | {megabytes} MB | {each} bytes | {} ns |", grown.ns);
        grown
    });
    let ratio = ours.bytes as f64 / theirs.bytes as f64;
    let is_met = if ratio <= GOAL { "yes" } else { "no" };
    println!("\n| row | ratio | goal | met |\n|---|---|---|---|");
    println!("| resident memory | {ratio:.3} | ≤ {GOAL} | {is_met} |\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(keep_in_file(sessions / 10));
}

async fn keep_in_file(sessions: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sessions.sqlite");
    let store = SqliteStore::options(&path).durability(Durability::Fast).open();
    fill(ours(store.expect("a store")), sessions).await;
    let bytes: u64 = std::fs::read_dir(folder.path())
        .expect("a folder")
        .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
        .sum();
    println!("| {sessions} live sessions of two keys | on disk | each |\n|---|---|---|");
    let (megabytes, each) = (bytes / 1_000_000, bytes / sessions as u64);
    println!(
        "| **cloakroom, SQLite**, the log beside the file included | {megabytes} MB | {each} bytes |\n"
    );
}

fn ours(
    store: impl Store,
) -> impl Service<Request<()>, Response = Response<String>, Error = Infallible> {
    let layer = SessionLayer::new(StoredFactory::new("bench", store));
    layer.layer(service_fn(async |request: Request<()>| {
        let session = Session::of(&request).await.expect("a session");
        session.insert("user", 4711).expect("a number");
        session.insert("theme", "dark").expect("a text");
        Ok(Response::default())
    }))
}

fn tower_sessions() -> impl Service<Request<()>, Response = Response<String>, Error = Infallible> {
    use tower_sessions::{MemoryStore, Session, SessionManagerLayer};
    let layer = SessionManagerLayer::new(MemoryStore::default());
    layer.layer(service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("a session").clone();
        session.insert("user", 4711).await.expect("a number");
        session.insert("theme", "dark").await.expect("a text");
        Ok(Response::default())
    }))
}

async fn fill<S>(mut service: S, sessions: usize) -> Grown
where
    S: Service<Request<()>, Response = Response<String>, Error = Infallible>,
{
    let (before, began) = (resident_bytes(), Instant::now());
    for _ in 0..sessions {
        let response = service.call(Request::new(())).await;
        assert!(response.is_ok_and(|response| response.headers().contains_key("set-cookie")));
    }
    let ns = began.elapsed().as_nanos() / sessions as u128;
    Grown { bytes: resident_bytes() - before, ns }
}

/// What the process has in memory, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
    kibibytes * 1024
}
