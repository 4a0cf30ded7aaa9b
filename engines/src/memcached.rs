//! memcached: one server, with room for values that are larger than it takes by default.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use crate::{Missing, Server, says};

/// A running memcached. Dropping it ends it.
#[derive(Debug)]
pub struct Memcached {
    server: Server,
}

impl Memcached {
    /// The Debian package that has it.
    pub const PACKAGE: &str = "memcached";

    /// Starts one and waits until it answers. It takes values of up to 4 MiB.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with(&["-I", "4m"])
    }

    /// Starts one with these words on its command line, and nothing else that changes what it keeps.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start_with(more: &[&str]) -> Result<Self, Missing> {
        let server = Server::start(Self::PACKAGE, "TERM", |port, _| {
            // Without a user it refuses to run as root; anybody else it lets be.
            let words = ["-u", "nobody", "-l", "127.0.0.1", "-U", "0", "-p", &port.to_string()];
            let words = words.iter().chain(more).map(|word| (*word).to_owned());
            ("memcached".into(), words.collect())
        })?;
        server.wait_until(answers)?;
        Ok(Self { server })
    }

    /// Ends it and starts it again, with nothing in it.
    ///
    /// # Errors
    /// If it does not answer any more.
    pub fn restart(&mut self) -> Result<(), Missing> {
        self.server.restart()?;
        self.server.wait_until(answers)
    }

    /// Where it is, such as `memcached://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.server.port)
    }

    /// What it answers to a command, up to a line that begins with one of these words; nothing if it does not answer.
    #[must_use]
    pub fn command(&self, command: &str, last: &[&str]) -> String {
        let mut text = String::new();
        let Some(mut stream) = self.server.connect() else { return text };
        if write!(stream, "{command}\r\n").is_err() {
            return text;
        }
        let mut lines = BufReader::new(stream);
        let is_last = |line: &str| last.iter().any(|word| line.starts_with(word));
        loop {
            let mut line = String::new();
            let is_over = !matches!(lines.read_line(&mut line), Ok(1..));
            text.push_str(&line);
            if is_over || is_last(&line) {
                return text;
            }
        }
    }

    /// One of the numbers that it counts.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        let counts = self.command("stats", &["END"]);
        let mut lines = counts.lines().filter_map(|line| line.strip_prefix("STAT "));
        let found = lines.find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        found.unwrap_or_default()
    }
}

fn answers(stream: TcpStream) -> bool {
    says(stream, b"version\r\n", b"VERSION")
}
