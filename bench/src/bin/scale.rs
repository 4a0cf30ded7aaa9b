//! How cost grows: with keys, with bytes, with live sessions, with writers of one session, and with servers that
//! share a Redis.
//!
//! `scale [--plots FOLDER]` prints tables, and writes plots with their figures into the folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloakroom::store::MemoryStore;
use cloakroom::{Session, SessionLayer, StoredFactory};
use cloakroom_bench::measure::costs;
use cloakroom_bench::plot::{Line, Plot};
use cloakroom_bench::server::Server;
use cloakroom_bench::session::{self, Answer, Body, NUMBER, Op, Size, answer, bare, cookie};
use cloakroom_bench::{load, ours};
use cloakroom_engines::Redis;
use tower::{Layer, Service, ServiceExt, service_fn};

/// How many requests the writers of one session make together.
const WRITES: usize = 20_000;
/// How many sessions the servers of one Redis have.
const SESSIONS: usize = 1000;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let folder = words.iter().position(|word| word == "--plots").map(|at| &words[at + 1]);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let shared = runtime.block_on(contention());
    let plots = [keys(), bytes(), live(), shared, runtime.block_on(nodes())];
    for plot in &plots {
        println!("### {}\n\n{}: {}.\n", plot.title, plot.across, plot.up);
        print_table(plot);
        if let Some(folder) = folder {
            plot.write(&PathBuf::from(folder));
            println!("\n![{}](plots/{}.svg)", plot.title, plot.name);
        }
        println!();
    }
}

fn keys() -> Plot {
    let sizes = [1, 3, 10, 30, 100, 300, 1000];
    let sizes = sizes.map(|keys| (keys as f64, Size { texts: keys - 1, length: 20 }));
    let title = "Keys in a session, in memory";
    Plot { name: "keys", title, across: "keys", up: NS, lines: by_size(&sizes) }
}

fn bytes() -> Plot {
    let sizes = [100, 1_000, 10_000, 100_000, 1_000_000];
    let sizes = sizes.map(|bytes| (bytes as f64, Size { texts: 1, length: bytes - 30 }));
    let title = "Bytes in a session of two keys, in memory";
    Plot { name: "bytes", title, across: "bytes", up: NS, lines: by_size(&sizes) }
}

const NS: &str = "ns per request, beyond a bare one";

fn by_size(sizes: &[(f64, Size)]) -> Vec<Line> {
    let ops = [("untouched", Op::Leave), ("read one", Op::Read), ("write one", Op::Write)];
    let mut lines = ops.map(|(name, _)| Line { name, points: Vec::new() });
    for (across, size) in sizes {
        let mut requests = vec![bare(true)];
        requests.extend(ops.iter().map(|(_, op)| ours::in_memory(Some(*size), *op)));
        let costs = costs(&mut requests);
        for (line, cost) in lines.iter_mut().zip(&costs[1..]) {
            line.points.push((*across, cost.beyond(&costs[0]).ns()));
        }
    }
    lines.into()
}

fn live() -> Plot {
    let ops = [("untouched", Op::Leave), ("read one", Op::Read), ("write one", Op::Write)];
    let mut lines = ops.map(|(name, _)| Line { name, points: Vec::new() });
    for sessions in [1_000, 10_000, 100_000, 1_000_000] {
        let mut requests = vec![bare(true)];
        requests.extend(ops.iter().map(|(_, op)| ours::among(sessions, *op)));
        let costs = costs(&mut requests);
        for (line, cost) in lines.iter_mut().zip(&costs[1..]) {
            line.points.push((sessions as f64, cost.beyond(&costs[0]).ns()));
        }
    }
    let title = "Live sessions in memory, asked for in turn";
    Plot { name: "live", title, across: "live sessions", up: NS, lines: lines.into() }
}

async fn contention() -> Plot {
    let mut points = Vec::new();
    for writers in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
        points.push((writers as f64, writes_a_second(writers).await));
    }
    let lines = vec![Line { name: "writes a second", points }];
    let title = "Writers of one session, in memory, on two threads";
    let up = "writes a second; every one is counted, and their sum was exact each time";
    Plot { name: "contention", title, across: "writers", up, lines }
}

/// Servers that share a Redis, all on the same two processors as it and the load.
async fn nodes() -> Plot {
    let redis = Redis::start().expect("a Redis");
    let mut lines = [("reads a second", "/read"), ("writes a second", "/write")]
        .map(|(name, path)| (path, Line { name, points: Vec::new() }));
    for nodes in 1..=4 {
        let program = Server::program().display().to_string();
        let words = [program, "cloakroom-redis".to_owned(), redis.url()];
        let servers: Vec<Server> = (0..nodes).map(|_| Server::start("0,1", &words)).collect();
        let mut cookies = Vec::new();
        for at in 0..SESSIONS {
            // Begun at one server, and sent to all.
            cookies.push(load::begin(servers[at % servers.len()].port()).await);
        }
        for (path, line) in &mut lines {
            let requests = cookies.iter().map(|cookie| load::request(path, Some(cookie)));
            let requests = Arc::new(requests.collect::<Vec<_>>());
            let sending = servers.iter().map(|server| {
                tokio::spawn(load::send(server.port(), requests.clone(), Duration::from_secs(2)))
            });
            let mut per_second = 0.0;
            for sent in sending.collect::<Vec<_>>() {
                let sent = sent.await.expect("a load");
                per_second += sent.requests as f64 / sent.elapsed.as_secs_f64();
            }
            line.points.push((f64::from(nodes), per_second));
        }
    }
    let title = "Servers that share a Redis";
    let up = "requests a second, all servers, the Redis and the load on the same two processors";
    let lines = lines.map(|(_, line)| line).into();
    Plot { name: "nodes", title, across: "servers", up, lines }
}

/// Lets so many tasks add one to the same number, and makes sure that the sum is right.
async fn writes_a_second(writers: usize) -> f64 {
    let sessions = SessionLayer::new(StoredFactory::new("bench", MemoryStore::default()));
    let service = sessions.layer(service_fn(async |request: http::Request<Body>| {
        let session = Session::of(&request).await?;
        session.modify(NUMBER, |number: &mut usize| *number += 1)?;
        let number = session.get::<usize>(NUMBER)?.unwrap_or_default();
        Ok::<_, cloakroom::Error>(answer().map(|_| Answer::from(number.to_string())))
    }));
    let first = service.clone().oneshot(session::request(None)).await.expect("an answer");
    let cookie = cookie(first.headers());
    let left = Arc::new(AtomicUsize::new(WRITES));
    let began = Instant::now();
    let writers: Vec<_> = (0..writers)
        .map(|_| {
            let (mut service, cookie, left) = (service.clone(), cookie.clone(), left.clone());
            tokio::spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
                    let response = service.call(session::request(Some(&cookie))).await;
                    assert_eq!(response.expect("an answer").status(), 200);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer");
    }
    let elapsed = began.elapsed();
    let last = service.oneshot(session::request(Some(&cookie))).await.expect("an answer");
    let body = http_body_util::BodyExt::collect(last.into_body()).await.expect("a body");
    let sum: usize =
        std::str::from_utf8(&body.to_bytes()).expect("text").parse().expect("a number");
    assert_eq!(sum, WRITES + 2, "a write was lost");
    WRITES as f64 / elapsed.as_secs_f64()
}

fn print_table(plot: &Plot) {
    let csv = plot.csv();
    for (at, row) in csv.lines().enumerate() {
        println!("| {} |", row.replace(',', " | "));
        if at == 0 {
            println!("|{}", "---|".repeat(row.split(',').count()));
        }
    }
}
