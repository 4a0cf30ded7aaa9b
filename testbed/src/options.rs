//! The command line. An option that this build cannot serve is refused in words, never ignored: a test that
//! asks for something must get it or be told.
//!
//! | option | is |
//! |---|---|
//! | `--adapter axum` or `actix` | what serves; default axum |
//! | `--factory signed-cookie:`, `memory:`, `sqlite:PATH`, `redis://…`, `postgres://…`, `mysql://…` or `memcached://…` | where sessions are kept |
//! | `--listen ADDRESS` | default `127.0.0.1:0` |
//! | `--secret TEXT` | signs cookies; a store needs none |
//! | `--idle SECONDS`, `--renew-after SECONDS` | limits, or `never` |
//! | `--now SECONDS` | a clock that stands still; `POST /clock` moves it |
//! | `--random-seed NUMBER` | tickets and tokens that anybody can foretell |
//! | `--keep-on-error true` or `false` | whether changes are kept when the handler answers 5xx |
//! | `--csrf off`, `token`, `origin` or `all` | what guards `/csrf/guarded`; default all |
//! | `--origin URL` | the site's own origin, may be repeated |
//! | `--until-stdin-closes` | ends then, too |
//!
//! And for sessions in a store, where `POST /fault {"call", "fault"}` does the same as `--io-fault` later:
//!
//! | option | is |
//! |---|---|
//! | `--absolute SECONDS` | the absolute limit, or `never` |
//! | `--renew-ticket SECONDS` | tickets of this age are renewed, or `never` |
//! | `--csrf-grace SECONDS` | how long the token from before a login is accepted too |
//! | `--flash-lease SECONDS` | how long claimed messages wait for their response |
//! | `--overwrite refuse` or `last-wins` | what happens to a write over another that was not seen |
//! | `--io-timeout MILLISECONDS` | the budget of a store call, or `never` |
//! | `--fail-fast FAILURES` | after how many in a row requests fail at once, or `never` |
//! | `--io-fault CALL=FAULT,…` | calls `load create replace touch remove`; faults `hang fail lost garbage` |
//! | `--durability durable` or `fast` | of SQLite |
//! | `--namespace TEXT` | the application's name; default `testbed` |
//! | `--prefix TEXT` | what all keys in Redis or memcached begin with, or the name of the table in a database |
//! | `--replicas NUMBER` | how many replicas of Redis have a logout or a renewal before it is acknowledged |

use std::path::PathBuf;
use std::time::Duration;

use cloakroom::factory::Overwrite;
use cloakroom::store::Durability;
use serde_json::json;

use crate::faults::Failing;

/// What the service is to be. Limits that are `None` stay as the library's defaults are.
pub(crate) struct Options {
    pub(crate) adapter: Adapter,
    pub(crate) listen: String,
    pub(crate) factory: FactoryUrl,
    pub(crate) secret: String,
    pub(crate) idle: Option<Limit>,
    pub(crate) renew_after: Option<Limit>,
    /// Where the clock stands still, in seconds since 1970.
    pub(crate) now: Option<f64>,
    /// What tickets and tokens are drawn from, instead of the operating system.
    pub(crate) random_seed: Option<u64>,
    pub(crate) keep_on_error: Option<bool>,
    pub(crate) until_stdin_closes: bool,
    pub(crate) csrf: CsrfOptions,
    pub(crate) stored: StoredOptions,
}

/// What serves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Adapter {
    Axum,
    Actix,
}

/// Where sessions are kept.
#[derive(PartialEq, Eq)]
pub(crate) enum FactoryUrl {
    SignedCookie,
    Memory,
    Sqlite(PathBuf),
    /// Its URL, which may hold a password.
    Redis(String),
    Postgres(String),
    MySql(String),
    Memcached(String),
}

impl FactoryUrl {
    const fn is_redis(&self) -> bool {
        matches!(self, Self::Redis(_))
    }
}

/// How `/csrf/guarded` is guarded.
#[derive(Debug, Default)]
pub(crate) struct CsrfOptions {
    pub(crate) guarding: Guarding,
    /// The site's own.
    pub(crate) origins: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Guarding {
    Off,
    /// By the token only.
    Token,
    /// By what the browser says; by the token where it says nothing.
    Origin,
    #[default]
    All,
}

/// What only sessions in a store can have.
#[derive(Debug, Default)]
pub(crate) struct StoredOptions {
    /// The first of them that was given, for the refusal.
    given: Option<String>,
    pub(crate) absolute: Option<Limit>,
    pub(crate) renew_ticket: Option<Limit>,
    pub(crate) flash_lease: Option<Duration>,
    pub(crate) overwrite: Option<Overwrite>,
    pub(crate) csrf_grace: Option<Duration>,
    pub(crate) io_timeout: Option<Limit>,
    pub(crate) fail_fast: Option<Option<u32>>,
    pub(crate) faults: Vec<Failing>,
    pub(crate) durability: Option<Durability>,
    pub(crate) namespace: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) replicas: Option<u32>,
}

/// A span of whole seconds, or `never`.
pub(crate) type Limit = Option<Duration>;

/// Never to be used outside of tests: it is published here.
const SECRET: &str = "testbed-0kQ7vR2mXw9LbZ4cT8yHn5sJd1GfA6eUp3iVoKxNtMqEzBhCrWgYlSaDu";

const FACTORIES: [&str; 11] = [
    "signed-cookie:",
    "encrypted-cookie:",
    "memory:",
    "sqlite:",
    "redis://",
    "rediss://",
    "redis+cluster://",
    "redis+sentinel://",
    "postgres://",
    "mysql://",
    "memcached://",
];

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            adapter: Adapter::Axum,
            listen: "127.0.0.1:0".into(),
            factory: FactoryUrl::SignedCookie,
            secret: SECRET.into(),
            idle: None,
            renew_after: None,
            now: None,
            random_seed: None,
            keep_on_error: None,
            until_stdin_closes: false,
            csrf: CsrfOptions::default(),
            stored: StoredOptions::default(),
        };
        let mut words = words.into_iter();
        while let Some(name) = words.next() {
            if name == "--until-stdin-closes" {
                options.until_stdin_closes = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("{name} needs a value"));
            options.set(&name, value)?;
        }
        options.fits()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: Result<String, String>) -> Result<(), String> {
        match name {
            "--adapter" => self.adapter = adapter(&value?)?,
            "--factory" => self.factory = factory(&value?)?,
            "--listen" => self.listen = value?,
            "--secret" => self.secret = value?,
            "--idle" => self.idle = Some(limit(name, &value?)?),
            "--renew-after" => self.renew_after = Some(limit(name, &value?)?),
            "--now" => self.now = Some(seconds(name, &value?)?),
            "--random-seed" => self.random_seed = Some(whole(name, &value?)?),
            "--keep-on-error" => self.keep_on_error = Some(yes_or_no(name, &value?)?),
            "--csrf" => {
                let known = [
                    ("off", Guarding::Off),
                    ("token", Guarding::Token),
                    ("origin", Guarding::Origin),
                    ("all", Guarding::All),
                ];
                self.csrf.guarding = one_of(name, &value?, &known)?;
            }
            "--origin" => self.csrf.origins.push(value?),
            _ => {
                self.stored.set(name, value)?;
                self.stored.given.get_or_insert(name.into());
            }
        }
        Ok(())
    }

    /// Whether the factory can have what was asked for.
    fn fits(&self) -> Result<(), String> {
        match (&self.factory, &self.stored.given, &self.stored.durability) {
            (FactoryUrl::SignedCookie, Some(name), _) => {
                Err(format!("{name} is for sessions in a store: signed-cookie: has none"))
            }
            (FactoryUrl::Memory | FactoryUrl::Sqlite(_), ..) if self.stored.prefix.is_some() => {
                Err("--prefix is for engines beyond this process".into())
            }
            (factory, ..) if self.stored.replicas.is_some() && !factory.is_redis() => {
                Err("--replicas is for Redis".into())
            }
            (FactoryUrl::Sqlite(_), ..) | (_, _, None) => Ok(()),
            _ => Err("--durability is for sqlite:".into()),
        }
    }
}

impl StoredOptions {
    fn set(&mut self, name: &str, value: Result<String, String>) -> Result<(), String> {
        match name {
            "--absolute" => self.absolute = Some(limit(name, &value?)?),
            "--renew-ticket" => self.renew_ticket = Some(limit(name, &value?)?),
            "--flash-lease" => self.flash_lease = limit(name, &value?)?,
            "--csrf-grace" => self.csrf_grace = limit(name, &value?)?,
            "--io-timeout" => self.io_timeout = Some(milliseconds(name, &value?)?),
            "--fail-fast" => {
                let value = value?;
                let failures = if value == "never" { Ok(None) } else { value.parse().map(Some) };
                let complaint = |_| format!("{name} {value}: no number, nor never");
                self.fail_fast = Some(failures.map_err(complaint)?);
            }
            "--io-fault" => self.faults = faults(name, &value?)?,
            "--overwrite" => {
                let known = [("refuse", Overwrite::Refuse), ("last-wins", Overwrite::LastWins)];
                self.overwrite = Some(one_of(name, &value?, &known)?);
            }
            "--durability" => {
                let known = [("durable", Durability::Durable), ("fast", Durability::Fast)];
                self.durability = Some(one_of(name, &value?, &known)?);
            }
            "--namespace" => self.namespace = Some(value?),
            "--prefix" => self.prefix = Some(value?),
            "--replicas" => {
                let value = value?;
                let complaint = |_| format!("{name} {value}: not a number of replicas");
                self.replicas = Some(value.parse().map_err(complaint)?);
            }
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }
}

fn adapter(name: &str) -> Result<Adapter, String> {
    match name {
        "axum" => Ok(Adapter::Axum),
        "actix" => Ok(Adapter::Actix),
        _ => Err(format!("--adapter {name}: unknown, one of axum actix")),
    }
}

fn factory(url: &str) -> Result<FactoryUrl, String> {
    let known = FACTORIES.iter().find(|scheme| url.starts_with(**scheme));
    let known =
        known.ok_or_else(|| format!("--factory: unknown, one of {}", FACTORIES.join(" ")))?;
    match (*known, &url[known.len()..]) {
        ("signed-cookie:", "") => Ok(FactoryUrl::SignedCookie),
        ("memory:", "") => Ok(FactoryUrl::Memory),
        ("signed-cookie:" | "memory:", _) => {
            Err(format!("--factory {url}: {known} takes nothing more"))
        }
        ("sqlite:", "") => Err("--factory sqlite: needs the path of a file".into()),
        ("sqlite:", path) => Ok(FactoryUrl::Sqlite(path.into())),
        ("redis://" | "rediss://" | "redis+cluster://" | "redis+sentinel://", _) => {
            Ok(FactoryUrl::Redis(url.into()))
        }
        ("postgres://", _) => Ok(FactoryUrl::Postgres(url.into())),
        ("mysql://", _) => Ok(FactoryUrl::MySql(url.into())),
        ("memcached://", _) => Ok(FactoryUrl::Memcached(url.into())),
        // The scheme only: the rest of a store's URL may hold a password.
        (scheme, _) => Err(format!("--factory {scheme} is not built yet")),
    }
}

fn limit(name: &str, value: &str) -> Result<Limit, String> {
    span(value, Duration::from_secs).ok_or(format!("{name} {value}: not whole seconds, nor never"))
}

fn milliseconds(name: &str, value: &str) -> Result<Limit, String> {
    let unit = "not whole milliseconds, nor never";
    span(value, Duration::from_millis).ok_or(format!("{name} {value}: {unit}"))
}

fn span(value: &str, unit: fn(u64) -> Duration) -> Option<Limit> {
    if value == "never" { Some(None) } else { value.parse().ok().map(|number| Some(unit(number))) }
}

fn seconds(name: &str, value: &str) -> Result<f64, String> {
    let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| format!("{name} {value}: not a time in seconds since 1970"))
}

fn whole(name: &str, value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| format!("{name} {value}: not a whole number"))
}

fn yes_or_no(name: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{name} {value}: neither true nor false"))
}

fn one_of<T: Copy>(name: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(word, _)| *word == value).map(|(_, what)| *what);
    let words = known.iter().map(|(word, _)| *word).collect::<Vec<_>>();
    found.ok_or_else(|| format!("{name} {value}: unknown, one of {}", words.join(" ")))
}

fn faults(name: &str, list: &str) -> Result<Vec<Failing>, String> {
    let pairs = list.split(',').map(|pair| {
        let (call, fault) = pair.split_once('=')?;
        serde_json::from_value(json!({"call": call, "fault": fault})).ok()
    });
    pairs.collect::<Option<_>>().ok_or_else(|| format!("{name} {list}: not CALL=FAULT,…"))
}
