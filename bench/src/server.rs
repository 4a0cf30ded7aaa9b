//! A server in a process of its own, which prints its port and serves until it is killed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A server that runs. Killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a program on these processors, as `taskset` names them, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn start<W: AsRef<OsStr>>(processors: &str, words: &[W]) -> Self {
        let mut command = Command::new("taskset");
        command.args(["-c", processors]).args(words).env("NODE_ENV", "production");
        let child = command.stdout(Stdio::piped()).spawn().expect("taskset");
        let mut server = Self { child, port: 0 };
        let mut line = String::new();
        let printed = server.child.stdout.take().expect("its output");
        BufReader::new(printed).read_line(&mut line).expect("a port");
        server.port = line.trim().parse().unwrap_or_else(|_| panic!("no port: {line}"));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "the server does not answer");
            sleep(Duration::from_millis(10));
        }
        server
    }

    /// Where the program is that serves the measured routes: beside this one.
    ///
    /// # Panics
    /// If this program has no path.
    #[must_use]
    pub fn program() -> PathBuf {
        std::env::current_exe().expect("a path").with_file_name("serve")
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What it has used of its processor, itself and its kernel's part.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn micros_of_cpu(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let text = text.expect("a process");
        // The name in brackets may hold blanks; ticks of 10 ms.
        let fields: Vec<&str> = text.rsplit_once(") ").expect("fields").1.split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) * 10_000.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
