//! Which Redis, and how to get there.

use crate::store::error::{Error, Kind};
use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo,
    RedisResult, TlsCertificates, TlsMode,
    cluster::{ClusterClient, ClusterClientBuilder},
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use std::{fmt, str::FromStr, time::Duration};

/// Everything that is to be known about a Redis.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) deployment: Deployment,
    pub(crate) credentials: Option<Credentials>,
    /// Without it nothing is encrypted on the way. Sentinels are reached the same way as what they watch.
    pub(crate) tls: Option<Tls>,
    /// A cluster has only 0.
    pub(crate) database: u16,
    /// Every key begins with it, so that several servers can share a Redis without sharing a store.
    pub(crate) prefix: Prefix,
    pub(crate) patience: Patience,
}

/// How many there are, and who says which one is to be asked.
#[derive(Clone, Debug)]
pub(crate) enum Deployment {
    Standalone(Address),
    /// Some of its nodes; they know the others.
    Cluster(Vec<Address>),
    Sentinel {
        sentinels: Vec<Address>,
        /// What the sentinels call the primary.
        primary: String,
        /// For the sentinels themselves.
        credentials: Option<Credentials>,
    },
}

/// `host:port`; an IPv6 address stands in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Without one, Redis takes it for `default`.
    pub(crate) username: Option<String>,
    pub(crate) password: SecretString,
}

/// rustls, with the provider that the rest of the server uses.
#[derive(Clone)]
pub(crate) struct Tls {
    /// In PEM; without it the system's authorities are asked.
    pub(crate) authorities: Option<Vec<u8>>,
    /// A certificate of our own and its key, in PEM.
    pub(crate) own: Option<(Vec<u8>, SecretSlice<u8>)>,
}

/// Letters, digits, and `- _ . :`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prefix(String);

/// How long is waited for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
}

/// A client of each kind.
pub(super) enum Source {
    Standalone(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    /// The second is for notices, which any node passes on.
    Cluster(Box<ClusterClient>, Vec<Client>),
}

impl Settings {
    /// One Redis on its own, with defaults for the rest.
    pub(crate) fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            credentials: None,
            tls: None,
            database: 0,
            prefix: Prefix::default(),
            patience: Patience::default(),
        }
    }

    /// Whether a client can be made of this, without going anywhere.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.source().map(drop)
    }

    pub(super) fn source(&self) -> Result<Source, Error> {
        match &self.deployment {
            Deployment::Standalone(address) => {
                self.client(address).map(|client| Source::Standalone(Box::new(client)))
            }
            Deployment::Cluster(nodes) => {
                if self.database != 0 {
                    let what = "a redis cluster has no numbered databases; leave it at 0 and use a prefix";
                    return Err(Error::new(Kind::Setting, what));
                }
                let clients = nodes.iter().map(|node| self.client(node)).collect::<Result<_, _>>()?;
                Ok(Source::Cluster(Box::new(self.cluster(nodes).map_err(unusable)?), clients))
            }
            Deployment::Sentinel { sentinels, primary, credentials } => {
                let client = self.sentinel(sentinels, primary, credentials.as_ref()).map_err(unusable)?;
                Ok(Source::Sentinel(Box::new(client.into())))
            }
        }
    }

    fn client(&self, address: &Address) -> Result<Client, Error> {
        let client = self.connection(address).and_then(|connection| match &self.tls {
            Some(tls) => Client::build_with_tls(connection, tls.certificates()),
            None => Client::open(connection),
        });
        client.map_err(unusable)
    }

    fn cluster(&self, nodes: &[Address]) -> RedisResult<ClusterClient> {
        let nodes = nodes.iter().map(|node| self.connection(node)).collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(nodes)
            .connection_timeout(self.patience.connect)
            .response_timeout(self.patience.answer)
            .overall_response_timeout(Some(self.patience.in_all()));
        if let Some(tls) = &self.tls {
            builder = builder.certs(tls.certificates());
        }
        builder.build()
    }

    fn sentinel(
        &self,
        sentinels: &[Address],
        primary: &str,
        credentials: Option<&Credentials>,
    ) -> RedisResult<SentinelClient> {
        let sentinels = sentinels.iter().map(|sentinel| self.at(sentinel));
        let mut builder = SentinelClientBuilder::new(sentinels, primary, SentinelServerType::Master)?
            .set_client_to_redis_db(self.database.into());
        if let Some(Credentials { username, password }) = &self.credentials {
            builder = builder.set_client_to_redis_password(password.expose_secret());
            if let Some(username) = username {
                builder = builder.set_client_to_redis_username(username);
            }
        }
        if let Some(Credentials { username, password }) = credentials {
            builder = builder.set_client_to_sentinel_password(password.expose_secret());
            if let Some(username) = username {
                builder = builder.set_client_to_sentinel_username(username);
            }
        }
        if let Some(tls) = &self.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(tls.certificates())
                .set_client_to_sentinel_certificates(tls.certificates());
        }
        builder.build()
    }

    fn connection(&self, address: &Address) -> RedisResult<ConnectionInfo> {
        let mut about = RedisConnectionInfo::default().set_db(self.database.into());
        if let Some(Credentials { username, password }) = &self.credentials {
            about = about.set_password(password.expose_secret());
            if let Some(username) = username {
                about = about.set_username(username);
            }
        }
        Ok(self.at(address).into_connection_info()?.set_redis_settings(about))
    }

    fn at(&self, address: &Address) -> ConnectionAddr {
        let Address { host, port } = address.clone();
        match self.tls {
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            None => ConnectionAddr::Tcp(host, port),
        }
    }
}

impl Patience {
    /// One answer that did not come, a new connection, and another try.
    pub(super) const fn in_all(&self) -> Duration {
        self.connect.saturating_add(self.answer).saturating_mul(2)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), answer: Duration::from_secs(2) }
    }
}

impl Tls {
    fn certificates(&self) -> TlsCertificates {
        TlsCertificates {
            client_tls: self.own.as_ref().map(|(certificate, key)| ClientTlsConfig {
                client_cert: certificate.clone(),
                client_key: key.expose_secret().to_vec(),
            }),
            root_cert: self.authorities.clone(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("authorities", &self.authorities.as_ref().map(|_| "given"))
            .field("own", &self.own.as_ref().map(|_| "given"))
            .finish()
    }
}

impl Prefix {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self("countersign".to_owned())
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // Braces would decide where a cluster puts a key.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            let what = "a redis prefix has one to 64 letters, digits and - _ . :";
            return Err(Error::new(Kind::Setting, what));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let what = "a redis address is not host:port, such as redis.internal:6379 or [::1]:6379";
            Error::new(Kind::Setting, what)
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let plain = |host: &str| !host.contains([':', '[', ']', '/', '@', ' ']);
        match bare {
            Some(address) if address.parse::<std::net::Ipv6Addr>().is_err() => return Err(wrong()),
            None if host.is_empty() || !plain(host) => return Err(wrong()),
            _ => {}
        }
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

fn unusable(error: redis::RedisError) -> Error {
    Error::new(Kind::Setting, "the redis settings cannot be used").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("127.0.0.1:6379", "127.0.0.1", 6379),
            ("[::1]:7000", "::1", 7000),
            ("redis.a-b.c:1", "redis.a-b.c", 1),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), Address { host: host.to_owned(), port }, "{text}");
        }
        for text in [
            "",
            "redis",
            "redis:",
            ":6379",
            "redis:0",
            "redis:65536",
            "::1:6379",
            "redis://a:1",
            "u:p@a:1",
            "[a]:1",
        ] {
            assert_eq!(text.parse::<Address>().unwrap_err().kind(), Kind::Setting, "{text}");
        }
    }

    #[test]
    fn a_prefix_cannot_move_a_key() {
        assert_eq!("prod:mcp-1".parse::<Prefix>().unwrap().as_str(), "prod:mcp-1");
        for text in ["", "a{b}", "a b", &"a".repeat(65)] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let mut settings = Settings::new(Deployment::Sentinel {
            sentinels: vec!["localhost:26379".parse().unwrap()],
            primary: "main".to_owned(),
            credentials: Some(Credentials { username: None, password: "hunter1".into() }),
        });
        settings.credentials = Some(Credentials { username: None, password: "hunter2".into() });
        settings.tls =
            Some(Tls { authorities: None, own: Some((b"hunter3".to_vec(), b"hunter4".to_vec().into())) });
        let shown = format!("{settings:?}");
        assert!(!shown.contains("hunter") && !shown.contains("104, 117"), "{shown}");
    }

    #[test]
    fn a_cluster_has_one_database() {
        let mut settings = Settings::new(Deployment::Cluster(vec!["localhost:7000".parse().unwrap()]));
        assert!(settings.source().is_ok());
        settings.database = 1;
        assert_eq!(settings.source().err().unwrap().kind(), Kind::Setting);
    }
}
