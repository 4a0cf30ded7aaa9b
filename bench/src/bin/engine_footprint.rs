//! How many bytes a live session takes in each engine, what the engine lays around its record included: fresh, and after
//! it was looked at for a while.
//!
//! `engine_footprint [SESSIONS]` makes that many, 100,000 unless said otherwise, of two keys, without an owner and with one.

use std::convert::Infallible;
use std::process::Command;

use cloakroom::store::{AnyStore, Scan, Store, Touched};
use cloakroom::{Session, SessionLayer, StoredFactory, Timestamp};
use cloakroom_engines::{MariaDb, Memcached, Postgres, Redis};
use http::{Request, Response};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

/// How often each session is touched for the second figure, as in a visit of that many tenths of the idle limit.
const TOUCHES: i64 = 5;
/// How many requests go on at once.
const CLIENTS: usize = 8;

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sessions = words.first().map_or(100_000, |word| word.parse().expect("a number"));
    println!(
        "| {sessions} live sessions of two keys, bytes each | nobody's | with an owner | touched {TOUCHES} times |"
    );
    println!("|---|---|---|---|");
    sqlite(sessions).await;
    redis(sessions).await;
    memcached(sessions).await;
    postgres(sessions).await;
    mariadb(sessions).await;
}

/// What is in a store's place now, in bytes.
type Taken<'a> = &'a dyn Fn() -> usize;

async fn sqlite(sessions: usize) {
    let mut row = Row::new("SQLite, the log beside the file included", sessions);
    for is_owned in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/sessions.db?durability=fast", folder.path().display());
        let files = || {
            let files = std::fs::read_dir(folder.path()).expect("a folder");
            files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len() as usize)).sum()
        };
        row.measure(&url, is_owned, &files).await;
    }
    row.print();
}

async fn redis(sessions: usize) {
    let mut row = Row::new("Redis, `used_memory`", sessions);
    for is_owned in [false, true] {
        let server = Redis::start().expect("a Redis");
        let used = || {
            let info = server.command(&["INFO", "memory"]);
            let used = info.split("used_memory:").nth(1).and_then(|rest| rest.lines().next());
            used.and_then(|used| used.trim().parse().ok()).expect("used_memory")
        };
        row.measure(&server.url(), is_owned, &used).await;
    }
    row.print();
}

async fn memcached(sessions: usize) {
    let mut row = Row::new("memcached, its slabs", sessions);
    let server = Memcached::start_with(&["-m", "1024"]).expect("a memcached");
    let chunks = || {
        let slabs = server.command("stats slabs", &["END"]);
        let stat = |line: &str, name: &str| -> Option<(String, usize)> {
            let (slab, rest) = line.strip_prefix("STAT ")?.split_once(':')?;
            Some((slab.to_owned(), rest.strip_prefix(name)?.trim().parse().ok()?))
        };
        let of = |name: &'static str| slabs.lines().filter_map(move |line| stat(line, name));
        of("chunk_size ")
            .map(|(slab, size)| {
                let used = of("used_chunks ").find(|(other, _)| *other == slab);
                size * used.map_or(0, |(_, used)| used)
            })
            .sum()
    };
    row.measure(&server.url(), false, &chunks).await;
    row.print();
}

async fn postgres(sessions: usize) {
    let mut row = Row::new("PostgreSQL, table and indexes", sessions);
    for is_owned in [false, true] {
        let server = Postgres::start().expect("a PostgreSQL");
        let url = server.url();
        let sql = "SELECT coalesce(pg_total_relation_size(to_regclass('cloakroom_sessions')), 0)";
        let size = || number(Command::new("psql").args([&url, "-Atc", sql]));
        row.measure(&url, is_owned, &size).await;
    }
    row.print();
}

async fn mariadb(sessions: usize) {
    let mut row = Row::new("MariaDB, the table's file", sessions);
    for is_owned in [false, true] {
        let server = MariaDb::start().expect("a MariaDB");
        let url = server.url();
        let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next());
        let port = format!("--port={}", port.expect("a port"));
        let sql = "SELECT coalesce(max(file_size), 0) FROM information_schema.innodb_sys_tablespaces \
                   WHERE name = 'cloakroom/cloakroom_sessions'";
        let size = || {
            let mut client = Command::new("mariadb");
            client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", &port, "-Ne", sql]);
            number(&mut client)
        };
        row.measure(&url, is_owned, &size).await;
    }
    row.print();
}

/// The number that a program prints.
fn number(program: &mut Command) -> usize {
    let printed = program.output().expect("the engine's client");
    let printed = String::from_utf8(printed.stdout).expect("text");
    printed.trim().parse().expect("a number")
}

struct Row {
    name: &'static str,
    sessions: usize,
    figures: Vec<usize>,
}

impl Row {
    const fn new(name: &'static str, sessions: usize) -> Self {
        Self { name, sessions, figures: Vec::new() }
    }

    async fn measure(&mut self, url: &str, is_owned: bool, taken: Taken<'_>) {
        let store = AnyStore::open(url).await.expect("a store");
        store.create_table().await.expect("a table");
        let before = taken();
        fill(&store, self.sessions, is_owned).await;
        self.figures.push((taken() - before) / self.sessions);
        // What is found by its key alone cannot be gone through.
        if is_owned {
            for round in 1..=TOUCHES {
                touch_all(&store, round).await;
            }
            self.figures.push((taken() - before) / self.sessions);
        }
    }

    fn print(&self) {
        let figure = |at: usize| self.figures.get(at).map_or("-".to_owned(), usize::to_string);
        println!("| {} | {} | {} | {} |", self.name, figure(0), figure(1), figure(2));
    }
}

/// Makes sessions, by requests.
async fn fill(store: &AnyStore, sessions: usize, is_owned: bool) {
    let layer = SessionLayer::new(StoredFactory::new("bench", store.clone()));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let service = layer.layer(service_fn(move |request: Request<usize>| async move {
            let session = Session::of(&request).await.expect("a session");
            session.insert("user", 4711).expect("a number");
            session.insert("theme", "dark").expect("a text");
            if is_owned {
                session.set_owner(format!("visitor {}", request.body())).expect("an owner");
            }
            Ok::<_, Infallible>(Response::<String>::default())
        }));
        clients.spawn(async move {
            for number in (client..sessions).step_by(CLIENTS) {
                let response = service.clone().oneshot(Request::new(number)).await;
                let cookie = response.map(|response| response.headers().contains_key("set-cookie"));
                assert_eq!(cookie, Ok(true), "a session begins");
            }
        });
    }
    clients.join_all().await;
}

/// Moves the end of each session, as looks do.
async fn touch_all(store: &AnyStore, round: i64) {
    let mut after = None;
    loop {
        let page = store.scan(after.as_ref(), 1000).await.expect("a page");
        let mut clients = JoinSet::new();
        for records in page.records.chunks(1000 / CLIENTS) {
            let (store, records) = (store.clone(), records.to_vec());
            clients.spawn(async move {
                for there in records {
                    let end = there.stored.record.expires_at.as_micros() + round * 120_000_000;
                    let end = Timestamp::from_micros(end);
                    let touched = store.touch(&there.key, there.stored.version, end).await;
                    assert_eq!(touched.expect("an answer"), Touched::Done);
                }
            });
        }
        clients.join_all().await;
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}
