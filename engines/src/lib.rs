//! The engines that sessions can be kept in, started for a test or a developer: each a server of its own, on a free
//! port, with its data in a folder of its own, that ends with the process which started it. A [`Proxy`] is a bad
//! network before one.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

mod memcached;
mod pgbouncer;
mod proxy;
mod redis;

pub use memcached::Memcached;
pub use pgbouncer::PgBouncer;
pub use proxy::{Proxy, Weather};
pub use redis::{Redis, RedisCluster, RedisSentinels};

/// How long an engine may take to answer: a database is made first, which takes MySQL a while where much else is done.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many free ports are tried: another process may be faster to take one.
const PORTS: usize = 5;

/// The variable that names a folder whose programs are used before those that are installed, so that another version of an
/// engine can be tried: `redis-server`, `memcached`, `pgbouncer`, `initdb` and `postgres`, or a MySQL's `mysqld`, which takes
/// MariaDB's place.
pub const PREFERRED: &str = "CLOAKROOM_ENGINES";

/// Why there is no engine; the text says what to do.
#[derive(Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// A running PostgreSQL that does not wait for the disk. Dropping it ends it.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
}

impl Postgres {
    /// The Debian package that has it.
    pub const PACKAGE: &str = "postgresql";

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Missing> {
        let folder_of_programs = Self::programs().ok_or_else(|| missing(Self::PACKAGE))?;
        // On TERM it would wait for its clients to leave.
        let server = Server::start(Self::PACKAGE, "INT", |port, folder| {
            let data = folder.join("data").display().to_string();
            let program = |name: &str| folder_of_programs.join(name).display().to_string();
            // It refuses to run as root: then it runs as the user that its package made.
            let script = r#"
                as=""
                if [ "$(id -u)" = 0 ]; then
                    chown postgres "$3"
                    as="setpriv --reuid=postgres --regid=postgres --clear-groups"
                fi
                [ -d "$4" ] ||
                    $as "$1" --pgdata="$4" --username=postgres --auth=trust --no-sync >/dev/null || exit
                exec $as "$2" -D "$4" -p "$5" -k "$3" -c fsync=off -c listen_addresses=127.0.0.1 \
                    -c shared_preload_libraries=pg_stat_statements
            "#;
            let folder = folder.display().to_string();
            let words = [program("initdb"), program("postgres"), folder, data, port.to_string()];
            let shell = ["-c".to_owned(), script.to_owned(), "sh".to_owned()];
            ("sh".into(), shell.into_iter().chain(words).collect())
        })?;
        server.wait_until(Self::answers)?;
        Ok(Self { server })
    }

    /// Ends it, without waiting for its clients, and starts it again with the same data.
    ///
    /// # Errors
    /// If it does not answer any more.
    pub fn restart(&mut self) -> Result<(), Missing> {
        self.server.restart()?;
        self.server.wait_until(Self::answers)
    }

    /// To one who wants to begin a session: that he may. While it is starting up, it says that it is.
    fn answers(stream: TcpStream) -> bool {
        let begin = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";
        says(stream, begin, b"R")
    }

    /// Where it is, such as `postgres://postgres@127.0.0.1:4711/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.server.port)
    }

    /// Whether it is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        Self::programs().is_some()
    }

    /// Where Debian keeps the newest version's programs, which are not on the path, unless others are preferred.
    fn programs() -> Option<PathBuf> {
        if let Some(folder) = preferred("initdb").and_then(|file| Some(file.parent()?.to_owned())) {
            return Some(folder);
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        folders.filter(|folder| folder.join("initdb").is_file()).max()
    }
}

/// Runs MariaDB in a folder, on a port. It runs as root only if it is told which user to become: then the one that its
/// package made.
const MARIADB: &str = r#"
    user=$(id -un) PATH=$PATH:/usr/sbin
    if [ "$user" = root ]; then user=mysql; chown mysql "$1"; fi
    echo "CREATE DATABASE IF NOT EXISTS cloakroom;" >"$1/init.sql"
    [ -d "$1/data" ] ||
        mariadb-install-db --no-defaults --user="$user" --datadir="$1/data" --skip-test-db \
            --auth-root-authentication-method=normal >/dev/null || exit
    exec mariadbd --no-defaults --user="$user" --datadir="$1/data" --port="$2" \
        --socket="$1/socket" --pid-file="$1/mariadb.pid" --bind-address=127.0.0.1 \
        --init-file="$1/init.sql" --tmpdir="$1" --innodb-flush-log-at-trx-commit=0 --max-connections=400 \
        --long-query-time=0.05
"#;

/// The same for MySQL, whose program is the third word.
const MYSQL: &str = r#"
    user=$(id -un)
    if [ "$user" = root ]; then user=mysql; chown mysql "$1"; fi
    echo "CREATE DATABASE IF NOT EXISTS cloakroom;" >"$1/init.sql"
    [ -d "$1/data" ] ||
        "$3" --no-defaults --user="$user" --datadir="$1/data" --initialize-insecure || exit
    exec "$3" --no-defaults --user="$user" --datadir="$1/data" --port="$2" --mysqlx=OFF \
        --socket="$1/socket" --pid-file="$1/mysql.pid" --bind-address=127.0.0.1 \
        --init-file="$1/init.sql" --tmpdir="$1" --innodb-flush-log-at-trx-commit=0 --max-connections=400 \
        --long-query-time=0.05 --skip-log-bin --max-allowed-packet=16M --tls-version= --secure-file-priv=NULL
"#;

/// A running MariaDB, or the MySQL that is [preferred](PREFERRED), that does not wait for the disk. Dropping it ends it.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
}

impl MariaDb {
    /// The Debian package that has it.
    pub const PACKAGE: &str = "mariadb-server";

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Missing> {
        if !Self::is_installed() {
            return Err(missing(Self::PACKAGE));
        }
        let mysqld = preferred("mysqld").unwrap_or_default().display().to_string();
        let server = Server::start(Self::PACKAGE, "TERM", |port, folder| {
            let script = if mysqld.is_empty() { MARIADB } else { MYSQL };
            let folder = folder.display().to_string();
            let words = ["-c", script, "sh", &folder, &port.to_string(), &mysqld];
            ("sh".into(), words.map(str::to_owned).into())
        })?;
        server.wait_until(Self::answers)?;
        Ok(Self { server })
    }

    /// Ends it and starts it again with the same data.
    ///
    /// # Errors
    /// If it does not answer any more.
    pub fn restart(&mut self) -> Result<(), Missing> {
        self.server.restart()?;
        self.server.wait_until(Self::answers)
    }

    /// With a greeting: its length and number, then the protocol's version.
    fn answers(mut stream: TcpStream) -> bool {
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).is_ok() && greeting[4] == 10
    }

    /// Where it is, such as `mysql://root@127.0.0.1:4711/cloakroom`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}/cloakroom", self.server.port)
    }

    /// How many statements took longer than 50 ms so far.
    ///
    /// # Errors
    /// If its client is not installed, or it does not answer.
    pub fn slow_statements(&self) -> Result<u64, Missing> {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--host=127.0.0.1", "--user=root", "--skip-column-names"]);
        client.arg(format!("--port={}", self.server.port));
        let asked = client.args(["--execute", "SHOW GLOBAL STATUS LIKE 'Slow_queries'"]).output();
        let said = String::from_utf8(asked.map_err(|_| missing("mariadb-client"))?.stdout);
        let count = said.ok().and_then(|said| said.split_whitespace().last()?.parse().ok());
        count.ok_or_else(|| Missing("MariaDB does not say what was slow".into()))
    }

    /// Whether it is installed.
    #[must_use]
    pub fn is_installed() -> bool {
        program("mariadbd").is_some()
    }
}

/// A server process behind a shell that ends it when our end of its stdin closes: also when we are killed.
#[derive(Debug)]
struct Server {
    shell: Child,
    /// What the shell is given.
    words: Vec<String>,
    port: u16,
    folder: PathBuf,
    name: &'static str,
}

impl Server {
    /// Starts a program with the words that `words` gives for a port and a folder.
    ///
    /// It is ended by `signal`, and what it says goes into a file beside its data.
    fn start(
        name: &'static str,
        signal: &str,
        command: impl Fn(u16, &Path) -> (String, Vec<String>),
    ) -> Result<Self, Missing> {
        for _ in 0..PORTS {
            let port = free_port()?;
            let folder = std::env::temp_dir().join(format!("cloakroom-{name}-{port}"));
            std::fs::create_dir_all(&folder)
                .map_err(|error| Missing(format!("cannot make {}: {error}", folder.display())))?;
            let (program, mut words) = command(port, &folder);
            let program = self::program(&program).ok_or_else(|| missing(name))?;
            let program = program.display().to_string();
            words.splice(0..0, [signal.to_owned(), folder.display().to_string(), program]);
            let server = Self { shell: shell(&words)?, words, port, folder, name };
            if server.accepts() {
                return Ok(server);
            }
        }
        Err(Missing(format!("{name} does not start")))
    }

    /// Ends it and starts it again on the same port, in the same folder.
    fn restart(&mut self) -> Result<(), Missing> {
        if let Some(stdin) = &mut self.shell.stdin {
            // An error means that the shell has ended, and the server with it.
            let _ = stdin.write_all(b"restart\n");
        }
        self.end();
        self.shell = shell(&self.words)?;
        Ok(())
    }

    fn end(&mut self) {
        drop(self.shell.stdin.take());
        // Whatever its status: it is gone.
        let _ = self.shell.wait();
    }

    fn accepts(&self) -> bool {
        comes_about(|| self.connect().is_some())
    }

    fn wait_until(&self, answers: impl Fn(TcpStream) -> bool) -> Result<(), Missing> {
        let is_there = comes_about(|| self.connect().is_some_and(&answers));
        is_there.then_some(()).ok_or_else(|| Missing(format!("{} does not answer", self.name)))
    }

    /// Sends the server a signal.
    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap_or_default();
        // Nobody is left to be told.
        let _ = Command::new("kill").args([format!("-{name}"), pid.trim().to_owned()]).status();
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The shell that runs a program: given the signal that ends it, its folder, and the program's words. The folder is
/// removed at the end, also if we are killed.
fn shell(words: &[String]) -> Result<Child, Missing> {
    let script = r#"
        signal=$1 folder=$2; shift 2
        "$@" >>"$folder/log" 2>&1 & server=$!
        echo "$server" >"$folder/pid"
        read -r word
        # One that was stopped hears nothing else.
        kill -"$signal" "$server" 2>/dev/null; kill -CONT "$server" 2>/dev/null; wait "$server"
        [ "$word" = restart ] || rm -r "$folder"
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).args(words).stdin(Stdio::piped()).stdout(Stdio::null());
    shell.spawn().map_err(|error| Missing(format!("no sh: {error}")))
}

/// Asks again and again until it is so, or patience ends.
fn comes_about(is_so: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if is_so() {
            return true;
        }
        sleep(Duration::from_millis(20));
    }
    false
}

/// A port that nobody listens on at this moment, and that was given to nobody before: whoever got it may not listen yet.
fn free_port() -> Result<u16, Missing> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| Missing(format!("no free port: {error}")))?.port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return Ok(port);
        }
    }
}

fn says(mut stream: TcpStream, question: &[u8], answer: &[u8]) -> bool {
    let mut said = vec![0; answer.len()];
    stream.write_all(question).is_ok() && stream.read_exact(&mut said).is_ok() && said == answer
}

fn missing(package: &str) -> Missing {
    let install = format!("apt-get install -y --no-install-recommends {package}");
    Missing(format!("missing: {package}. On Debian, as root: {install}"))
}

/// Where a program is: in the folder that somebody prefers, on the path, or where Debian keeps servers.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    preferred(name).or_else(|| folders.map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// A program in the folder that [`PREFERRED`] names.
fn preferred(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(PREFERRED)?;
    Some(Path::new(&folder).join(name)).filter(|file| file.is_file())
}
