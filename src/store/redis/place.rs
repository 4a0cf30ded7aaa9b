//! Where Redis is, from its URL, and connecting to it: one server, the master that sentinels know, or a cluster.

use std::time::Duration;

use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode,
};

use super::RedisOptions;
use super::heard::Map;
use super::live::Live;
use super::meaning::Meaning;

/// The master that sentinels are asked for, unless the URL names one.
const MASTER: &str = "mymaster";

/// After how long without a word the system asks whether the other end of a connection is there, and how often then. What
/// stands between forgets connections after a few minutes at the earliest.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Where connections come from.
pub(super) enum Source {
    Server(Box<Client>),
    Sentinels(Box<SentinelClient>),
    Cluster(Box<Cluster>),
}

pub(super) struct Cluster {
    /// By the third version of the protocol, in which a connection says that it was closed, and the second for servers
    /// that do not speak it.
    clients: [ClusterClient; 2],
    map: Map,
}

impl Source {
    pub(super) async fn connect(&mut self, config: &AsyncConnectionConfig) -> RedisResult<Live> {
        let connection = match self {
            Self::Server(client) => {
                let made = client.get_multiplexed_async_connection_with_config(config).await;
                match made {
                    Err(error) if error.kind() == ErrorKind::AuthenticationFailed => {
                        return Err(first_words(client, config).await.unwrap_or(error));
                    }
                    made => made?,
                }
            }
            Self::Sentinels(client) => client.get_async_connection_with_config(config).await?,
            Self::Cluster(cluster) => return cluster.connect().await,
        };
        let mut live = Live::Server(connection);
        live.greet().await?;
        Ok(live)
    }

    /// The map of a cluster.
    pub(super) fn map(&self) -> Option<Map> {
        match self {
            Self::Cluster(cluster) => Some(cluster.map.clone()),
            Self::Server(_) | Self::Sentinels(_) => None,
        }
    }
}

/// What a server says to somebody without a name before it hangs up. The library takes it for an answer about the
/// password.
async fn first_words(client: &Client, config: &AsyncConnectionConfig) -> Option<RedisError> {
    let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
    let info = client.get_connection_info().clone().set_redis_settings(nobody);
    let client = Client::open(info).ok()?;
    let connection = client.get_multiplexed_async_connection_with_config(config).await.ok()?;
    let said = Live::Server(connection).greet().await.err()?;
    Meaning::of(&said).is_answer().then_some(said)
}

impl Cluster {
    async fn connect(&self) -> RedisResult<Live> {
        let [new, old] = &self.clients;
        let connection = match new.get_async_connection().await {
            Err(error) if says(&error, &["NOPROTO", "HELLO", "resp3"]) => {
                old.get_async_connection().await
            }
            connection => connection,
        };
        connection.map(Live::Cluster).map_err(|error| {
            let is_shut_out = says(&error, &["WRONGPASS", "NOAUTH", "AuthenticationFailed"]);
            if is_shut_out {
                (ErrorKind::AuthenticationFailed, "no node lets this user in").into()
            } else {
                error
            }
        })
    }
}

/// Whether one of these is behind a failure: several nodes' errors come as one text.
fn says(error: &RedisError, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}

/// Each command leaves at once, and the system looks after connections that nobody uses.
fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_EVERY);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

/// A server's place, where nothing is sent before the first command but who we are: so that the server's first words,
/// perhaps that it has too many clients, are an answer to something.
fn info(place: impl IntoConnectionInfo) -> RedisResult<ConnectionInfo> {
    let info = place.into_connection_info()?.set_tcp_settings(tcp());
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    Ok(info.set_redis_settings(settings))
}

/// A URL's parts, each as it was written.
struct Parts<'a> {
    is_encrypted: bool,
    kind: Kind,
    /// `user:password`, perhaps empty.
    user: &'a str,
    hosts: &'a str,
    path: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sentinels,
    Cluster,
}

impl RedisOptions {
    pub(super) fn source(&self) -> RedisResult<Source> {
        #[cfg(feature = "tls")]
        choose_provider();
        match parts(&self.url) {
            None => Ok(Source::Server(Box::new(self.client(self.url.as_str())?))),
            Some(parts) if parts.kind == Kind::Sentinels => {
                Ok(Source::Sentinels(Box::new(self.sentinels(&parts)?)))
            }
            Some(parts) => self.cluster(&parts),
        }
    }

    #[cfg(not(feature = "tls"))]
    fn client(&self, place: impl IntoConnectionInfo) -> RedisResult<Client> {
        Client::open(info(place)?)
    }

    #[cfg(feature = "tls")]
    fn client(&self, place: impl IntoConnectionInfo) -> RedisResult<Client> {
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info(place)?, certificates),
            None => Client::open(info(place)?),
        }
    }

    /// Whether what was given as a certificate holds one: without any, nobody would be trusted, and nobody say why.
    #[cfg(feature = "tls")]
    pub(super) fn has_bad_certificate(&self) -> bool {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        self.root_certificate
            .as_ref()
            .is_some_and(|pem| CertificateDer::from_pem_slice(pem).is_err())
    }

    #[cfg(feature = "tls")]
    fn certificates(&self) -> Option<::redis::TlsCertificates> {
        let root_cert = self.root_certificate.clone();
        root_cert.is_some().then_some(::redis::TlsCertificates { client_tls: None, root_cert })
    }

    /// User, password and database are the master's; sentinels are asked without.
    fn sentinels(&self, parts: &Parts<'_>) -> RedisResult<SentinelClient> {
        let mut path = parts.path.split('/');
        let name = path.next().filter(|name| !name.is_empty()).unwrap_or(MASTER);
        let scheme = parts.scheme();
        let place = |host: &str| format!("{scheme}://{host}").as_str().into_connection_info();
        let sentinels = parts.hosts.split(',').map(|host| Ok(place(host)?.addr().clone()));
        let sentinels = sentinels.collect::<RedisResult<Vec<_>>>()?;
        let master = place(&format!("{}master/{}", parts.user, path.next().unwrap_or_default()))?;
        let master = master.redis_settings();
        let mut client = SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
            .set_client_to_redis_db(master.db())
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(user) = master.username() {
            client = client.set_client_to_redis_username(user);
        }
        if let Some(password) = master.password() {
            client = client.set_client_to_redis_password(password);
        }
        if parts.is_encrypted {
            client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        #[cfg(feature = "tls")]
        if let Some(certificates) = self.certificates() {
            client = client
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        client.build()
    }

    fn cluster(&self, parts: &Parts<'_>) -> RedisResult<Source> {
        let map = Map::default();
        let client = |protocol| self.cluster_client(parts, protocol, &map);
        let clients = [client(ProtocolVersion::RESP3)?, client(ProtocolVersion::RESP2)?];
        Ok(Source::Cluster(Box::new(Cluster { clients, map })))
    }

    fn cluster_client(
        &self,
        parts: &Parts<'_>,
        protocol: ProtocolVersion,
        map: &Map,
    ) -> RedisResult<ClusterClient> {
        let nodes = parts.hosts.split(',');
        let nodes = nodes.map(|host| format!("{}://{}{host}", parts.scheme(), parts.user));
        let client = ClusterClientBuilder::new(nodes)
            .connection_timeout(self.connect_timeout)
            .use_protocol(protocol)
            .read_routing_strategy(map.clone())
            .tcp_settings(tcp())
            // What may be sent again is decided here, and not in there.
            .retries(0);
        #[cfg(feature = "tls")]
        let client = match self.certificates() {
            Some(certificates) => client.certs(certificates),
            None => client,
        };
        client.build()
    }
}

impl Parts<'_> {
    const fn scheme(&self) -> &'static str {
        if self.is_encrypted { "rediss" } else { "redis" }
    }
}

/// Encryption asks for the process's provider of it, which nobody may have chosen.
#[cfg(feature = "tls")]
fn choose_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that somebody was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The parts of a URL that names several servers.
fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let (encryption, kind) = scheme.split_once('+')?;
    let kind = match kind {
        "sentinel" => Kind::Sentinels,
        "cluster" => Kind::Cluster,
        _ => return None,
    };
    let is_encrypted = match encryption {
        "redis" => false,
        "rediss" => true,
        _ => return None,
    };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let at = place.rfind('@').map_or(0, |at| at + 1);
    Some(Parts { is_encrypted, kind, user: &place[..at], hosts: &place[at..], path })
}
