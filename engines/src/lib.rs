//! The engines that sessions can be kept in, started for a test or a developer: each a server of its own, on a free
//! port, with its data in a folder of its own, that ends with the process which started it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many free ports are tried: another process may be faster to take one.
const PORTS: usize = 5;

/// Why there is no engine; the text says what to do.
#[derive(Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Missing {}

/// A running Redis without persistence. Dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// The Debian package that has it.
    pub const PACKAGE: &str = "redis-server";

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Missing> {
        let server = Server::start(Self::PACKAGE, |port, folder| {
            let words = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"];
            let mut words: Vec<String> = words.map(str::to_owned).into();
            words.extend([port.to_string(), "--dir".into(), folder.display().to_string()]);
            ("redis-server".into(), words)
        })?;
        server.wait_until(|stream| says(stream, b"PING\r\n", b"+PONG"))?;
        Ok(Self { server })
    }

    /// Where it is, such as `redis://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port)
    }
}

/// A server process behind a shell that ends it when our end of its stdin closes: also when we are killed.
#[derive(Debug)]
struct Server {
    shell: Child,
    port: u16,
    folder: PathBuf,
    name: &'static str,
}

impl Server {
    /// Starts a program with the words that `words` gives for a port and a folder.
    fn start(
        name: &'static str,
        command: impl Fn(u16, &Path) -> (String, Vec<String>),
    ) -> Result<Self, Missing> {
        for _ in 0..PORTS {
            let port = free_port()?;
            let folder = std::env::temp_dir().join(format!("cloakroom-{name}-{port}"));
            std::fs::create_dir_all(&folder)
                .map_err(|error| Missing(format!("cannot make {}: {error}", folder.display())))?;
            let (program, words) = command(port, &folder);
            if !is_installed(&program) {
                let install = format!("apt-get install -y --no-install-recommends {name}");
                return Err(Missing(format!("missing: {program}. On Debian: {install}")));
            }
            let script = r#""$@" & server=$!; read -r _; kill "$server"; wait "$server""#;
            let mut shell = Command::new("sh");
            shell.args(["-c", script, "sh", &program]).args(words);
            shell.stdin(Stdio::piped()).stdout(Stdio::null());
            let shell = shell.spawn().map_err(|error| Missing(format!("no sh: {error}")))?;
            let server = Self { shell, port, folder, name };
            if server.accepts() {
                return Ok(server);
            }
        }
        Err(Missing(format!("{name} does not start")))
    }

    fn accepts(&self) -> bool {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.connect().is_some() {
                return true;
            }
            sleep(Duration::from_millis(20));
        }
        false
    }

    fn wait_until(&self, answers: impl Fn(TcpStream) -> bool) -> Result<(), Missing> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.connect().is_some_and(&answers) {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        Err(Missing(format!("{} does not answer", self.name)))
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(stream)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Whatever its status: it is gone.
        let _ = self.shell.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16, Missing> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(|error| Missing(format!("no free port: {error}")))
}

fn says(mut stream: TcpStream, question: &[u8], answer: &[u8]) -> bool {
    let mut said = vec![0; answer.len()];
    stream.write_all(question).is_ok() && stream.read_exact(&mut said).is_ok() && said == answer
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
