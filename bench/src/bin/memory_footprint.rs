//! How much memory live sessions take: creates a number of them (default one million), each with two keys, as
//! requests do, and prints what the process grew by.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin memory_footprint [SESSIONS]`; Linux only.

use std::convert::Infallible;
use std::time::Instant;

use cloakroom::store::MemoryStore;
use cloakroom::{Session, SessionLayer, StoredFactory};
use http::{Request, Response};
use tower::{Layer, Service, service_fn};

fn main() {
    let sessions =
        std::env::args().nth(1).map_or(1_000_000, |text| text.parse().expect("a number"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(create(sessions));
}

async fn create(sessions: usize) {
    let store = MemoryStore::builder().capacity(sessions + sessions / 10).build();
    let layer = SessionLayer::new(StoredFactory::new(store.clone()));
    let mut service = layer.layer(service_fn(async |request: Request<()>| {
        let session = Session::of(&request).await.expect("a session");
        session.insert("user", 4711).expect("a number");
        session.insert("theme", "dark").expect("a text");
        Ok::<_, Infallible>(Response::<String>::default())
    }));
    let (before, began) = (resident_bytes(), Instant::now());
    for _ in 0..sessions {
        let response = service.call(Request::new(())).await;
        assert!(response.is_ok_and(|response| response.headers().contains_key("set-cookie")));
    }
    let (took, grew) = (began.elapsed(), resident_bytes() - before);
    assert_eq!(store.counts().records, sessions);
    println!("{sessions} sessions: {} MB resident", grew / 1_000_000);
    println!(
        "{} bytes each, {} ns to create one",
        grew / sessions,
        took.as_nanos() / sessions as u128
    );
}

/// What the process has in memory, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line VmRSS");
    let kibibytes = line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number");
    kibibytes * 1024
}
