//! What a URL says: where Redis is, and after the question mark how it is to be reached.

use ::redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisResult,
};

use super::RedisOptions;
use super::options::Replicas;
use crate::store::Result;
use crate::store::parameters::{Parameters, split};
use crate::store::rejected;

/// How long replicas may take where only their number is said.
const WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What may stand after the question mark of every URL. `user` and `password` are for a socket, which has no place for
/// them.
const PARAMETERS: [&str; 11] = [
    "db",
    "protocol",
    "user",
    "password",
    "sentinel_user",
    "sentinel_password",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "wait_for_replicas",
    "wait_for_replicas_within",
];

/// A URL's parts.
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) is_encrypted: bool,
    /// `user:password@`, as it was written, or nothing.
    pub(super) user: String,
    /// With commas between them; of a socket, its path.
    pub(super) hosts: String,
    /// The master that sentinels are asked for, unless it is the usual one.
    pub(super) master: Option<String>,
    pub(super) database: i64,
    pub(super) protocol: Option<ProtocolVersion>,
    /// Of a socket's URL.
    name: Option<String>,
    password: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Server,
    Socket,
    Sentinels,
    Cluster,
}

impl Place {
    /// Reads a URL, and takes over what it says besides the place.
    pub(super) fn read(options: &mut RedisOptions) -> Result<Self> {
        let url = options.url.clone();
        let (url, mut parameters) = split(&url, &PARAMETERS)?;
        let mut place = Self::of(url)?;
        place.take_over(&mut parameters)?;
        options.take_over(place.kind, &mut parameters)?;
        Ok(place)
    }

    fn of(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| rejected(NO_URL))?;
        let (kind, is_encrypted) = kind(scheme).ok_or_else(|| rejected(NO_URL))?;
        if kind == Kind::Socket {
            return Self::of_socket(rest);
        }
        let (user, rest) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if kind == Kind::Server && hosts.contains(',') {
            let cause = "the URL names several hosts: redis+sentinel:// or redis+cluster://";
            return Err(rejected(cause));
        }
        let (master, database) = match kind {
            Kind::Sentinels => path.split_once('/').unwrap_or((path, "")),
            _ => ("", path),
        };
        let database = match database {
            "" => 0,
            number => number.parse().map_err(|_| rejected(NO_DATABASE))?,
        };
        Ok(Self {
            kind,
            is_encrypted,
            user: user.to_owned(),
            hosts: hosts.to_owned(),
            master: Some(master).filter(|name| !name.is_empty()).map(str::to_owned),
            database,
            protocol: None,
            name: None,
            password: None,
        })
    }

    /// At a path, which may hold anything, encoded as in any URL.
    fn of_socket(path: &str) -> Result<Self> {
        let url = ::redis::parse_redis_url(&format!("redis+unix://{path}"));
        let path = url.and_then(|url| url.to_file_path().ok());
        let path = path.and_then(|path| path.into_os_string().into_string().ok());
        Ok(Self {
            kind: Kind::Socket,
            is_encrypted: false,
            user: String::new(),
            hosts: path.ok_or_else(|| rejected(NO_URL))?,
            master: None,
            database: 0,
            protocol: None,
            name: None,
            password: None,
        })
    }

    fn take_over(&mut self, parameters: &mut Parameters) -> Result<()> {
        if let Some(database) = parameters.take_number("db")? {
            if self.database != 0 && self.database != database {
                return Err(rejected("the URL names two databases: one in its path, one as `db`"));
            }
            self.database = database;
        }
        if self.database < 0 {
            return Err(rejected(NO_DATABASE));
        }
        if self.kind == Kind::Cluster && self.database != 0 {
            return Err(rejected("a cluster has one database: take the number from the URL"));
        }
        self.protocol = match parameters.take("protocol").as_deref() {
            None => None,
            Some(_) if self.kind == Kind::Cluster => {
                return Err(rejected("of a cluster, nodes are asked which `protocol` they speak"));
            }
            Some("2" | "resp2") => Some(ProtocolVersion::RESP2),
            Some("3" | "resp3") => Some(ProtocolVersion::RESP3),
            Some(_) => return Err(rejected("the URL's `protocol` is neither resp2 nor resp3")),
        };
        (self.name, self.password) = (parameters.take("user"), parameters.take("password"));
        if self.kind != Kind::Socket && (self.name.is_some() || self.password.is_some()) {
            let cause = "`user` and `password` are parameters for a socket: of a host they stand before it, user:password@host";
            return Err(rejected(cause));
        }
        Ok(())
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.is_encrypted { "rediss" } else { "redis" }
    }

    /// One server's place and who we are there; with several hosts, those of the first one.
    pub(super) fn info(&self) -> RedisResult<ConnectionInfo> {
        if self.kind == Kind::Socket {
            let info = ConnectionAddr::Unix(self.hosts.as_str().into()).into_connection_info()?;
            let settings = self.signed_in(RedisConnectionInfo::default());
            return Ok(info.set_redis_settings(settings));
        }
        let host = self.hosts.split(',').next().unwrap_or_default();
        let url = format!("{}://{}{host}", self.scheme(), self.user);
        let info = url.as_str().into_connection_info()?;
        let settings = self.signed_in(info.redis_settings().clone());
        Ok(info.set_redis_settings(settings))
    }

    fn signed_in(&self, mut settings: RedisConnectionInfo) -> RedisConnectionInfo {
        if let Some(name) = &self.name {
            settings = settings.set_username(name);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(protocol) = self.protocol {
            settings = settings.set_protocol(protocol);
        }
        settings.set_db(self.database)
    }
}

const NO_URL: &str =
    "that is no URL of a Redis: redis://user:password@host:port/database, or one of the others";
const NO_DATABASE: &str = "the URL's path is no number of a database";

/// What a scheme means. Valkey is reached as Redis is.
fn kind(scheme: &str) -> Option<(Kind, bool)> {
    let (server, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let is_encrypted = match server {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        "unix" if kind.is_empty() => return Some((Kind::Socket, false)),
        _ => return None,
    };
    let kind = match kind {
        "" => Kind::Server,
        "unix" if !is_encrypted => Kind::Socket,
        "sentinel" => Kind::Sentinels,
        "cluster" => Kind::Cluster,
        _ => return None,
    };
    Some((kind, is_encrypted))
}

impl RedisOptions {
    fn take_over(&mut self, kind: Kind, parameters: &mut Parameters) -> Result<()> {
        if let Some(password) = parameters.take("sentinel_password") {
            self.sentinel_password = Some(password.into());
        }
        if let Some(user) = parameters.take("sentinel_user") {
            self.sentinel_user = Some(user);
        }
        if kind != Kind::Sentinels
            && (self.sentinel_user.is_some() || self.sentinel_password.is_some())
        {
            return Err(rejected("there are no sentinels to sign in to: redis+sentinel://…"));
        }
        let replicas = parameters.take_number("wait_for_replicas")?;
        let within = parameters.take_seconds("wait_for_replicas_within")?;
        match (replicas, within) {
            (None, Some(_)) => {
                return Err(rejected(
                    "`wait_for_replicas_within` needs `wait_for_replicas=1`, or more",
                ));
            }
            (Some(0), _) => self.replicas = None,
            (Some(number), within) => {
                self.replicas = Some(Replicas { number, within: within.unwrap_or(WITHIN) });
            }
            (None, None) => {}
        }
        self.take_certificates(parameters)
    }

    #[cfg(feature = "tls")]
    fn take_certificates(&mut self, parameters: &mut Parameters) -> Result<()> {
        if let Some(pem) = parameters.take_file("sslrootcert")? {
            self.root_certificate = Some(pem);
        }
        match (parameters.take_file("sslcert")?, parameters.take_file("sslkey")?) {
            (Some(certificate), Some(key)) => {
                self.client_certificate = Some((certificate, key.into()));
            }
            (None, None) => {}
            _ => return Err(rejected("`sslcert` and `sslkey` belong together: give both")),
        }
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    fn take_certificates(&mut self, parameters: &mut Parameters) -> Result<()> {
        let names = ["sslrootcert", "sslcert", "sslkey"];
        match names.iter().find(|name| parameters.take(name).is_some()) {
            Some(name) => Err(rejected(format!("`{name}`: turn on cloakroom's feature `tls`"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(Place, RedisOptions)> {
        let mut options = RedisOptions::new(url);
        Place::read(&mut options).map(|place| (place, options))
    }

    #[test]
    fn r54_a_url_says_where_redis_is_and_who_we_are() {
        let table = [
            ("redis://127.0.0.1", Kind::Server, false, 0),
            ("valkey://ada:hush@host:7000/3", Kind::Server, false, 3),
            ("rediss://host?db=3", Kind::Server, true, 3),
            ("valkeys://host/3?db=3", Kind::Server, true, 3),
            ("redis+unix:///run/redis.sock?db=4&password=hush", Kind::Socket, false, 4),
            ("unix:///run/redis.sock", Kind::Socket, false, 0),
            ("valkey+sentinel://a,b:1/name/5", Kind::Sentinels, false, 5),
            ("rediss+sentinel://a", Kind::Sentinels, true, 0),
            ("valkeys+cluster://a,b/0", Kind::Cluster, true, 0),
        ];
        for (url, kind, is_encrypted, database) in table {
            let (place, _) = read(url).unwrap();
            assert_eq!(
                (place.kind, place.is_encrypted, place.database),
                (kind, is_encrypted, database),
                "{url}"
            );
            assert_eq!(place.info().unwrap().redis_settings().db(), database, "{url}");
        }
        let (place, _) = read("redis+sentinel://:a@b@h1,h2:7/shop/5").unwrap();
        assert_eq!(
            (&*place.user, &*place.hosts, place.master.as_deref()),
            (":a@b@", "h1,h2:7", Some("shop"))
        );
        let (socket, _) = read("redis+unix:///run/redis@main/a%20b.sock").unwrap();
        assert_eq!(socket.hosts, "/run/redis@main/a b.sock");
        let (socket, _) = read("redis+unix:///s?user=ada&password=a%26b").unwrap();
        let info = socket.info().unwrap();
        assert_eq!(info.redis_settings().username(), Some("ada"));
        assert_eq!(info.redis_settings().password(), Some("a&b"));
    }

    #[test]
    fn r54_what_a_url_asks_in_vain_is_refused_with_words() {
        let table = [
            ("redis://host/seven", "no number"),
            ("redis://host/-1", "no number"),
            ("redis://host/1?db=2", "two databases"),
            ("redis+cluster://host/1", "one database"),
            ("redis+cluster://host?db=1", "one database"),
            ("redis://host?password=hush", "user:password@host"),
            ("redis://host?sentinel_password=hush", "no sentinels"),
            ("redis://host?wait_for_replicas=some", "whole number"),
            ("redis://host?wait_for_replicas_within=1", "wait_for_replicas=1"),
            ("redis://host?ssl_ca=x", "sslrootcert"),
            ("redis://host?protocol=4", "resp3"),
            ("redis+cluster://host?protocol=resp3", "nodes are asked"),
            ("redis+unix+tls://host", "no URL of a Redis"),
            ("redis:host", "no URL of a Redis"),
            ("redis://a,b", "several hosts"),
            ("redis+unix://host/socket", "no URL of a Redis"),
            ("rediss+unix:///socket", "no URL of a Redis"),
        ];
        for (url, words) in table {
            let error = read(url).err().unwrap();
            assert!(error.causes().contains(words), "{url}: {}", error.causes());
            assert!(!format!("{error:?}").contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn s77_s78_what_a_url_says_of_sentinels_and_replicas_is_taken_over() {
        let (_, options) = read(
            "redis+sentinel://ada:hush@h?sentinel_user=guard&sentinel_password=s%40fe&wait_for_replicas=2",
        )
        .unwrap();
        assert_eq!(options.sentinel_user.as_deref(), Some("guard"));
        assert_eq!(
            options.sentinel_password.as_ref().map(|password| password.as_str()),
            Some("s@fe")
        );
        assert_eq!(options.replicas, Some(Replicas { number: 2, within: WITHIN }));
        let (_, options) =
            read("redis://h?wait_for_replicas=1&wait_for_replicas_within=0.25").unwrap();
        let within = std::time::Duration::from_millis(250);
        assert_eq!(options.replicas, Some(Replicas { number: 1, within }));
    }
}
