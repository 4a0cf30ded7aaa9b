//! A load generator: connections that stay open and send one request after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::measure::quantile;

const CONNECTIONS: usize = 32;

/// What came of a load.
#[derive(Debug, Clone)]
pub struct Load {
    pub requests: usize,
    pub elapsed: Duration,
    /// The time in milliseconds within which 99 of 100 requests were answered.
    pub p99: f64,
}

/// One request's text.
#[must_use]
pub fn request(path: &str, cookie: Option<&str>) -> Vec<u8> {
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n").into_bytes()
}

/// Sends one request and gives the cookies that its answer sets.
pub async fn begin(port: u16) -> String {
    let mut stream = Connection::open(port).await;
    let head = stream.ask(&request("/begin", None)).await;
    let cookies = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next())?
    });
    cookies.map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Sends these requests in turn over all connections, for as long as said.
///
/// # Panics
/// If an answer is not a 200.
pub async fn send(port: u16, requests: Arc<Vec<Vec<u8>>>, span: Duration) -> Load {
    let is_over = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|at| tokio::spawn(keep_sending(port, at, requests.clone(), is_over.clone())))
        .collect();
    tokio::time::sleep(span).await;
    is_over.store(true, Ordering::Relaxed);
    let elapsed = began.elapsed();
    let mut times = Vec::new();
    for connection in connections {
        times.extend(connection.await.expect("a connection"));
    }
    let p99 = quantile(times.iter().map(|time| f64::from(*time) / 1000.0), 0.99);
    Load { requests: times.len(), elapsed, p99 }
}

/// How long each request took, in microseconds.
async fn keep_sending(
    port: u16,
    first: usize,
    requests: Arc<Vec<Vec<u8>>>,
    is_over: Arc<AtomicBool>,
) -> Vec<u32> {
    let mut connection = Connection::open(port).await;
    let (mut times, mut at) = (Vec::new(), first);
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let head = connection.ask(&requests[at % requests.len()]).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        times.push(began.elapsed().as_micros() as u32);
        // No two connections send the same session at a time.
        at += CONNECTIONS;
    }
    times
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(8192) }
    }

    /// The head of the answer, when its body has come too.
    async fn ask(&mut self, request: &[u8]) -> &str {
        self.stream.write_all(request).await.expect("sent");
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert!(read > 0, "the server closed the connection");
            if let Some(end) = complete(&self.buffer) {
                return std::str::from_utf8(&self.buffer[..end]).expect("a head of text");
            }
        }
    }
}

/// Where the head ends, if the whole answer is there.
fn complete(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (answer.len() >= end + 4 + length.expect("an answer with a length")).then_some(end)
}
