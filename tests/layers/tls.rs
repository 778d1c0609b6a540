//! Certificates made for a test, and a TLS server that shows them in front of one that speaks none.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::CertificateDer},
};

/// A company's own certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

type Config = Arc<Mutex<Arc<ServerConfig>>>;

/// When a certificate holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Validity {
    Now,
    Past,
    Future,
}

/// A certificate for a server, its key, and the authorities between it and the one that is known.
pub(crate) struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// A loopback port that was taken and is not served yet.
pub(crate) struct Bound {
    listener: TcpListener,
    port: u16,
}

/// A running TLS server, which passes on what it deciphers. Dropping it closes every connection.
pub(crate) struct Front {
    port: u16,
    config: Config,
    _accepting: JoinSet<()>,
}

impl Authority {
    pub(crate) fn named(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap())
    }

    /// What an operator gets from the company: the authority's certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for one host name or address.
    pub(crate) fn certify(&self, host: &str, validity: Validity) -> Certificate {
        sign(host, validity, &self.0)
    }

    /// The same by way of another authority, whose certificate the server shows too.
    pub(crate) fn certify_through(&self, intermediate: &str, host: &str) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let between = CertifiedIssuer::signed_by(authority(intermediate), key, &self.0).unwrap();
        let mut certificate = sign(host, Validity::Now, &between);
        certificate.chain.push(between.der().clone());
        certificate
    }
}

impl Bound {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        url(host, self.port, path)
    }

    /// Starts to pass connections on to the plain server at `behind`.
    pub(crate) fn serve(self, behind: SocketAddr, certificate: Certificate) -> Front {
        let config = Config::new(Mutex::new(showing(certificate)));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(self.listener, behind, config.clone()));
        Front { port: self.port, config, _accepting: accepting }
    }
}

impl Front {
    /// Before the plain server at `behind`, on a port of its own.
    pub(crate) async fn before(behind: SocketAddr, certificate: Certificate) -> Self {
        Bound::new().await.serve(behind, certificate)
    }

    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        url(host, self.port, path)
    }

    /// Shows another certificate from the next connection on.
    pub(crate) fn show(&self, certificate: Certificate) {
        *self.config.lock().unwrap() = showing(certificate);
    }

    /// Insists on this protocol (ALPN) from the next connection on.
    pub(crate) fn insist_on(&self, protocol: &str) {
        Arc::make_mut(&mut self.config.lock().unwrap()).alpn_protocols = vec![protocol.into()];
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    params
}

fn sign(host: &str, validity: Validity, authority: &CertifiedIssuer<'_, KeyPair>) -> Certificate {
    let mut params = CertificateParams::new([host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, host);
    (params.not_before, params.not_after) = match validity {
        Validity::Now => (date_time_ymd(2000, 1, 1), date_time_ymd(3000, 1, 1)),
        Validity::Past => (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1)),
        Validity::Future => (date_time_ymd(2999, 1, 1), date_time_ymd(3000, 1, 1)),
    };
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    Certificate { chain: vec![certificate.der().clone()], key }
}

fn showing(certificate: Certificate) -> Arc<ServerConfig> {
    let config = ServerConfig::builder().with_no_client_auth();
    config.with_single_cert(certificate.chain, certificate.key.into()).unwrap().into()
}

async fn accept(listener: TcpListener, behind: SocketAddr, config: Config) {
    // Owned here, so that ending this task ends the connections too.
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let acceptor = config.lock().unwrap().clone().into();
        connections.spawn(pass_on(stream, acceptor, behind));
        while connections.try_join_next().is_some() {}
    }
}

/// Nobody is called behind before the caller has accepted the certificate.
async fn pass_on(near: TcpStream, acceptor: TlsAcceptor, behind: SocketAddr) -> io::Result<()> {
    let mut near = acceptor.accept(near).await?;
    let mut far = TcpStream::connect(behind).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}

fn url(host: &str, port: u16, path: &str) -> String {
    format!("https://{host}:{port}{path}")
}
