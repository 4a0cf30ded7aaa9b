//! Where Redis is, from its URL, and connecting to it: one server, the master that sentinels know, or a cluster.

use std::future::Future;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::cluster::{ClusterClient, ClusterClientBuilder};
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use ::redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, RedisResult, TlsMode,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use super::RedisOptions;
#[cfg(feature = "tls")]
use super::certificates::choose_provider;
use super::heard::Map;
use super::live::Live;
use super::meaning::Meaning;
use super::url::{Kind, Place};

/// The master that sentinels are asked for, unless the URL names one.
const MASTER: &str = "mymaster";

/// How many connections are tried side by side.
const MOST_ATTEMPTS: usize = 4;

/// How long nothing may come of a connection before another one is tried, too.
const PATIENCE: Duration = Duration::from_secs(1);

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
            Self::Server(client) => return with_others(|| to_server(client, config)).await,
            Self::Sentinels(client) => client.get_async_connection_with_config(config).await?,
            Self::Cluster(cluster) => return cluster.connect().await,
        };
        greeted(connection).await
    }

    /// The map of a cluster.
    pub(super) fn map(&self) -> Option<Map> {
        match self {
            Self::Cluster(cluster) => Some(cluster.map.clone()),
            Self::Server(_) | Self::Sentinels(_) => None,
        }
    }
}

/// A try that nobody hears of may have been forgotten on the way: every second there is another one beside it, and the
/// first that comes to something is taken, be it a failure.
async fn with_others<T, F: Future<Output = RedisResult<T>>>(
    attempt: impl Fn() -> F,
) -> RedisResult<T> {
    let mut attempts = FuturesUnordered::new();
    loop {
        // A server that accepts and says nothing is not to collect them.
        if attempts.len() < MOST_ATTEMPTS {
            attempts.push(attempt());
        }
        if let Ok(Some(first)) = timeout(PATIENCE, attempts.next()).await {
            return first;
        }
    }
}

async fn to_server(client: &Client, config: &AsyncConnectionConfig) -> RedisResult<Live> {
    match client.get_multiplexed_async_connection_with_config(config).await {
        Err(error) if error.kind() == ErrorKind::AuthenticationFailed => {
            Err(first_words(client, config).await.unwrap_or(error))
        }
        made => greeted(made?).await,
    }
}

async fn greeted(connection: MultiplexedConnection) -> RedisResult<Live> {
    let mut live = Live::Server(connection);
    live.greet().await?;
    Ok(live)
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
fn plain(info: ConnectionInfo) -> ConnectionInfo {
    let settings = info.redis_settings().clone().set_skip_set_lib_name();
    info.set_tcp_settings(tcp()).set_redis_settings(settings)
}

impl RedisOptions {
    pub(super) fn source(&self, place: &Place) -> RedisResult<Source> {
        #[cfg(feature = "tls")]
        choose_provider();
        match place.kind {
            Kind::Server | Kind::Socket => Ok(Source::Server(Box::new(self.client(place)?))),
            Kind::Sentinels => Ok(Source::Sentinels(Box::new(self.sentinels(place)?))),
            Kind::Cluster => self.cluster(place),
        }
    }

    fn client(&self, place: &Place) -> RedisResult<Client> {
        let info = plain(place.info()?);
        #[cfg(feature = "tls")]
        if let Some(certificates) = self.certificates() {
            return Client::build_with_tls(info, certificates);
        }
        Client::open(info)
    }

    /// User, password and database are the master's; sentinels have their own.
    fn sentinels(&self, place: &Place) -> RedisResult<SentinelClient> {
        let name = place.master.as_deref().unwrap_or(MASTER);
        let scheme = place.scheme();
        let address = |host: &str| {
            let info = format!("{scheme}://{host}").as_str().into_connection_info()?;
            Ok(info.addr().clone())
        };
        let sentinels = place.hosts.split(',').map(address).collect::<RedisResult<Vec<_>>>()?;
        let master = place.info()?;
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
        if let Some(user) = &self.sentinel_user {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &self.sentinel_password {
            client = client.set_client_to_sentinel_password(password.as_str());
        }
        if let Some(protocol) = place.protocol {
            client = client.set_client_to_redis_protocol(protocol);
        }
        if place.is_encrypted {
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

    fn cluster(&self, place: &Place) -> RedisResult<Source> {
        let map = Map::default();
        let client = |protocol| self.cluster_client(place, protocol, &map);
        let clients = [client(ProtocolVersion::RESP3)?, client(ProtocolVersion::RESP2)?];
        Ok(Source::Cluster(Box::new(Cluster { clients, map })))
    }

    fn cluster_client(
        &self,
        place: &Place,
        protocol: ProtocolVersion,
        map: &Map,
    ) -> RedisResult<ClusterClient> {
        let nodes = place.hosts.split(',');
        let nodes = nodes.map(|host| format!("{}://{}{host}", place.scheme(), place.user));
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
