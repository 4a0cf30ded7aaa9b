//! The measurements: each is a program of `bench/` that prints a part of `bench/RESULTS.md`.

use std::fs;
use std::process::Command;

use crate::guard;
use crate::provision;
use crate::run::{Failure, Outcome, answer, cargo, heading, program, run};
use crate::workspace::Workspace;

const RESULTS: &str = "bench/RESULTS.md";
const BUILD: [&str; 5] = ["build", "--release", "--locked", "--manifest-path", "bench/Cargo.toml"];

/// What a request costs inside the process, beside its goals. Fails where one is missed.
pub(crate) fn quick(_: &Workspace) -> Outcome {
    run(&mut cargo(BUILD.into_iter().chain(["--bin", "in_process"])))?;
    run(&mut measurement("in_process", &["--goals"]))
}

/// Everything, written to [`RESULTS`].
pub(crate) fn all(workspace: &Workspace) -> Outcome {
    run(&mut cargo(BUILD))?;
    let stores = "bench/tower_sessions_stores/Cargo.toml";
    run(&mut cargo(["build", "--release", "--locked", "--manifest-path", stores]))?;
    provision::engines()?;
    let python = provision::python(workspace)?.display().to_string();
    provision::node(workspace)?;
    let mut parts = vec![head()?];
    for (title, name, words) in [
        ("Inside the process", "in_process", vec![]),
        ("Over loopback", "end_to_end", vec!["--python", &python]),
        ("How cost grows", "scale", vec!["--plots", "bench/plots"]),
        ("What cannot be left out", "floor", vec![]),
        ("Sweeping under load", "sweep", vec![]),
        ("Memory of live sessions", "memory_footprint", vec![]),
        ("Live sessions in each engine", "engine_footprint", vec![]),
    ] {
        heading(title);
        let printed = printed(&mut measurement(name, &words))?;
        print!("{printed}");
        parts.push(format!("## {title}\n\n{}", printed.trim_end()));
    }
    heading("Instructions");
    parts.push(format!("## Instructions and allocations\n\n{}", guard::table()?));
    parts.push(
        fs::read_to_string("bench/MISSED.md")
            .map_err(|error| Failure(format!("cannot read bench/MISSED.md: {error}")))?,
    );
    fs::write(RESULTS, parts.join("\n\n").trim_end().to_owned() + "\n")
        .map_err(|error| Failure(format!("cannot write {RESULTS}: {error}")))?;
    eprintln!("\n{RESULTS} is written");
    Ok(())
}

/// On the second processor, if there are two: the servers that are measured over loopback have the first.
fn measurement(name: &str, words: &[&str]) -> Command {
    let program_of_it = format!("bench/target/release/{name}");
    if name != "end_to_end" {
        return program(&program_of_it, words.iter().copied());
    }
    let pinned = ["-c", "1", program_of_it.as_str()];
    program("taskset", pinned.into_iter().chain(words.iter().copied()))
}

/// What a measurement printed. That a goal was missed is told by the table.
fn printed(command: &mut Command) -> Outcome<String> {
    let output = command.output().map_err(|error| Failure(format!("cannot measure: {error}")))?;
    String::from_utf8(output.stdout).map_err(|_| Failure("a table is not UTF-8".to_owned()))
}

/// When, where and with what.
fn head() -> Outcome<String> {
    let date = answer(&mut program("date", ["--utc", "+%Y-%m-%d"]))?;
    let rust = answer(&mut program("rustc", ["--version"]))?;
    let commit = answer(&mut program("git", ["rev-parse", "--short", "HEAD"]))?;
    let kernel = answer(&mut program("uname", ["-sm"]))?;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| model.trim_start_matches(['\t', ' ', ':']));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    Ok(format!(
        "# Results\n\n`cargo xtask bench` wrote this page: {}, commit {}, {}, {count} × {model}, {}.\n\n\
         Compare figures within a table, not between machines. Versions stand beside the names.",
        date.trim(),
        commit.trim(),
        rust.trim(),
        kernel.trim(),
    ))
}
