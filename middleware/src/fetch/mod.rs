//! Asking other servers for documents and tokens, without trusting their answers to be small, quick or where they say
//! they are.
//!
//! A [`Fetcher`] goes to public addresses over https, and further only as its [`Reach`] says. Names are judged by what
//! they resolve to at the moment of connecting; redirects are not followed; an answer has 256 KiB and five seconds.
//!
//! ```
//! use countersign::fetch::{Fetcher, Reach};
//! use http::Request;
//! use http_body_util::Full;
//!
//! # async fn example() -> Result<(), countersign::fetch::Unanswered> {
//! let fetcher = Fetcher::new(Reach::default(), None)?;
//! let request = Request::get("https://login.example.com/.well-known/openid-configuration");
//! let answer = fetcher.send(request.body(Full::default()).expect("a request")).await?;
//! assert!(answer.body().len() <= 256 * 1024);
//! # Ok(())
//! # }
//! ```

pub(crate) mod json;
#[cfg(any(feature = "exchange", feature = "tokens"))]
pub(crate) mod jwt;

use crate::error::chain;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower_service::Service;
use url::{Host, Url};

/// Larger than any key set or discovery document.
const MAX_DOCUMENT: usize = 256 * 1024;
/// For the whole of a fetch, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where a fetch may go besides public addresses over https. By default nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reach {
    /// Plain http, and only to this machine.
    pub(crate) loopback: bool,
    /// Addresses of private networks.
    pub(crate) private: bool,
}

/// A client for the servers of one party.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
    reach: Reach,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// For the operator's log.
    pub(crate) what: String,
    /// Nothing of the request was sent. Where this is `false`, nobody knows what became of it.
    pub(crate) unsent: bool,
}

/// Resolves names, and drops the addresses that are out of reach.
#[derive(Clone, Debug)]
struct Guarded {
    resolver: GaiResolver,
    reach: Reach,
}

impl Fetcher {
    /// `authorities` is a PEM bundle to trust instead of the system's.
    ///
    /// # Errors
    ///
    /// When there is no certificate authority to trust, or one of the bundle cannot be read.
    pub fn new(reach: Reach, authorities: Option<&[u8]>) -> Result<Self, Unanswered> {
        Self::trusting(reach, authorities).map_err(Unanswered::unsent)
    }

    /// Sends `request`; the answer is whole, and whatever its status.
    ///
    /// # Errors
    ///
    /// When the address is out of reach, and when the answer is too slow or too large.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Unanswered> {
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_err(|error| Unanswered::unsent(format!("it has no address: {error}")))?;
        self.answer(&url, request).await
    }

    pub(crate) fn trusting(reach: Reach, authorities: Option<&[u8]>) -> Result<Self, String> {
        let roots = match authorities {
            Some(bundle) => bundled_roots(bundle)?,
            None => system_roots(),
        };
        if roots.is_empty() && !reach.loopback {
            let remedy = "install them (Debian: ca-certificates), or give the issuer a bundle";
            return Err(format!("this system has no certificate authorities to trust; {remedy}"));
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new_with_resolver(Guarded { resolver: GaiResolver::new(), reach });
        http.enforce_http(false);
        http.set_connect_timeout(Some(TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .build(https);
        Ok(Self { client, reach })
    }

    /// Gets a JSON document; with it how long it may be kept, where the answer says so.
    pub(crate) async fn document(&self, url: &Url) -> Result<(Bytes, Option<Duration>), String> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json, application/jwk-set+json")
            .body(Full::default())
            .map_err(|error| error.to_string())?;
        let response = successful(self.answer(url, request).await)?;
        Ok((response.body().clone(), max_age(&response)))
    }

    /// Posts a form, to which there is but one good answer.
    pub(crate) async fn post(&self, url: &Url, request: Request<Full<Bytes>>) -> Result<Bytes, String> {
        successful(self.answer(url, request).await).map(Response::into_body)
    }

    /// The answer to `request`, whatever its status.
    pub(crate) async fn answer(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Unanswered> {
        self.reach.check(url).map_err(Unanswered::unsent)?;
        match tokio::time::timeout(TIMEOUT, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let what = format!("no complete answer within {} s", TIMEOUT.as_secs());
                Err(Unanswered { what, unsent: false })
            }
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Unanswered> {
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| Unanswered { what: chain(&error), unsent: error.is_connect() })?;
        let (parts, body) = response.into_parts();
        let what = match Limited::new(body, MAX_DOCUMENT).collect().await {
            Ok(body) => return Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => {
                format!("answered more than {MAX_DOCUMENT} bytes")
            }
            Err(error) => chain(&*error),
        };
        Err(Unanswered { what, unsent: false })
    }
}

impl Unanswered {
    fn unsent(what: String) -> Self {
        Self { what, unsent: true }
    }

    /// Whether nothing of the request was sent. Otherwise nobody knows what became of it.
    pub fn is_unsent(&self) -> bool {
        self.unsent
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Unanswered {}

impl Reach {
    /// This machine as well, also over plain http.
    #[must_use]
    pub fn and_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Private networks as well, for servers that whoever configures this names and nobody else.
    #[must_use]
    pub fn dangerous_and_private_addresses(mut self) -> Self {
        self.private = true;
        self
    }

    /// Judges a URL by what it says. Names are judged again by what they resolve to.
    pub(crate) fn check(self, url: &Url) -> Result<(), String> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain("localhost")) => Some(IpAddr::from([127, 0, 0, 1])),
            Some(Host::Domain(_)) => None,
            None => return Err("the address has no host".to_owned()),
        };
        match url.scheme() {
            "https" => {}
            "http" if self.loopback && address.is_some_and(|address| address.is_loopback()) => {}
            _ => return Err(format!("{} is not https", url.origin().ascii_serialization())),
        }
        match address {
            Some(address) if !self.allows(address) => Err(format!("{address} is a private address")),
            _ => Ok(()),
        }
    }

    fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() { self.loopback } else { self.private || is_public(address) }
    }
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    // Once per connection, not per request.
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.resolver.poll_ready(cx)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        let resolving = self.resolver.call(name);
        Box::pin(async move {
            let reachable: Vec<_> = resolving.await?.filter(|address| reach.allows(address.ip())).collect();
            if reachable.is_empty() {
                return Err(io::Error::other("the name resolves to private addresses only"));
            }
            Ok(reachable.into_iter())
        })
    }
}

/// Whether an address names this machine, which only whoever configures it may do.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn successful(answer: Result<Response<Bytes>, Unanswered>) -> Result<Response<Bytes>, String> {
    let response = answer.map_err(|unanswered| unanswered.what)?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!("answered {status}: redirects are not followed, name the final address"));
    }
    if status.is_success() { Ok(response) } else { Err(format!("answered {status}")) }
}

/// `max-age` of `Cache-Control`.
fn max_age(response: &Response<Bytes>) -> Option<Duration> {
    let control = response.headers().get(header::CACHE_CONTROL)?.to_str().ok()?;
    let directive = control.split(',').find_map(|directive| directive.trim().strip_prefix("max-age="))?;
    directive.parse().ok().map(Duration::from_secs)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "a certificate authority of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

fn bundled_roots(pem: &[u8]) -> Result<RootCertStore, String> {
    const HINT: &str =
        "it has to be PEM, each certificate in base64 between BEGIN CERTIFICATE and END CERTIFICATE";
    let mut roots = RootCertStore::empty();
    for (at, certificate) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        // The parser's own words show bytes of a file that may hold a private key as well.
        let certificate =
            certificate.map_err(|_| format!("certificate {at} of the CA bundle is no PEM; {HINT}"))?;
        roots.add(certificate).map_err(|error| {
            format!(
                "certificate {at} of the CA bundle cannot be read ({error}); get it from its authority anew"
            )
        })?;
    }
    if roots.is_empty() { Err(format!("the CA bundle holds no certificate; {HINT}")) } else { Ok(roots) }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let carrier_grade_nat = a == 100 && (64..128).contains(&b);
            let benchmarking = a == 198 && (b == 18 || b == 19);
            !(v4.is_private()
                || v4.is_link_local()
                || v4.is_loopback()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation()
                || carrier_grade_nat
                || benchmarking
                || a == 0
                || a >= 240)
        }
        IpAddr::V6(v6) => {
            let [first, ..] = v6.segments();
            // Global unicast is 2000::/3; the documentation prefix lies inside it.
            first & 0xe000 == 0x2000 && !(first == 0x2001 && v6.segments()[1] == 0x0db8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reach: Reach, url: &str) -> bool {
        reach.check(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_https_and_loopback() {
        let (none, loopback) = (Reach::default(), Reach { loopback: true, private: false });
        assert!(check(none, "https://login.example.com/keys"));
        assert!(!check(none, "http://login.example.com/keys"));
        assert!(!check(none, "http://127.0.0.1:1/keys") && !check(none, "https://[::1]/keys"));
        assert!(check(loopback, "http://127.0.0.1:1/keys") && check(loopback, "http://localhost/keys"));
        assert!(!check(loopback, "http://10.0.0.1/keys") && !check(loopback, "ftp://127.0.0.1/keys"));
    }

    #[test]
    fn private_addresses_only_where_allowed() {
        let private = Reach { loopback: false, private: true };
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "[::]",
            "[64:ff9b::a00:1]",
        ] {
            let url = format!("https://{address}/");
            assert!(!check(Reach::default(), &url), "{address}");
            assert!(check(private, &url), "{address}");
        }
        assert!(!check(private, "https://127.0.0.1/") && !check(private, "https://[::ffff:127.0.0.1]/"));
        assert!(
            check(Reach::default(), "https://1.1.1.1/") && check(Reach::default(), "https://[2606:4700::1]/")
        );
    }

    #[test]
    fn a_bundle_without_certificates_is_refused() {
        let problem = |pem: &str| Fetcher::trusting(Reach::default(), Some(pem.as_bytes())).unwrap_err();
        for none in ["", "not pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(problem(none).starts_with("the CA bundle holds no certificate; it has to be PEM"));
        }
        let endless = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert!(problem(endless).starts_with("certificate 1 of the CA bundle is no PEM; it has to be PEM"));
        let empty = format!("{endless}-----END CERTIFICATE-----\n");
        assert!(problem(&empty).starts_with("certificate 1 of the CA bundle cannot be read ("));
    }
}
