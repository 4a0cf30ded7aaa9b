//! Sessions as a deployment wants them: a URL, or [`Settings`] from a file or the environment.
//!
//! Spans of time are seconds, whole or not, or `never`. Every value may be given as text, as the environment has it.
//! A setting that does not exist is an error that names the nearest one that does.
//!
//! | setting | is | default |
//! |---|---|---|
//! | `namespace` | the application's name, which no other on this store has: see [`StoredFactory::new`] | must be given |
//! | `store` | where sessions are kept: a URL, see [`AnyStore`] | must be given |
//! | `prefix` | what all keys in Redis or memcached begin with | `cloakroom:` |
//! | `table` | the table in PostgreSQL or MySQL | `cloakroom_sessions` |
//! | `create_table` | whether it is made where it is missing | `false` |
//! | `max_connections` | to PostgreSQL or MySQL, or to each memcached | 10 |
//! | `connect_timeout` | for a new connection; not `never` | 2 |
//! | `wait_for_store` | how long opening is tried again where the store is not there | 0 |
//! | `start_without_store` | whether it is opened in the background, and requests that need it fail meanwhile | `false` |
//! | `io_timeout` | for a store call | 3 |
//! | `fail_fast_after` | how many calls in a row fail before requests fail at once | 10 |
//! | `sweep_every` | how often expired records are removed, where the store does not do so by itself | 60 |
//! | `idle_limit` | how long a session lives unused | 1200 |
//! | `absolute_limit` | how long it lives in all | 86400 |
//! | `touch_after` | how much of the idle limit passes before a look begins it anew | a tenth of it |
//! | `renew_every` | how old a ticket may become | `never` |
//! | `keep_on_error` | whether changes of a request that failed are kept | `true` |
//! | `cookie_name`, `cookie_path`, `cookie_domain` | of the ticket's cookie | `__Host-Http-session`, `/`, none |
//! | `cookie_secure`, `cookie_http_only` | its attributes | `true`, `true` |
//! | `cookie_same_site` | `strict`, `lax` or `none` | `lax` |
//! | `cookie_max_age` | how long the browser keeps it | `never` ends but with the browser |
//!
//! guide/src/settings.md has the names that these have elsewhere.

use std::fmt;
use std::time::Duration;

use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use crate::cookie::{CookieSettings, SameSite};
use crate::factory::StoredBuilder;
use crate::store::{AnyOptions, AnyStore, StoreError, sweep_forever};
use crate::{ConfigError, StoredFactory};

mod value;

use value::{Count, Flag, Limit, Span, Wait};

/// Sessions of the application of this name in the store of this URL, with the default settings. What the name is for is
/// said at [`StoredFactory::new`].
///
/// # Errors
/// As [`Settings::open`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cloakroom::settings::OpenError> {
/// let sessions = cloakroom::open("shop", "memory:").await?;
/// # Ok(())
/// # }
/// ```
pub async fn open(namespace: &str, url: &str) -> Result<StoredFactory<AnyStore>, OpenError> {
    Settings::new(namespace, url).open().await
}

/// Everything that a deployment may want to choose.
///
/// ```
/// use cloakroom::settings::Settings;
///
/// let settings: Settings =
///     serde_json::from_str(r#"{"namespace": "shop", "store": "memory:", "idle_limit": 600}"#)?;
/// let error = serde_json::from_str::<Settings>(r#"{"namespace": "shop", "idel_limit": 600}"#).unwrap_err();
/// assert!(error.to_string().contains("did you mean `idle_limit`?"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "nothing is opened before `open` is called"]
pub struct Settings {
    namespace: Option<String>,
    store: AnyOptions,
    start_without_store: bool,
    io_timeout: Option<Option<Duration>>,
    fail_fast_after: Option<Option<u32>>,
    sweep_every: Option<Option<Duration>>,
    idle_limit: Option<Option<Duration>>,
    absolute_limit: Option<Option<Duration>>,
    touch_after: Option<Option<Duration>>,
    renew_every: Option<Duration>,
    keep_on_error: Option<bool>,
    cookie: CookieChoices,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct CookieChoices {
    name: Option<String>,
    path: Option<String>,
    domain: Option<String>,
    secure: Option<bool>,
    http_only: Option<bool>,
    same_site: Option<SameSite>,
    max_age: Option<Duration>,
}

/// Why sessions could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting contradicts another, or cannot be served.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be opened.
    #[error("the session store cannot be opened: {}", .0.causes())]
    Store(#[from] StoreError),
    /// What the environment says is no setting, or no value of one.
    #[error("{0}")]
    Environment(String),
}

const NAMES: [&str; 24] = [
    "namespace",
    "store",
    "prefix",
    "table",
    "create_table",
    "max_connections",
    "connect_timeout",
    "wait_for_store",
    "start_without_store",
    "io_timeout",
    "fail_fast_after",
    "sweep_every",
    "idle_limit",
    "absolute_limit",
    "touch_after",
    "renew_every",
    "keep_on_error",
    "cookie_name",
    "cookie_path",
    "cookie_domain",
    "cookie_secure",
    "cookie_http_only",
    "cookie_same_site",
    "cookie_max_age",
];

const NO_NAMESPACE: &str =
    "setting `namespace` is missing: the application's name, which no other on its store has";
const NO_STORE: &str = "setting `store` is missing: the URL of a store";
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Settings {
    /// The application's name, a store's URL, and the defaults. What the name is for is said at [`StoredFactory::new`].
    pub fn new(namespace: impl Into<String>, store: impl Into<String>) -> Self {
        let (namespace, store) = (Some(namespace.into()), AnyStore::options(&store.into()));
        Self { namespace, store, ..Self::default() }
    }

    /// What the environment says in variables that begin with `prefix`: with `SESSION_` the setting `idle_limit` is
    /// `SESSION_IDLE_LIMIT`.
    ///
    /// # Errors
    /// [`OpenError::Environment`] for a variable that begins like this and is no setting, and where one is missing that
    /// must be given.
    pub fn from_env(prefix: &str) -> Result<Self, OpenError> {
        Self::from_pairs(std::env::vars().filter_map(|(name, value)| {
            Some((name.strip_prefix(prefix)?.to_ascii_lowercase(), value))
        }))
    }

    fn from_pairs(pairs: impl Iterator<Item = (String, String)>) -> Result<Self, OpenError> {
        let mut settings = Self::default();
        for (name, value) in pairs {
            if !NAMES.contains(&&*name) {
                return Err(OpenError::Environment(unknown(&name)));
            }
            let error = |error: serde::de::value::Error| {
                OpenError::Environment(format!("setting `{name}`: {error}"))
            };
            let mut pair = MapDeserializer::new([(&*name, value)].into_iter());
            pair.next_key::<String>().map_err(error)?;
            settings.set(&name, &mut pair).map_err(error)?;
        }
        match settings.missing() {
            Some(missing) => Err(OpenError::Environment(missing.to_owned())),
            None => Ok(settings),
        }
    }

    /// What must be given and was not.
    fn missing(&self) -> Option<&'static str> {
        // An empty one is what an environment has that forgot it.
        match (self.namespace.as_deref(), &*self.store.url) {
            (None | Some(""), _) => Some(NO_NAMESPACE),
            (Some(_), "") => Some(NO_STORE),
            (Some(_), _) => None,
        }
    }

    /// Opens the store and makes the factory. Needs a Tokio runtime, in which expired records are swept from then on,
    /// where the store does not do so by itself.
    ///
    /// # Errors
    /// [`OpenError`]: a cookie that browsers would refuse, a setting that cannot be served, a URL of no store, a store that
    /// does not answer. The store is opened last, so that nothing is begun that a wrong setting would leave behind.
    pub async fn open(self) -> Result<StoredFactory<AnyStore>, OpenError> {
        let (options, in_background) = (self.store.clone(), self.start_without_store);
        let sweep_every = self.sweep_every.unwrap_or(Some(SWEEP_EVERY));
        if sweep_every.is_some_and(|every| every.is_zero()) {
            let reason =
                "is zero, so that nothing would be done but sweeping: give seconds, or `never`";
            return Err(ConfigError::Setting { setting: "sweep_every", reason }.into());
        }
        // Before anything is connected, made or begun.
        let namespace = self.namespace.clone().unwrap_or_default();
        let builder = self.applied_to(StoredBuilder::new(&namespace, ()));
        builder.check()?;
        let store =
            if in_background { options.open_in_background()? } else { options.open().await? };
        if let Some(every) = sweep_every
            && store.keeps_expired()
        {
            tokio::spawn(sweep_forever(store.clone(), every));
        }
        Ok(builder.over(store).build()?)
    }

    fn applied_to<S>(self, mut builder: StoredBuilder<S>) -> StoredBuilder<S> {
        if let Some(budget) = self.io_timeout {
            builder = builder.io_timeout(budget);
        }
        if let Some(failures) = self.fail_fast_after {
            builder = builder.fail_fast_after(failures);
        }
        if let Some(idle) = self.idle_limit {
            builder = builder.idle_limit(idle);
        }
        if let Some(absolute) = self.absolute_limit {
            builder = builder.absolute_limit(absolute);
        }
        if let Some(span) = self.touch_after {
            builder = builder.touch_after(span);
        }
        if let Some(keep) = self.keep_on_error {
            builder = builder.keep_on_error(keep);
        }
        if self.cookie != CookieChoices::default() {
            builder = builder.cookie(self.cookie.settings());
        }
        builder.renew_every(self.renew_every)
    }

    /// Takes one setting over.
    fn set<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let cookie = &mut self.cookie;
        match name {
            "namespace" => self.namespace = Some(map.next_value()?),
            "store" => self.store.url = map.next_value()?,
            "prefix" => self.store.prefix = Some(map.next_value()?),
            "table" => self.store.table = Some(map.next_value()?),
            "create_table" => self.store.create_table = map.next_value::<Flag>()?.0,
            "max_connections" => self.store.max_connections = Some(map.next_value::<Count>()?.0),
            "connect_timeout" => self.store.connect_timeout = Some(map.next_value::<Wait>()?.0),
            "wait_for_store" => {
                let patience = map.next_value::<Span>()?.0;
                self.store.wait = patience.unwrap_or(Duration::MAX);
            }
            "start_without_store" => self.start_without_store = map.next_value::<Flag>()?.0,
            "io_timeout" => self.io_timeout = Some(map.next_value::<Span>()?.0),
            "fail_fast_after" => self.fail_fast_after = Some(map.next_value::<Limit>()?.0),
            "sweep_every" => self.sweep_every = Some(map.next_value::<Span>()?.0),
            "idle_limit" => self.idle_limit = Some(map.next_value::<Span>()?.0),
            "absolute_limit" => self.absolute_limit = Some(map.next_value::<Span>()?.0),
            "touch_after" => self.touch_after = Some(map.next_value::<Span>()?.0),
            "renew_every" => self.renew_every = map.next_value::<Span>()?.0,
            "keep_on_error" => self.keep_on_error = Some(map.next_value::<Flag>()?.0),
            "cookie_name" => cookie.name = Some(map.next_value()?),
            "cookie_path" => cookie.path = Some(map.next_value()?),
            "cookie_domain" => cookie.domain = Some(map.next_value()?),
            "cookie_secure" => cookie.secure = Some(map.next_value::<Flag>()?.0),
            "cookie_http_only" => cookie.http_only = Some(map.next_value::<Flag>()?.0),
            "cookie_same_site" => cookie.same_site = Some(map.next_value::<value::Site>()?.0),
            "cookie_max_age" => cookie.max_age = map.next_value::<Span>()?.0,
            _ => return Err(A::Error::custom(unknown(name))),
        }
        Ok(())
    }
}

/// The complaint about a name, with the one that was meant perhaps.
fn unknown(name: &str) -> String {
    let near = NAMES.iter().map(|known| (strsim::damerau_levenshtein(known, name), *known)).min();
    match near {
        Some((distance, near)) if distance <= name.len().div_ceil(3) => {
            format!("unknown setting `{name}`: did you mean `{near}`?")
        }
        _ => format!("unknown setting `{name}`: there are {}", NAMES.join(", ")),
    }
}

impl CookieChoices {
    fn settings(self) -> CookieSettings {
        let name = self.name.as_deref().unwrap_or(crate::factory::STORED_COOKIE);
        let mut cookie = CookieSettings::new(name).max_age(self.max_age);
        if let Some(path) = self.path {
            cookie = cookie.path(path);
        }
        if let Some(domain) = self.domain {
            cookie = cookie.domain(domain);
        }
        if let Some(secure) = self.secure {
            cookie = cookie.secure(secure);
        }
        if let Some(http_only) = self.http_only {
            cookie = cookie.http_only(http_only);
        }
        if let Some(same_site) = self.same_site {
            cookie = cookie.same_site(same_site);
        }
        cookie
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfSettings;

        impl<'de> Visitor<'de> for OfSettings {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Settings, A::Error> {
                let mut settings = Settings::default();
                while let Some(name) = map.next_key::<String>()? {
                    settings.set(&name, &mut map)?;
                }
                match settings.missing() {
                    Some(missing) => Err(A::Error::custom(missing)),
                    None => Ok(settings),
                }
            }
        }

        deserializer.deserialize_map(OfSettings)
    }
}

impl fmt::Debug for Settings {
    /// Without the store's URL, which may hold a password (S87).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
