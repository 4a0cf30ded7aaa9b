//! Whole requests over loopback: the server on one processor, the load on another.
//!
//! `end_to_end [--python PYTHON]`. With a Python that has Pyramid, and with Node and its packages, servers in other
//! languages are measured too.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_bench::load::{Load, begin, request, send};
use cloakroom_bench::measure::quantile;
use cloakroom_engines::{Postgres, Redis};

const SESSIONS: usize = 1000;
const RUNS: usize = 3;
const SPAN: Duration = Duration::from_secs(1);
const SCENARIOS: [(&str, &str, bool); 4] = [
    ("no cookie", "/untouched", false),
    ("untouched", "/untouched", true),
    ("read", "/read", true),
    ("write", "/write", true),
];

/// A server, and the one without sessions that it is compared with.
struct Server {
    name: &'static str,
    shown: &'static str,
    bare: &'static str,
}

const fn server(name: &'static str, shown: &'static str, bare: &'static str) -> Server {
    Server { name, shown, bare }
}

const SERVERS: [Server; 21] = [
    server("axum", "axum 0.8, no sessions", "axum"),
    server("cloakroom-memory", "**cloakroom, memory**", "axum"),
    server("cloakroom-signed", "**cloakroom, signed cookie**", "axum"),
    server("cloakroom-sqlite", "**cloakroom, SQLite**, not waiting for the disk", "axum"),
    server("cloakroom-sqlite-durable", "**cloakroom, SQLite**, waiting for the disk", "axum"),
    server("cloakroom-redis", "**cloakroom, Redis**", "axum"),
    server("cloakroom-postgres", "**cloakroom, PostgreSQL**", "axum"),
    server("tower-sessions-memory", "tower-sessions 0.15.0, memory", "axum"),
    server(
        "stores-sqlite",
        "tower-sessions 0.14.0, sqlx-store 0.15.0 on SQLite, not waiting for the disk",
        "axum",
    ),
    server("stores-redis", "tower-sessions 0.14.0, redis-store 0.16.0", "axum"),
    server("stores-postgres", "tower-sessions 0.14.0, sqlx-store 0.15.0 on PostgreSQL", "axum"),
    server("axum_session-memory", "axum_session 0.22.1, memory", "axum"),
    server("actix", "actix-web 4.18.1, no sessions", "actix"),
    server("actix-session-signed", "actix-session 0.11.0, signed cookie", "actix"),
    server("actix-session-private", "actix-session 0.11.0, private cookie", "actix"),
    server("pyramid", "Pyramid 2.1 on waitress, no sessions", "pyramid"),
    server("pyramid-signed", "Pyramid 2.1, signed cookie", "pyramid"),
    server("express", "express 5.1.0, no sessions", "express"),
    server("express-session", "express-session 1.18.2, memory", "express"),
    server("fastify", "fastify 5.6.1, no sessions", "fastify"),
    server("fastify-secure-session", "@fastify/secure-session 8.2.0", "fastify"),
];

/// One scenario on one server, the median of all runs.
#[derive(Clone, Copy)]
struct Figures {
    micros_of_cpu: f64,
    per_second: f64,
    p99: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let python = words.iter().position(|word| word == "--python").map(|at| words[at + 1].clone());
    let only = words.iter().position(|word| word == "--only").map(|at| words[at + 1].clone());
    let engines = Engines {
        redis: Redis::start().expect("a Redis"),
        postgres: Postgres::start().expect("a PostgreSQL"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!(
        "Processor time per request in µs · requests a second beside the same framework without \
         sessions · the time within which 99 of 100 are answered, in ms. One worker, 32 connections, \
         {SESSIONS} sessions in turn; the median of {RUNS} runs of {} s.\n",
        SPAN.as_secs()
    );
    let names: Vec<&str> = SCENARIOS.iter().map(|(name, ..)| *name).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let mut all: Vec<(&str, Vec<Figures>)> = Vec::new();
    for server in &SERVERS {
        if only.as_ref().is_some_and(|only| !server.name.starts_with(only.as_str())) {
            continue;
        }
        let Some(started) = Started::start(server.name, &engines, python.as_deref()) else {
            println!("| {} | not measured: it is not installed |", server.shown);
            continue;
        };
        let figures = runtime.block_on(measure(&started));
        all.push((server.name, figures.clone()));
        let bare = all.iter().find(|(name, _)| *name == server.bare).map(|(_, bare)| bare);
        let cells = figures.iter().enumerate().map(|(at, figures)| {
            let of_bare = bare.map_or(f64::NAN, |bare| figures.per_second / bare[at].per_second);
            format!("{:.1} · {of_bare:.2} · {:.1}", figures.micros_of_cpu, figures.p99)
        });
        println!("| {} | {} |", server.shown, cells.collect::<Vec<_>>().join(" | "));
    }
    print_goals(&all);
}

/// The goals of section "Processor time per request": ours divided by theirs.
fn print_goals(all: &[(&str, Vec<Figures>)]) {
    let cpu = |name: &str, at: usize| {
        all.iter().find(|(other, _)| *other == name).map(|(_, all)| all[at].micros_of_cpu)
    };
    println!(
        "\nProcessor time, with and without that of the bare framework:\n\n\
         | row | ours | peer | ratio | without axum | goal | met |\n|---|---|---|---|---|---|---|"
    );
    for (engine, ours, theirs, read, write) in [
        ("SQLite", "cloakroom-sqlite", "stores-sqlite", 0.30, 0.35),
        ("Redis", "cloakroom-redis", "stores-redis", 0.65, 0.50),
        ("PostgreSQL", "cloakroom-postgres", "stores-postgres", 0.80, 0.80),
    ] {
        for (scenario, at, goal) in [("read", 2, read), ("write", 3, write)] {
            let measured = (cpu(ours, at), cpu(theirs, at), cpu("axum", at));
            let (Some(ours), Some(theirs), Some(bare)) = measured else { continue };
            println!(
                "| {engine}, {scenario} | {ours:.1} µs | tower-sessions: {theirs:.1} µs | {:.3} \
                 | {:.3} | ≤ {goal} | {} |",
                ours / theirs,
                (ours - bare) / (theirs - bare),
                if ours / theirs <= goal { "yes" } else { "no" }
            );
        }
    }
}

async fn measure(server: &Started) -> Vec<Figures> {
    let mut cookies = Vec::new();
    for _ in 0..SESSIONS {
        cookies.push(begin(server.port).await);
    }
    let mut all = Vec::new();
    for (_, path, has_cookie) in SCENARIOS {
        let requests: Vec<Vec<u8>> = cookies
            .iter()
            .map(|cookie| {
                request(path, Some(cookie.as_str()).filter(|text| has_cookie && !text.is_empty()))
            })
            .collect();
        let requests = Arc::new(requests);
        send(server.port, requests.clone(), SPAN / 4).await; // warms up
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let before = server.micros_of_cpu();
            let Load { requests, elapsed, p99 } = send(server.port, requests.clone(), SPAN).await;
            let spent = server.micros_of_cpu() - before;
            runs.push(Figures {
                micros_of_cpu: spent / requests as f64,
                per_second: requests as f64 / elapsed.as_secs_f64(),
                p99,
            });
        }
        let median = |figure: fn(&Figures) -> f64| quantile(runs.iter().map(figure), 0.5);
        all.push(Figures {
            micros_of_cpu: median(|run| run.micros_of_cpu),
            per_second: median(|run| run.per_second),
            p99: median(|run| run.p99),
        });
    }
    all
}

/// The engines that servers keep sessions in, on the processor that the load has.
struct Engines {
    redis: Redis,
    postgres: Postgres,
}

/// A server that runs. Killed when dropped.
struct Started {
    child: Child,
    port: u16,
}

impl Started {
    /// `None` where what it needs is not there.
    fn start(name: &str, engines: &Engines, python: Option<&str>) -> Option<Self> {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        let elsewhere = bench.join("elsewhere");
        let serve = std::env::current_exe().expect("a path").with_file_name("serve");
        let stores = "tower_sessions_stores/target/release/cloakroom-bench-tower-sessions-stores";
        let words: Vec<PathBuf> = match name {
            "stores-sqlite" => vec![bench.join(stores), "sqlite".into()],
            "stores-redis" => vec![bench.join(stores), "redis".into(), engines.redis.url().into()],
            "stores-postgres" => {
                vec![bench.join(stores), "postgres".into(), engines.postgres.url().into()]
            }
            "cloakroom-redis" => vec![serve, name.into(), engines.redis.url().into()],
            "cloakroom-postgres" => vec![serve, name.into(), engines.postgres.url().into()],
            name if name.starts_with("pyramid") => {
                vec![python?.into(), elsewhere.join("server.py"), name.into()]
            }
            name if name.starts_with("express") || name.starts_with("fastify") => {
                elsewhere.join("node_modules").is_dir().then_some(())?;
                vec!["node".into(), elsewhere.join("server.js"), name.into()]
            }
            name => vec![serve, name.into()],
        };
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).args(&words).env("NODE_ENV", "production").stdout(Stdio::piped());
        let mut started = Self { child: command.spawn().expect("taskset"), port: 0 };
        let mut line = String::new();
        let printed = started.child.stdout.take().expect("its output");
        BufReader::new(printed).read_line(&mut line).expect("a port");
        started.port =
            line.trim().parse().unwrap_or_else(|_| panic!("{name} did not start: {line}"));
        started.wait_until_it_answers();
        Some(started)
    }

    fn wait_until_it_answers(&self) {
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "the server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the server has used of its processor, itself and its kernel's part.
    fn micros_of_cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let text = text.expect("a process");
        // The name in brackets may hold blanks; ticks of 10 ms.
        let fields: Vec<&str> = text.rsplit_once(") ").expect("fields").1.split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) * 10_000.0
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
