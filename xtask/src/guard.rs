//! The guard over what a request costs: allocations, and instructions as callgrind counts them.
//!
//! Both repeat from run to run, which time does not. `bench/baseline.txt` has a line for each
//! request; whoever makes one dearer on purpose takes the new figures in with
//! `cargo xtask bench --accept`, and the change shows in the commit.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use crate::provision;
use crate::run::{Failure, Outcome, answer, cargo, fail, program, run, run_silently};
use crate::workspace::Workspace;

const BASELINE: &str = "bench/baseline.txt";
/// By how much instructions may grow, in parts of a hundred. Another processor or compiler
/// accounts for that much; allocations may not grow at all.
const TOLERANCE: i64 = 5;
/// Between two runs of this many requests, what happens once falls out.
const REQUESTS: [i64; 2] = [500, 2500];

/// What one request costs beyond a bare one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figures {
    name: String,
    allocations: i64,
    instructions: i64,
}

/// Fails where a request became dearer than the baseline says.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let path = workspace.root().join(BASELINE);
    let text = fs::read_to_string(&path)
        .map_err(|error| Failure(format!("cannot read {}: {error}", path.display())))?;
    let (baseline, now) = (parse(&text)?, measure()?);
    let dearer = dearer(&baseline, &now);
    if dearer.is_empty() {
        eprintln!("no request is dearer than in {BASELINE}");
        return Ok(());
    }
    fail(format!(
        "dearer than in {BASELINE}:\n  {}\nOn purpose? cargo xtask bench --accept",
        dearer.join("\n  ")
    ))
}

/// Takes what is measured now as the baseline.
pub(crate) fn accept(workspace: &Workspace) -> Outcome {
    let path = workspace.root().join(BASELINE);
    let text = format(&measure()?);
    fs::write(&path, text)
        .map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))?;
    eprintln!("{BASELINE} has the new figures");
    Ok(())
}

/// The figures as a table.
pub(crate) fn table() -> Outcome<String> {
    let mut text = String::from(
        "Beyond a bare request with a cookie, to a service or to an application of actix-web. Callgrind does not know the processor's instructions for SHA-256 \
         and counts the way around them, some 3,400 for each block.\n\n\
         | request | allocations | instructions |\n|---|---|---|\n",
    );
    for Figures { name, allocations, instructions } in measure()? {
        let _ = writeln!(text, "| {name} | {allocations} | {instructions} |");
    }
    Ok(text)
}

fn measure() -> Outcome<Vec<Figures>> {
    provision::valgrind()?;
    let build = ["build", "--release", "--locked", "--manifest-path", "bench/Cargo.toml"];
    let only = ["--no-default-features", "--bin", "ours"];
    run(&mut cargo(build.into_iter().chain(only)))?;
    let ours = PathBuf::from("bench/target/release/ours").display().to_string();
    let counted = answer(&mut program(&ours, ["--allocations"]))?;
    let mut without = HashMap::new();
    let rows = counted.lines().map(|line| {
        let Some((rest, bare)) = line.rsplit_once(' ') else { return unreadable(line) };
        let (name, allocations) = pair(rest)?;
        if !without.contains_key(bare) {
            without.insert(bare, instructions(&ours, bare)?);
        }
        let instructions = instructions(&ours, name)? - without[bare];
        Ok(Figures { name: name.to_owned(), allocations, instructions })
    });
    rows.collect()
}

/// How many instructions one request takes.
fn instructions(ours: &str, name: &str) -> Outcome<i64> {
    let [few, many] = REQUESTS.map(|times| {
        let tool = ["--tool=callgrind", "--callgrind-out-file=/dev/null", ours, name];
        let said = run_silently(program("valgrind", tool).arg(times.to_string()))?;
        let collected = said.lines().find_map(|line| line.split_once("Collected :"));
        let count = collected.and_then(|(_, count)| count.trim().parse::<i64>().ok());
        count.map_or_else(|| fail(format!("callgrind counted nothing:\n{said}")), Ok)
    });
    Ok((many? - few?) / (REQUESTS[1] - REQUESTS[0]))
}

fn dearer(baseline: &[Figures], now: &[Figures]) -> Vec<String> {
    let complaint = |now: &Figures| {
        let Figures { name, allocations, instructions } = now;
        let Some(before) = baseline.iter().find(|before| before.name == *name) else {
            return Some(format!("{name}: has no line"));
        };
        let most = before.instructions * (100 + TOLERANCE) / 100;
        let is_dearer = *allocations > before.allocations || *instructions > most;
        is_dearer.then(|| {
            format!(
                "{name}: {allocations} allocations, {instructions} instructions; \
                 were {}, {}",
                before.allocations, before.instructions
            )
        })
    };
    let lost = baseline.iter().filter(|before| !now.iter().any(|now| now.name == before.name));
    let lost = lost.map(|before| format!("{}: is not measured any more", before.name));
    now.iter().filter_map(complaint).chain(lost).collect()
}

fn format(all: &[Figures]) -> String {
    let mut text =
        String::from("# request, allocations, instructions: beyond a bare request with a cookie\n");
    for Figures { name, allocations, instructions } in all {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name} {allocations} {instructions}");
    }
    text
}

fn parse(text: &str) -> Outcome<Vec<Figures>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figures = lines.map(|line| {
        let Some((rest, instructions)) = line.rsplit_once(' ') else { return unreadable(line) };
        let (name, allocations) = pair(rest)?;
        let Ok(instructions) = instructions.parse() else { return unreadable(line) };
        Ok(Figures { name: name.to_owned(), allocations, instructions })
    });
    figures.collect()
}

/// A name and a number.
fn pair(line: &str) -> Outcome<(&str, i64)> {
    let Some((name, number)) = line.rsplit_once(' ') else { return unreadable(line) };
    number.parse().map_or_else(|_| unreadable(line), |number| Ok((name, number)))
}

fn unreadable<T>(line: &str) -> Outcome<T> {
    fail(format!("no name and figures: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(name: &str, allocations: i64, instructions: i64) -> Figures {
        Figures { name: name.into(), allocations, instructions }
    }

    #[test]
    fn one_allocation_more_is_dearer_and_so_are_six_instructions_of_a_hundred() {
        let baseline = [figures("read", 26, 1000)];
        let complaints = |now| dearer(&baseline, &[now]).len();
        assert_eq!(complaints(figures("read", 26, 1050)), 0);
        assert_eq!(complaints(figures("read", 25, 900)), 0);
        assert_eq!(complaints(figures("read", 27, 1000)), 1);
        assert_eq!(complaints(figures("read", 26, 1060)), 1);
    }

    #[test]
    fn a_request_that_one_side_does_not_know_is_a_complaint() {
        assert_eq!(dearer(&[], &[figures("read", 1, 1)]).len(), 1);
        assert_eq!(dearer(&[figures("read", 1, 1)], &[]).len(), 1);
    }

    #[test]
    fn the_baseline_says_the_same_when_it_is_read_again() {
        let all = [figures("read", 7, 12_345), figures("no-cookie", 2, -3)];
        assert_eq!(parse(&format(&all)).unwrap(), all);
        assert!(parse("read 7").is_err());
    }
}
