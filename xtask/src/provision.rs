//! What the checks need besides Rust: cargo-deny, a browser with its driver, a Python with
//! Pyramid in it, the engines that sessions are kept in, and valgrind to count with.
//!
//! On Debian as root (a container, a CI machine) missing programs are installed; anywhere else
//! the run ends with the command that installs them. The Python packages live in a virtual
//! environment under `target/`, never in the system.

use std::env::{split_paths, var_os};
use std::fs;
use std::path::{Path, PathBuf};

use cloakroom_engines::{MariaDb, PgBouncer, Postgres};

use crate::run::{Failure, Outcome, answer, cargo, fail, program, run, works};
use crate::workspace::Workspace;

const PACKAGES: [&str; 10] = [
    "chromium",
    "chromium-driver",
    "mariadb-server",
    "memcached",
    "pgbouncer",
    "postgresql",
    "python3",
    "python3-venv",
    "redis-server",
    "valgrind",
];
const CARGO_DENY: &str = "^0.20";
const REQUIREMENTS: &str = "interop/requirements.txt";

/// The rustup toolchain of exactly this Rust version, if it is installed.
pub(crate) fn toolchain(version: &str) -> Option<String> {
    let list = answer(&mut program("rustup", ["toolchain", "list"])).ok()?;
    let named = |name: &&str| {
        let rest = name.strip_prefix(version);
        rest.is_some_and(|rest| rest.starts_with('-') || rest.starts_with(".0-"))
    };
    list.lines().filter_map(|line| line.split(' ').next()).find(named).map(str::to_owned)
}

/// Makes sure that `cargo deny` works. Built from source when missing: three minutes on two cores.
pub(crate) fn cargo_deny() -> Outcome {
    if works(&mut cargo(["deny", "--version"])) {
        return Ok(());
    }
    run(&mut cargo(["install", "cargo-deny", "--locked", "--version", CARGO_DENY]))
}

/// Makes sure that `chromium` and `chromedriver` can be started.
pub(crate) fn browser() -> Outcome {
    ensure("chromium and chromedriver", || on_path("chromium") && on_path("chromedriver"))
}

/// Makes sure that every engine can be started that sessions can be kept in.
pub(crate) fn engines() -> Outcome {
    ensure("redis-server", || on_path("redis-server"))?;
    ensure("mariadb-server", MariaDb::is_installed)?;
    ensure("memcached", || on_path("memcached"))?;
    ensure("postgresql", Postgres::is_installed)?;
    ensure("pgbouncer", PgBouncer::is_installed)
}

/// Makes sure that `valgrind` can be started.
pub(crate) fn valgrind() -> Outcome {
    ensure("valgrind", || works(&mut program("valgrind", ["--version"])))
}

/// Makes sure that what `bench/elsewhere` needs of Node's packages is there.
pub(crate) fn node(workspace: &Workspace) -> Outcome {
    ensure("node and npm", || on_path("node") && on_path("npm"))?;
    let folder = workspace.root().join("bench/elsewhere");
    run(program("npm", ["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// The Python of a virtual environment that holds exactly what [`REQUIREMENTS`] says. Made anew
/// when that file changes.
pub(crate) fn python(workspace: &Workspace) -> Outcome<PathBuf> {
    let requirements = workspace.root().join(REQUIREMENTS);
    let wanted = read(&requirements)?;
    let venv = workspace.target()?.join("interop-venv");
    let python = venv.join("bin").join("python");
    // Written last, so that an installation that was cut short is not taken for a whole one.
    let stamp = venv.join("requirements.stamp");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(python);
    }
    // Debian's python3 alone has `venv` but not `ensurepip`, without which no venv gets a pip.
    ensure("python3 with venv", || {
        works(&mut program("python3", ["-c", "import venv, ensurepip"]))
    })?;
    run(program("python3", ["-m", "venv", "--clear"]).arg(&venv))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(program(&python.display().to_string(), quiet).arg("--requirement").arg(&requirements))?;
    fs::write(&stamp, wanted)
        .map_err(|error| Failure(format!("cannot write {}: {error}", stamp.display())))?;
    Ok(python)
}

/// Installs [`PACKAGES`] when something is missing and this is Debian and we are root.
fn ensure(what: &str, present: impl Fn() -> bool) -> Outcome {
    if present() {
        return Ok(());
    }
    let install = ["install", "-y", "--no-install-recommends"];
    let shown = format!("apt-get update && apt-get {} {}", install.join(" "), PACKAGES.join(" "));
    if !(on_path("apt-get") && is_root()) {
        return fail(format!(
            "missing: {what}. Install it, on Debian with:\n  sudo sh -c '{shown}'"
        ));
    }
    run(&mut program("apt-get", ["update"]))?;
    run(program("apt-get", install.into_iter().chain(PACKAGES))
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    if present() { Ok(()) } else { fail(format!("still missing: {what}, after:\n  {shown}")) }
}

fn is_root() -> bool {
    answer(&mut program("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

fn on_path(name: &str) -> bool {
    let path = var_os("PATH").unwrap_or_default();
    split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path)
        .map_err(|error| Failure(format!("cannot read {}: {error}", path.display())))
}
