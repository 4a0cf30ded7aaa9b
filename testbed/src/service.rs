//! A service in a process of its own. It ends when its stdin closes, so that it cannot outlive the test run, not
//! even one that was killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A running service: one process, or two that share a store. Dropping it ends it.
#[derive(Debug)]
pub struct Service {
    process: Child,
    url: String,
    other: Option<Box<Self>>,
    asked: AtomicUsize,
}

impl Service {
    /// Starts the program and waits until it says `listening on http://…`. The program must stop when its stdin
    /// closes.
    ///
    /// # Panics
    /// If it cannot be started, or says something else.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let mut ready = String::new();
        if let Some(stdout) = &mut process.stdout {
            BufReader::new(stdout).read_line(&mut ready).expect("its stdout can be read");
        }
        let url = ready.trim_end().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{command:?} said {ready:?}")).to_owned();
        Self { process, url, other: None, asked: AtomicUsize::new(0) }
    }

    /// This one and another, which are then asked in turn, as behind a balancer.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.other = Some(Box::new(other));
        self
    }

    /// Where it listens, such as `http://127.0.0.1:4711`; of two, the one whose turn it is.
    #[must_use]
    pub fn url(&self) -> &str {
        match &self.other {
            Some(other) if self.asked.fetch_add(1, Ordering::Relaxed) % 2 == 1 => &other.url,
            _ => &self.url,
        }
    }

    /// Both of two.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        let other = self.other.iter().map(|other| other.url.as_str());
        std::iter::once(self.url.as_str()).chain(other)
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop, as a service manager does.
    ///
    /// # Panics
    /// If there is no `kill`.
    pub fn terminate(&self) {
        let id = self.process.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status();
        assert!(killed.expect("kill is installed").success());
    }

    /// Ends it at once, as a power cut would: it gets no chance to tidy up.
    ///
    /// # Panics
    /// If it ended before.
    pub fn kill(&mut self) {
        self.process.kill().expect("a process of ours can be killed");
        self.process.wait().expect("a process of ours can be waited for");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it cannot be waited for.
    pub fn wait(&mut self) -> ExitStatus {
        // `Child::wait` would close stdin first, which is another reason to stop.
        let stdin = self.process.stdin.take();
        let status = self.process.wait().expect("a process of ours can be waited for");
        drop(stdin);
        status
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It stops by itself; waiting only keeps the list of processes clean.
        let _ = self.process.wait();
    }
}
