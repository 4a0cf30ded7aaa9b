//! `cargo xtask`: the chores of this repository, in Rust so that they run wherever cargo runs.
//!
//! The first word names the chore, this file maps it to a function. What `test` consists of is
//! the list in `checks.rs`, the rules that `tidy` keeps are in `tidy.rs`.

mod bench;
mod checks;
mod engines;
mod guard;
mod provision;
mod run;
mod tidy;
mod versions;
mod workspace;

use std::process::ExitCode;

use run::Failure;
use workspace::Workspace;

const HELP: &str = "\
usage: cargo xtask <chore>

  test           everything that must hold before a commit; installs what its tests need
  test --quick   formatting, lints, tidiness and the library's tests; no server, no browser
  engines        starts every engine, prints their URLs, and stops them when stdin closes
  engines --all-versions
                 the suites of each engine on every version that is supported; downloads them
  bench          every measurement, written to bench/RESULTS.md: half an hour
  bench --quick  what a request costs inside the process, beside its goals
  bench --guard  fails where a request makes more allocations or takes more instructions
  bench --accept takes the present costs as those that the tests hold requests to
  tidy           only the rules that no compiler knows: file heads, layers, rule numbers
  deny           licences, sources and banned crates of all dependencies
  help           this text";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let chore = match words.as_slice() {
        ["test"] => checks::test,
        ["test", "--quick"] => checks::quick,
        ["engines"] => engines::serve,
        ["engines", "--all-versions"] => versions::try_all,
        ["bench"] => bench::all,
        ["bench", "--quick"] => bench::quick,
        ["bench", "--guard"] => guard::check,
        ["bench", "--accept"] => guard::accept,
        ["tidy"] => tidy::report,
        ["deny"] => checks::deny,
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match Workspace::find().and_then(|workspace| chore(&workspace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            eprintln!("\n{text}");
            ExitCode::FAILURE
        }
    }
}
