//! How the store of a URL is opened: at once, when it is there, or in the background.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::engine::Engine;
use super::later::{self, Later};
use super::{AnyStore, MemoryStore};
use crate::store::{Result, StoreError, rejected};

/// How the store of a URL is to be reached. What a store has no use for is not an error.
#[must_use = "nothing is opened before `open` is called"]
#[derive(Clone, Default)]
pub struct AnyOptions {
    pub(crate) url: String,
    #[cfg_attr(not(any(feature = "memcached", feature = "redis")), allow(dead_code))]
    pub(crate) prefix: Option<String>,
    #[cfg_attr(not(any(feature = "mysql", feature = "postgres")), allow(dead_code))]
    pub(crate) table: Option<String>,
    pub(crate) create_table: bool,
    #[cfg_attr(
        not(any(feature = "memcached", feature = "mysql", feature = "postgres")),
        allow(dead_code)
    )]
    pub(crate) max_connections: Option<u32>,
    #[cfg_attr(
        not(any(
            feature = "memcached",
            feature = "mysql",
            feature = "postgres",
            feature = "redis"
        )),
        allow(dead_code)
    )]
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) wait: Duration,
    must_exist: bool,
}

/// What a URL begins with, and what that is usually called, which is also the feature that it takes.
const SCHEMES: [(&str, &str); 21] = [
    ("memory", "memory"),
    ("sqlite", "sqlite"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+unix", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss+sentinel", "redis"),
    ("redis+cluster", "redis"),
    ("rediss+cluster", "redis"),
    ("valkey", "redis"),
    ("valkeys", "redis"),
    ("valkey+unix", "redis"),
    ("valkey+sentinel", "redis"),
    ("valkeys+sentinel", "redis"),
    ("valkey+cluster", "redis"),
    ("valkeys+cluster", "redis"),
    ("postgres", "postgres"),
    ("postgresql", "postgres"),
    ("mysql", "mysql"),
    ("mariadb", "mysql"),
    ("memcached", "memcached"),
];

/// The stores that this build has.
const HERE: [(&str, bool); 6] = [
    ("memory", true),
    ("sqlite", cfg!(feature = "sqlite")),
    ("redis", cfg!(feature = "redis")),
    ("postgres", cfg!(feature = "postgres")),
    ("mysql", cfg!(feature = "mysql")),
    ("memcached", cfg!(feature = "memcached")),
];

impl AnyOptions {
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }

    /// What all keys begin with, in Redis and memcached.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The table, in PostgreSQL and MySQL.
    pub fn table(mut self, table: impl Into<String>) -> Self {
        self.table = Some(table.into());
        self
    }

    /// Makes the table when the store is opened, where it is not there.
    pub const fn create_table(mut self, create: bool) -> Self {
        self.create_table = create;
        self
    }

    /// How many connections there may be, in PostgreSQL and MySQL, and to each memcached.
    pub const fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// How long a connection may take to be made.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Has [`open`](Self::open) try again, once a second and with a line in the log, where the store cannot be opened:
    /// a database may start after the application does, or be set up later. Default: it fails at once.
    pub const fn wait(mut self, patience: Duration) -> Self {
        self.wait = patience;
        self
    }

    /// Refuses a file that is not there, where the store is a file: it is made otherwise.
    pub const fn must_exist(mut self, must: bool) -> Self {
        self.must_exist = must;
        self
    }

    /// Returns the table and its indexes as SQL, without opening the store; `None` where it has none that can be made
    /// beforehand.
    ///
    /// # Errors
    /// `Rejected` for a table's name that is none, or the URL of no known store or of one that this build does not
    /// have.
    pub fn schema(&self) -> Result<Option<String>> {
        match self.kind()? {
            #[cfg(feature = "postgres")]
            "postgres" => self.sql::<sqlx::Postgres>().schema().map(Some),
            #[cfg(feature = "mysql")]
            "mysql" => self.sql::<sqlx::MySql>().schema().map(Some),
            _ => Ok(None),
        }
    }

    /// Opens the store.
    ///
    /// # Errors
    /// `Rejected` for a URL of no known store, or of one that this build does not have, whatever the
    /// [patience](Self::wait); otherwise as the store's own options say.
    pub async fn open(self) -> Result<AnyStore> {
        self.check()?;
        let begun = Instant::now();
        loop {
            match self.open_once().await {
                Err(error) if begun.elapsed() < self.wait => later::not_there(&error),
                opened => return opened.map(AnyStore::from),
            }
            sleep(later::PAUSE.min(self.wait)).await;
        }
    }

    /// Returns the store at once, and opens it in the background: once a second, with a line in the log, until it is
    /// there. Calls fail as `Unavailable` meanwhile, so that requests that need no session are answered.
    ///
    /// # Errors
    /// `Rejected` for what can never be opened: the URL of no known store, a setting that cannot be served, no Tokio runtime
    /// to do it in.
    pub fn open_in_background(self) -> Result<AnyStore> {
        let kind = self.check()?;
        let runtime = Handle::try_current()
            .map_err(|_| rejected("there is no Tokio runtime here to open the store in"))?;
        Ok(AnyStore(Later::in_background(kind, self, &runtime)))
    }

    /// What the URL begins with, in its usual spelling, if this build has the store.
    fn kind(&self) -> Result<&'static str> {
        let (scheme, _) = self.url.split_once(':').unwrap_or((&self.url, ""));
        let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
        let (_, kind) = known.ok_or_else(no_store)?;
        if HERE.contains(&(kind, true)) {
            Ok(kind)
        } else {
            let cause = "turn on cloakroom's feature";
            Err(rejected(format!("{scheme}: {cause} `{kind}` to have this store")))
        }
    }

    /// What can be told from the URL and the options alone.
    fn check(&self) -> Result<&'static str> {
        let kind = self.kind()?;
        match kind {
            "memory" if self.url != "memory:" => {
                return Err(rejected("memory: has nothing after it"));
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => drop(self.sqlite()?),
            #[cfg(feature = "redis")]
            "redis" => self.redis().check()?,
            #[cfg(feature = "postgres")]
            "postgres" => self.sql::<sqlx::Postgres>().check()?,
            #[cfg(feature = "mysql")]
            "mysql" => self.sql::<sqlx::MySql>().check()?,
            #[cfg(feature = "memcached")]
            "memcached" => self.memcached().check()?,
            _ => {}
        }
        Ok(kind)
    }

    pub(super) async fn open_once(&self) -> Result<Engine> {
        let engine = match self.kind()? {
            #[cfg(feature = "sqlite")]
            "sqlite" => self.sqlite()?.open()?.into(),
            #[cfg(feature = "redis")]
            "redis" => self.redis().connect().await?.into(),
            #[cfg(feature = "postgres")]
            "postgres" => self.sql::<sqlx::Postgres>().connect().await?.into(),
            #[cfg(feature = "mysql")]
            "mysql" => self.sql::<sqlx::MySql>().connect().await?.into(),
            #[cfg(feature = "memcached")]
            "memcached" => self.memcached().connect().await?.into(),
            _ => Engine::Memory(MemoryStore::new()),
        };
        if self.create_table {
            engine.create_table().await?;
        }
        Ok(engine)
    }

    #[cfg(feature = "redis")]
    fn redis(&self) -> crate::store::RedisOptions {
        let mut options = crate::store::RedisStore::options(&self.url);
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        options
    }

    #[cfg(feature = "memcached")]
    fn memcached(&self) -> crate::store::MemcachedOptions {
        let mut options = crate::store::MemcachedStore::options(&self.url);
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(connections) = self.max_connections {
            options = options.max_connections(connections as usize);
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        options
    }

    #[cfg(any(feature = "mysql", feature = "postgres"))]
    fn sql<D: crate::store::Dialect>(&self) -> crate::store::SqlOptions<D> {
        let mut options = crate::store::SqlStore::options(&self.url);
        if let Some(table) = &self.table {
            options = options.table(table);
        }
        if let Some(connections) = self.max_connections {
            options = options.max_connections(connections);
        }
        if let Some(timeout) = self.connect_timeout {
            options = options.connect_timeout(timeout);
        }
        options
    }

    /// The path of a file, and after a question mark what its answers promise.
    #[cfg(feature = "sqlite")]
    fn sqlite(&self) -> Result<crate::store::SqliteOptions> {
        use crate::store::{Durability, SqliteStore, parameters};
        let (place, mut parameters) = parameters::split(&self.url, &["durability"])?;
        let path = place.strip_prefix("sqlite:").unwrap_or_default();
        if path.is_empty() {
            return Err(rejected("sqlite: needs the path of a file after it"));
        }
        let path = path.strip_prefix("//").unwrap_or(path);
        if self.must_exist && !std::path::Path::new(path).exists() {
            return Err(rejected(format!("{path}: no such file")));
        }
        let options = SqliteStore::options(path);
        let durability = match parameters.take("durability").as_deref() {
            None => return Ok(options),
            Some("durable") => Durability::Durable,
            Some("fast") => Durability::Fast,
            Some(_) => {
                let cause = "sqlite: knows `durability=durable` and `durability=fast`";
                return Err(rejected(cause));
            }
        };
        Ok(options.durability(durability))
    }
}

/// Names no part of the URL: it may hold a password (S87).
fn no_store() -> StoreError {
    let names: Vec<&str> = SCHEMES.iter().map(|(name, _)| *name).collect();
    rejected(format!("no store's URL begins like this one; known are: {}", names.join(", ")))
}
