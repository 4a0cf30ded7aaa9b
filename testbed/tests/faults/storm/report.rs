//! What a long run says in the end: how often each fault happened, how long it took until all were served again, and
//! which promises were broken.

use std::path::Path;
use std::thread;
use std::time::Duration;

use super::PROMISE;

/// A table that is printed when it is dropped, after a long run or a failure.
pub(super) struct Report {
    title: String,
    rows: Vec<Row>,
    /// What happens now, or happened last.
    now: Vec<&'static str>,
    broken: Vec<String>,
    is_long: bool,
}

/// One fault. Where one comes on the heels of another, it is counted with the one that came last.
#[derive(Default)]
struct Row {
    name: &'static str,
    times: u32,
    refused: u64,
    served: Duration,
    last_refusal: Duration,
}

impl Report {
    pub(super) fn new(file: &str, seed: u64, is_long: bool) -> Self {
        let name = Path::new(file).file_stem().unwrap_or_default().display();
        let title = format!("{name}, STORM_SEED={seed}");
        Self { title, rows: Vec::new(), now: Vec::new(), broken: Vec::new(), is_long }
    }

    /// Notes that a fault begins.
    pub(super) fn begins(&mut self, name: &'static str) {
        self.now.push(name);
    }

    /// Notes that what began has ended: how many were refused, how long after the end all were served, and how long
    /// after it the last one was refused.
    pub(super) fn ended(
        &mut self,
        refused: u64,
        served: Duration,
        last_refusal: Duration,
        is_unnoticed: bool,
    ) {
        let all = self.now.join(", then ");
        let Some(name) = std::mem::take(&mut self.now).pop() else { return };
        let at = self.rows.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            self.rows.push(Row { name, ..Row::default() });
            self.rows.len() - 1
        });
        let row = &mut self.rows[at];
        row.times += 1;
        row.refused += refused;
        row.served = row.served.max(served);
        row.last_refusal = row.last_refusal.max(last_refusal);
        if served.max(last_refusal) > PROMISE {
            let how = format!("served after {served:.2?}, last refusal after {last_refusal:.2?}");
            self.broken.push(format!("{all}: {how}"));
        }
        if is_unnoticed && refused > 0 {
            self.broken.push(format!("{all}: {refused} were refused, and nobody was to be"));
        }
    }

    /// In a long run, no promise was broken. In a short one, nobody looks at the clock.
    pub(super) fn holds(self) {
        let is_broken = self.is_long && !self.broken.is_empty();
        drop(self);
        assert!(!is_broken, "promises were broken");
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        if !self.is_long && !thread::panicking() {
            return;
        }
        let (title, width) = (&self.title, 32);
        let heads = ["times", "refused", "all served", "last refusal"];
        let [times, refused, served, last] = heads;
        println!("\n{title:width$} {times:>6} {refused:>8} {served:>11} {last:>13}");
        self.rows.sort_by_key(|row| row.name);
        for Row { name, times, refused, served, last_refusal } in &self.rows {
            let [served, last] = [served, last_refusal].map(|span| format!("{span:.2?}"));
            println!("{name:width$} {times:>6} {refused:>8} {served:>11} {last:>13}");
        }
        self.broken.iter().for_each(|broken| println!("broken: {broken}"));
        if !self.now.is_empty() {
            println!("in the middle of: {}", self.now.join(", then "));
        }
    }
}
