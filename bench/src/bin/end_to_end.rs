//! Whole requests over loopback: the server on one processor, the load on another.
//!
//! `end_to_end [--python PYTHON]`. With a Python that has Pyramid, and with Node and its packages, servers in other
//! languages are measured too.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloakroom_bench::load::{Load, begin, request, send};
use cloakroom_bench::measure::quantile;
use cloakroom_bench::server::Server;
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
struct Entry {
    name: &'static str,
    shown: &'static str,
    bare: &'static str,
}

const fn entry(name: &'static str, shown: &'static str, bare: &'static str) -> Entry {
    Entry { name, shown, bare }
}

const SERVERS: [Entry; 23] = [
    entry("axum", "axum 0.8, no sessions", "axum"),
    entry("cloakroom-memory", "**cloakroom, memory**", "axum"),
    entry("cloakroom-signed", "**cloakroom, signed cookie**", "axum"),
    entry("cloakroom-sqlite", "**cloakroom, SQLite**, not waiting for the disk", "axum"),
    entry("cloakroom-sqlite-durable", "**cloakroom, SQLite**, waiting for the disk", "axum"),
    entry("cloakroom-redis", "**cloakroom, Redis**", "axum"),
    entry("cloakroom-postgres", "**cloakroom, PostgreSQL**", "axum"),
    entry("tower-sessions-memory", "tower-sessions 0.15.0, memory", "axum"),
    entry(
        "stores-sqlite",
        "tower-sessions 0.14.0, sqlx-store 0.15.0 on SQLite, not waiting for the disk",
        "axum",
    ),
    entry("stores-redis", "tower-sessions 0.14.0, redis-store 0.16.0", "axum"),
    entry("stores-postgres", "tower-sessions 0.14.0, sqlx-store 0.15.0 on PostgreSQL", "axum"),
    entry("axum_session-memory", "axum_session 0.22.1, memory", "axum"),
    entry("actix", "actix-web 4.18.1, no sessions", "actix"),
    entry("actix-cloakroom-memory", "**cloakroom on actix-web, memory**", "actix"),
    entry("actix-cloakroom-signed", "**cloakroom on actix-web, signed cookie**", "actix"),
    entry("actix-session-signed", "actix-session 0.11.0, signed cookie", "actix"),
    entry("actix-session-private", "actix-session 0.11.0, private cookie", "actix"),
    entry("pyramid", "Pyramid 2.1 on waitress, no sessions", "pyramid"),
    entry("pyramid-signed", "Pyramid 2.1, signed cookie", "pyramid"),
    entry("express", "express 5.1.0, no sessions", "express"),
    entry("express-session", "express-session 1.18.2, memory", "express"),
    entry("fastify", "fastify 5.6.1, no sessions", "fastify"),
    entry("fastify-secure-session", "@fastify/secure-session 8.2.0", "fastify"),
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
        let Some(command) = command(server.name, &engines, python.as_deref()) else {
            println!("| {} | not measured: it is not installed |", server.shown);
            continue;
        };
        let figures = runtime.block_on(measure(&Server::start("0", &command)));
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

async fn measure(server: &Server) -> Vec<Figures> {
    let mut cookies = Vec::new();
    for _ in 0..SESSIONS {
        cookies.push(begin(server.port()).await);
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
        send(server.port(), requests.clone(), SPAN / 4).await; // warms up
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let before = server.micros_of_cpu();
            let Load { requests, elapsed, p99 } = send(server.port(), requests.clone(), SPAN).await;
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

/// The command of a server, or `None` where what it needs is not there.
fn command(name: &str, engines: &Engines, python: Option<&str>) -> Option<Vec<PathBuf>> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let elsewhere = bench.join("elsewhere");
    let stores =
        bench.join("tower_sessions_stores/target/release/cloakroom-bench-tower-sessions-stores");
    let (redis, postgres) = (engines.redis.url(), engines.postgres.url());
    Some(match name {
        "stores-sqlite" => vec![stores, "sqlite".into()],
        "stores-redis" => vec![stores, "redis".into(), redis.into()],
        "stores-postgres" => vec![stores, "postgres".into(), postgres.into()],
        "cloakroom-redis" => vec![Server::program(), name.into(), redis.into()],
        "cloakroom-postgres" => vec![Server::program(), name.into(), postgres.into()],
        name if name.starts_with("pyramid") => {
            vec![python?.into(), elsewhere.join("server.py"), name.into()]
        }
        name if name.starts_with("express") || name.starts_with("fastify") => {
            elsewhere.join("node_modules").is_dir().then_some(())?;
            vec!["node".into(), elsewhere.join("server.js"), name.into()]
        }
        name => vec![Server::program(), name.into()],
    })
}
