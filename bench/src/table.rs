//! A row for each comparison, with the goal that it has to meet.

use crate::measure::Cost;

/// Ours beside one other.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub peer: &'static str,
    pub ours: Cost,
    pub theirs: Cost,
    /// Ours divided by theirs, at most.
    pub ratio: f64,
    pub allocations: i64,
}

impl Row {
    fn measured(&self) -> f64 {
        // What is lost in the noise around a bare request is nothing.
        self.ours.ns.max(0.0) / self.theirs.ns
    }

    /// Whether time and allocations are as they should be.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.measured() <= self.ratio && self.ours.allocations <= self.allocations
    }
}

/// Prints all rows as a Markdown table.
pub fn print(rows: &[Row]) {
    println!("| request | ours | allocations | peer | its | allocations | ratio | goal | met |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let Row { name, peer, ours, theirs, ratio, allocations } = row;
        println!(
            "| {name} | {:.0} ns | {} | {peer} | {:.0} ns | {} | {:.3} | {ratio}, {allocations} | {} |",
            ours.ns,
            ours.allocations,
            theirs.ns,
            theirs.allocations,
            row.measured(),
            if row.is_met() { "yes" } else { "no" },
        );
    }
}
