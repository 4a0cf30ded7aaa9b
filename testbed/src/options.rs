//! The command line. An option that this build cannot serve is refused in words, never ignored: a test that
//! asks for something must get it or be told.

use std::time::Duration;

/// What the service is to be. Limits that are `None` stay as the library's defaults are.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) secret: String,
    pub(crate) idle: Option<Limit>,
    pub(crate) renew_after: Option<Limit>,
    /// Where the clock stands still, in seconds since 1970.
    pub(crate) now: Option<f64>,
    pub(crate) keep_on_error: Option<bool>,
    pub(crate) until_stdin_closes: bool,
}

/// A span of whole seconds, or `never`.
pub(crate) type Limit = Option<Duration>;

/// Never to be used outside of tests: it is published here.
const SECRET: &str = "testbed-0kQ7vR2mXw9LbZ4cT8yHn5sJd1GfA6eUp3iVoKxNtMqEzBhCrWgYlSaDu";

const ADAPTERS: [&str; 2] = ["axum", "actix"];
const FACTORIES: [&str; 10] = [
    "signed-cookie:",
    "encrypted-cookie:",
    "memory:",
    "sqlite:",
    "redis://",
    "rediss://",
    "redis+cluster://",
    "postgres://",
    "mysql://",
    "memcached://",
];

impl Options {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: "127.0.0.1:0".into(),
            secret: SECRET.into(),
            idle: None,
            renew_after: None,
            now: None,
            keep_on_error: None,
            until_stdin_closes: false,
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
        Ok(options)
    }

    fn set(&mut self, name: &str, value: Result<String, String>) -> Result<(), String> {
        match name {
            "--adapter" => adapter(&value?)?,
            "--factory" => factory(&value?)?,
            "--listen" => self.listen = value?,
            "--secret" => self.secret = value?,
            "--idle" => self.idle = Some(limit(name, &value?)?),
            "--renew-after" => self.renew_after = Some(limit(name, &value?)?),
            "--now" => self.now = Some(seconds(name, &value?)?),
            "--keep-on-error" => self.keep_on_error = Some(yes_or_no(name, &value?)?),
            "--absolute" | "--csrf" | "--origin" | "--io-timeout" => {
                return Err(format!("{name} is not built yet"));
            }
            _ => return Err(format!("unknown option {name}")),
        }
        Ok(())
    }
}

fn adapter(name: &str) -> Result<(), String> {
    match name {
        "axum" => Ok(()),
        _ if ADAPTERS.contains(&name) => Err(format!("--adapter {name} is not built yet")),
        _ => Err(format!("--adapter {name}: unknown, one of {}", ADAPTERS.join(" "))),
    }
}

fn factory(url: &str) -> Result<(), String> {
    let known = FACTORIES.iter().find(|scheme| url.starts_with(**scheme));
    match known {
        Some(&"signed-cookie:") if url == "signed-cookie:" => Ok(()),
        Some(&"signed-cookie:") => {
            Err(format!("--factory {url}: signed-cookie: takes nothing more"))
        }
        // The scheme only: the rest of a store's URL may hold a password.
        Some(scheme) => Err(format!("--factory {scheme} is not built yet")),
        None => Err(format!("--factory: unknown, one of {}", FACTORIES.join(" "))),
    }
}

fn limit(name: &str, value: &str) -> Result<Limit, String> {
    if value == "never" {
        return Ok(None);
    }
    let seconds =
        value.parse().map_err(|_| format!("{name} {value}: not whole seconds, nor never"))?;
    Ok(Some(Duration::from_secs(seconds)))
}

fn seconds(name: &str, value: &str) -> Result<f64, String> {
    let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0);
    seconds.ok_or_else(|| format!("{name} {value}: not a time in seconds since 1970"))
}

fn yes_or_no(name: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{name} {value}: neither true nor false"))
}
