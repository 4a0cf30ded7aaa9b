//! What `cargo xtask test` consists of, in the order in which it runs: quick answers first.
//!
//! Each check is one function and prints a heading; the first that fails ends the run with the
//! command that failed. Nothing is left out silently: what a check needs is installed or asked
//! for (`provision.rs`).

use crate::run::{Outcome, cargo, fail, heading, program, run};
use crate::workspace::{LIBRARY, Workspace};
use crate::{guard, provision, versions};

type Check = fn(&Workspace) -> Outcome;

/// Everything that must hold before a commit.
pub(crate) fn test(workspace: &Workspace) -> Outcome {
    const CHECKS: [Check; 13] = [
        formatting,
        lints,
        documentation,
        each_feature,
        oldest_rust,
        deny,
        tidiness,
        library_tests,
        valkey_tests,
        costs,
        testbed_tests,
        interop_tests,
        browser_tests,
    ];
    all(&CHECKS, workspace)?;
    println!("\nall checks passed");
    Ok(())
}

/// The part of [`test()`] that a person waits for while writing.
pub(crate) fn quick(workspace: &Workspace) -> Outcome {
    all(&[formatting, lints, tidiness, library_tests], workspace)?;
    println!(
        "\nquick checks passed (not run: docs, single features, MSRV, licences, servers, browser)"
    );
    Ok(())
}

/// What our dependencies may be. No advisories here: their database comes over the network, so
/// the same commit could pass today and fail tomorrow.
pub(crate) fn deny(_: &Workspace) -> Outcome {
    heading("dependencies: bans, licences, sources");
    provision::cargo_deny()?;
    run(&mut cargo(["deny", "--offline", "check", "bans", "licenses", "sources"]))
}

fn all(checks: &[Check], workspace: &Workspace) -> Outcome {
    checks.iter().try_for_each(|check| check(workspace))
}

fn formatting(_: &Workspace) -> Outcome {
    heading("formatting");
    run(&mut cargo(["fmt", "--all", "--check"]))
}

fn lints(_: &Workspace) -> Outcome {
    heading("lints");
    let what = ["clippy", "--workspace", "--all-targets", "--all-features"];
    run(&mut cargo(what.into_iter().chain(["--", "-D", "warnings"])))
}

fn documentation(_: &Workspace) -> Outcome {
    heading("documentation");
    let what = ["doc", "--no-deps", "--all-features", "--workspace"];
    run(cargo(what).env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// No feature may lean on another without saying so.
fn each_feature(workspace: &Workspace) -> Outcome {
    heading("the library without features, and with each one alone");
    let clippy = ["clippy", "--package", LIBRARY, "--no-default-features"];
    let strict = ["--", "-D", "warnings"];
    run(&mut cargo(clippy.into_iter().chain(strict)))?;
    for feature in workspace.features()? {
        let one = ["--features", feature.as_str()];
        run(&mut cargo(clippy.into_iter().chain(one).chain(strict)))?;
    }
    Ok(())
}

/// The std side is clippy's `incompatible_msrv`; this is the dependencies' side, and the real
/// compiler where it is installed.
fn oldest_rust(workspace: &Workspace) -> Outcome {
    let msrv = workspace.msrv()?;
    heading(&format!("the oldest Rust: {msrv}"));
    let newer = workspace.newer_than_msrv()?;
    if !newer.is_empty() {
        return fail(format!("{LIBRARY} promises Rust {msrv}, but:\n  {}", newer.join("\n  ")));
    }
    eprintln!("no dependency of the library asks for a newer Rust");
    match provision::toolchain(&msrv) {
        Some(toolchain) => {
            let plus = format!("+{toolchain}");
            run(&mut cargo([plus.as_str(), "check", "--package", LIBRARY, "--all-features"]))
        }
        None => {
            eprintln!("not compiled with {msrv} itself: rustup has no toolchain of that name");
            Ok(())
        }
    }
}

fn tidiness(_: &Workspace) -> Outcome {
    heading("tidiness, and the tests of these chores");
    run(&mut cargo(["test", "--package", "xtask"]))
}

fn library_tests(_: &Workspace) -> Outcome {
    heading("the library: unit, integration and doc tests");
    provision::engines()?;
    run(&mut cargo(["test", "--package", LIBRARY, "--all-features"]))
}

/// What calls itself Redis to everybody is not always Redis.
fn valkey_tests(workspace: &Workspace) -> Outcome {
    heading("the suite of Redis on Valkey");
    let folder = versions::valkey(workspace)?;
    match versions::tried(Some(&folder), &["redis", "redis_answers"]).as_slice() {
        [] => Ok(()),
        failed => fail(format!("failed on Valkey: {}", failed.join(", "))),
    }
}

fn costs(workspace: &Workspace) -> Outcome {
    heading("what a request costs: allocations and instructions");
    guard::check(workspace)
}

fn testbed_tests(_: &Workspace) -> Outcome {
    heading("the testbed: every operation from outside, over HTTP");
    provision::engines()?;
    run(&mut cargo(["test", "--package", "cloakroom-testbed"]))
}

fn interop_tests(workspace: &Workspace) -> Outcome {
    heading("one session, two languages: Pyramid and cloakroom");
    let python = provision::python(workspace)?;
    run(&mut cargo(["build", "--package", "cloakroom-testbed"]))?;
    let name = format!("cloakroom-testbed{}", std::env::consts::EXE_SUFFIX);
    let testbed = workspace.target()?.join("debug").join(name);
    run(cargo(["test", "--package", "cloakroom-interop"])
        .env("CLOAKROOM_PYTHON", python)
        .env("CLOAKROOM_TESTBED", testbed))
}

fn browser_tests(_: &Workspace) -> Outcome {
    heading("the demo in a browser");
    provision::browser()?;
    run(&mut program("chromium", ["--version"]))?;
    run(&mut cargo(["test", "--package", "cloakroom-demo", "--features", "browser"]))
}
