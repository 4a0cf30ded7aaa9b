//! Redis: one server, a server with a replica, the cluster, and the trio of sentinels.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::{Missing, Server, comes_about, free_port, missing, program, says};

const PACKAGE: &str = "redis-server";
const PROGRAM: &str = "redis-server";
/// How many of a cluster's nodes are masters; as many are their replicas.
const MASTERS: usize = 3;
const SENTINELS: usize = 3;

/// A running Redis without persistence. Dropping it ends it.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// The Debian package that has it.
    pub const PACKAGE: &str = PACKAGE;

    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn start() -> Result<Self, Missing> {
        Ok(Self { server: server(&[])? })
    }

    /// Starts one that also speaks TLS, by a certificate and its key in PEM files, and gives where.
    ///
    /// # Errors
    /// If it is not installed, or does not answer.
    pub fn encrypted(certificate: &Path, key: &Path) -> Result<(Self, String), Missing> {
        let port = free_port()?;
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let others = ["--tls-ca-cert-file", &certificate, "--tls-auth-clients", "no"];
        let place = ["--tls-port", &port.to_string()];
        let redis = Self { server: server(&[&files[..], &others, &place].concat())? };
        Ok((redis, format!("rediss://127.0.0.1:{port}")))
    }

    /// Starts one that follows this one, and waits until it has all.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn replica(&self) -> Result<Self, Missing> {
        let replica =
            Self { server: server(&["--replicaof", "127.0.0.1", &self.port().to_string()])? };
        wait(|| replica.command(&["INFO", "replication"]).contains("master_link_status:up"))?;
        // The master takes a moment longer to see it so.
        let port = format!("port={},state=online", replica.port());
        wait(|| self.command(&["INFO", "replication"]).contains(&port))?;
        Ok(replica)
    }

    /// Ends it and starts it again, with nothing in it.
    ///
    /// # Errors
    /// If it does not answer any more.
    pub fn restart(&mut self) -> Result<(), Missing> {
        self.server.restart()?;
        self.server.wait_until(answers)
    }

    /// Where it is, such as `redis://127.0.0.1:4711`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// What it answers to a command: the text of the answer, or nothing if there is none.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        command(self.port(), words)
    }

    /// Stops it in the middle of what it does, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.server.signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.server.signal("CONT");
    }

    /// Ends it without warning.
    pub fn kill(&self) {
        self.server.signal("KILL");
    }
}

/// Three masters with a replica each. Dropping it ends them.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Server>,
}

impl RedisCluster {
    /// Starts them and waits until all of them agree. A busy machine does not make them doubt each other.
    ///
    /// # Errors
    /// If Redis is not installed, or they do not agree.
    pub fn start() -> Result<Self, Missing> {
        Self::start_with_timeout(Duration::from_secs(30))
    }

    /// The same, with nodes that take one for lost which was silent for so long.
    ///
    /// # Errors
    /// If Redis is not installed, or they do not agree.
    pub fn start_with_timeout(timeout: Duration) -> Result<Self, Missing> {
        let timeout = timeout.as_millis().to_string();
        let node = |_| {
            let bus = free_port()?.to_string();
            let words = ["--cluster-enabled", "yes", "--cluster-node-timeout", &timeout];
            // By default it is the other port and 10,000, which may be too much: then another one is tried.
            let place = ["--cluster-port", &bus];
            server(&[&words[..], if is_older_than_7() { &[] } else { &place }].concat())
        };
        let nodes = (0..2 * MASTERS).map(node).collect::<Result<Vec<_>, _>>()?;
        let cluster = Self { nodes };
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(cluster.places());
        create.args(["--cluster-replicas", "1", "--cluster-yes"]);
        let created = create.output().map_err(|_| missing("redis-tools"))?;
        if !created.status.success() {
            let said = String::from_utf8(created.stdout).unwrap_or_default();
            return Err(Missing(format!("no cluster of Redis: {said}")));
        }
        wait(|| cluster.nodes.iter().all(|node| is_settled(node.port)))?;
        Ok(cluster)
    }

    /// Where it is: three of its nodes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://{}", self.places()[..MASTERS].join(","))
    }

    /// The ports of its nodes, those that were masters at first before the others.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.nodes.iter().map(|node| node.port).collect()
    }

    /// What one of its nodes answers to a command.
    #[must_use]
    pub fn command(&self, node: usize, words: &[&str]) -> String {
        command(self.nodes[node].port, words)
    }

    /// Stops one of its nodes in the middle of what it does, until [`resume`](Self::resume).
    pub fn pause(&self, node: usize) {
        self.nodes[node].signal("STOP");
    }

    /// Lets it go on.
    pub fn resume(&self, node: usize) {
        self.nodes[node].signal("CONT");
    }

    /// Ends one of its nodes without warning.
    pub fn kill(&self, node: usize) {
        self.nodes[node].signal("KILL");
    }

    fn places(&self) -> Vec<String> {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect()
    }
}

/// Whether this is a Redis that cannot be told which port its cluster speaks on.
fn is_older_than_7() -> bool {
    let version =
        program(PROGRAM).and_then(|server| Command::new(server).arg("--version").output().ok());
    let said = version.and_then(|version| String::from_utf8(version.stdout).ok());
    said.is_some_and(|said| said.contains(" v=6."))
}

/// Whether a node knows of a whole cluster, and its replica, or its master, is there.
fn is_settled(port: u16) -> bool {
    let info = command(port, &["CLUSTER", "INFO"]);
    let role = command(port, &["INFO", "replication"]);
    info.contains("cluster_state:ok")
        && info.contains(&format!("cluster_known_nodes:{}", 2 * MASTERS))
        && (role.contains("connected_slaves:1") || role.contains("master_link_status:up"))
}

/// A master with a replica, and three sentinels that watch them. Dropping it ends them.
#[derive(Debug)]
pub struct RedisSentinels {
    master: Redis,
    replica: Redis,
    sentinels: Vec<Server>,
}

impl RedisSentinels {
    /// What the sentinels call the master.
    pub const NAME: &str = "mymaster";

    /// Starts them and waits until the sentinels know each other and the replica.
    ///
    /// # Errors
    /// If Redis is not installed, or they do not find each other.
    pub fn start() -> Result<Self, Missing> {
        let master = Redis::start()?;
        let replica = master.replica()?;
        let sentinel = |_| sentinel(master.port());
        let sentinels = (0..SENTINELS).map(sentinel).collect::<Result<Vec<_>, _>>()?;
        let trio = Self { master, replica, sentinels };
        wait(|| trio.sentinels.iter().all(|sentinel| knows_all(sentinel.port)))?;
        Ok(trio)
    }

    /// Where they are.
    #[must_use]
    pub fn url(&self) -> String {
        let place = |sentinel: &Server| format!("127.0.0.1:{}", sentinel.port);
        let places: Vec<String> = self.sentinels.iter().map(place).collect();
        format!("redis+sentinel://{}/{}", places.join(","), Self::NAME)
    }

    /// The first master.
    #[must_use]
    pub fn master(&self) -> &Redis {
        &self.master
    }

    /// The one that takes its place.
    #[must_use]
    pub fn replica(&self) -> &Redis {
        &self.replica
    }
}

fn knows_all(sentinel: u16) -> bool {
    let name = RedisSentinels::NAME;
    command(sentinel, &["SENTINEL", "CKQUORUM", name]).starts_with("OK 3 usable")
        && command(sentinel, &["SENTINEL", "REPLICAS", name]).contains("slave")
}

fn sentinel(master: u16) -> Result<Server, Missing> {
    let name = RedisSentinels::NAME;
    let server = Server::start(PACKAGE, "TERM", |port, folder| {
        let settings = folder.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {name} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {name} 1000\nsentinel failover-timeout {name} 3000\n",
            folder.display()
        );
        // It will complain of what is missing.
        let _ = fs::write(&settings, text);
        (PROGRAM.into(), vec![settings.display().to_string(), "--sentinel".into()])
    })?;
    server.wait_until(answers)?;
    Ok(server)
}

fn server(more: &[&str]) -> Result<Server, Missing> {
    let server = Server::start(PACKAGE, "TERM", |port, folder: &Path| {
        let words = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        // What a replica was sent is not what it begins with after a restart.
        words.extend(["--rdb-del-sync-files", "yes"].map(str::to_owned));
        // A replica asks at once, and its master sends at once.
        words.extend(["--repl-diskless-sync-delay", "0"].map(str::to_owned));
        words.extend(["--port".into(), port.to_string()]);
        words.extend(["--dir".into(), folder.display().to_string()]);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        (PROGRAM.into(), words)
    })?;
    server.wait_until(answers)?;
    Ok(server)
}

fn wait(until: impl Fn() -> bool) -> Result<(), Missing> {
    comes_about(until).then_some(()).ok_or_else(|| Missing("Redis does not come to rest".into()))
}

fn answers(stream: TcpStream) -> bool {
    says(stream, b"PING\r\n", b"+PONG")
}

/// The text of an answer; of nested ones all of it.
fn command(port: u16, words: &[&str]) -> String {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "*{}\r\n", words.len())?;
        for word in words {
            write!(stream, "${}\r\n{word}\r\n", word.len())?;
        }
        let mut text = String::new();
        read_answer(&mut BufReader::new(stream), &mut text)?;
        Ok(text)
    };
    ask().unwrap_or_default()
}

fn read_answer(stream: &mut impl BufRead, text: &mut String) -> io::Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let (kind, rest) = line.trim_end().split_at_checked(1).unwrap_or_default();
    match (kind, rest.parse::<usize>()) {
        ("$", Ok(length)) => {
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes)?;
            text.push_str(std::str::from_utf8(&bytes).unwrap_or_default());
        }
        ("*", Ok(count)) => {
            for _ in 0..count {
                read_answer(stream, text)?;
            }
        }
        _ => text.push_str(rest),
    }
    Ok(())
}
