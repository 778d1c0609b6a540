use bytes::Bytes;
use countersign::outgoing::Payload;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use std::{io, sync::Arc, time::Duration};

/// A client of one backend: no other's connections, and no redirects.
pub(super) type BackendClient = Client<HttpsConnector<HttpConnector>, Payload<Full<Bytes>>>;

const CONNECT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

/// A client that trusts the authorities that this machine trusts.
pub(super) fn client() -> io::Result<BackendClient> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new()
        .with_tls_config(trusting_this_machine()?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).build(tls))
}

/// What this machine trusts.
pub(crate) fn trusting_this_machine() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
}
