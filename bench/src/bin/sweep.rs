//! Sweeping 10^5 expired rows while requests go on: how long the statements of both take.

use std::time::{Duration, Instant};

use cloakroom::Timestamp;
use cloakroom::store::{AnyStore, Record, Replaced, Store, StoreKey, Sweep};
use cloakroom_engines::{MariaDb, Postgres};
use tokio::task::JoinSet;

const EXPIRED: u32 = 100_000;
const LIVE: u32 = 10_000;
const CLIENTS: u32 = 16;
/// As many as `sweep_forever` removes at once.
const AT_ONCE: usize = 200;
const LIMIT: Duration = Duration::from_millis(50);
/// How long the load goes on alone, before the sweep.
const ALONE: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() {
    println!(
        "{EXPIRED} expired rows are removed, {AT_ONCE} at a time, while {CLIENTS} clients read and write {LIVE} \
         live ones. Milliseconds of a call, in the middle and at the 99th percentile: one statement, but six to \
         remove rows in MariaDB. The goal is that of all statements less than 1 % take over 50 ms.\n"
    );
    println!(
        "| engine | removing {AT_ONCE} rows | rows a second | client alone | client beside | over 50 ms |"
    );
    println!("|---|---|---|---|---|---|");
    let postgres = Postgres::start().expect("a PostgreSQL");
    row("PostgreSQL", &postgres.url(), |calls| {
        calls.iter().filter(|took| **took > LIMIT).count() as u64
    })
    .await;
    let maria = MariaDb::start().expect("a MariaDB");
    row("MariaDB", &maria.url(), |_| maria.slow_statements().expect("an answer")).await;
}

/// `slow` says how many statements were over the limit up to now, given how long the sweep's calls took.
async fn row(name: &str, url: &str, slow: impl Fn(&[Duration]) -> u64) {
    let store = AnyStore::options(url).max_connections(CLIENTS + 1).open().await.expect("a store");
    store.create_table().await.expect("a table");
    fill(&store, 0..LIVE, Timestamp::from_secs(4_102_444_800)).await;
    fill(&store, LIVE..LIVE + EXPIRED, Timestamp::from_secs(1)).await;
    let alone = load(&store, async { tokio::time::sleep(ALONE).await }).await.1;
    let before = slow(&[]);
    let (swept, beside) = load(&store, sweep(&store)).await;
    let slow = slow(&[&swept[..], &beside].concat()) - before;
    let per_second = f64::from(EXPIRED) / swept.iter().sum::<Duration>().as_secs_f64();
    println!(
        "| {name} | {} | {per_second:.0} | {} | {} | {slow} of {} |",
        percentiles(swept.clone()),
        percentiles(alone),
        percentiles(beside.clone()),
        swept.len() + beside.len()
    );
}

async fn fill(store: &AnyStore, numbers: std::ops::Range<u32>, end: Timestamp) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (store, numbers) = (store.clone(), numbers.clone());
        clients.spawn(async move {
            for number in numbers.filter(|number| number % CLIENTS == client) {
                let record = Record::new(vec![b'x'; 512], end, Some(format!("{number}").into()));
                let _ = store.create(&key(number), &record).await.expect("created");
            }
        });
    }
    clients.join_all().await;
}

async fn sweep(store: &AnyStore) -> Vec<Duration> {
    let mut took = Vec::new();
    loop {
        let began = Instant::now();
        let removed = store.sweep(Timestamp::from_secs(2), AT_ONCE).await.expect("swept");
        took.push(began.elapsed());
        if removed < AT_ONCE {
            return took;
        }
    }
}

/// Clients at work for as long as something else takes; how long each of their statements took.
async fn load<T>(store: &AnyStore, meanwhile: impl Future<Output = T>) -> (T, Vec<Duration>) {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(work(store.clone(), client, stopped.clone()));
    }
    let answer = meanwhile.await;
    stop.send_replace(true);
    (answer, clients.join_all().await.concat())
}

async fn work(
    store: AnyStore,
    client: u32,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> Vec<Duration> {
    let mut took = Vec::new();
    for round in 0.. {
        if *stopped.borrow() {
            break;
        }
        let key = key((round * 7919) % (LIVE / CLIENTS) * CLIENTS + client);
        let began = Instant::now();
        let stored = store.load(&key).await.expect("loaded").expect("a live one");
        took.push(began.elapsed());
        let began = Instant::now();
        let done = store.replace(&key, stored.version, &stored.record).await.expect("replaced");
        assert!(matches!(done, Replaced::Done(_)), "each has its own");
        took.push(began.elapsed());
    }
    took
}

fn key(number: u32) -> StoreKey {
    // Spread, as random ones are.
    let spread = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    StoreKey::from_bytes(spread.to_be_bytes())
}

fn percentiles(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let at = |part: f64| {
        let index = (took.len() as f64 * part) as usize;
        took[index.min(took.len() - 1)].as_secs_f64() * 1000.0
    };
    format!("{:.1}, {:.1}", at(0.5), at(0.99))
}
