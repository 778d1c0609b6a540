//! Fetches a document that a stranger named, without becoming a stranger's hand inside the operator's network.
//!
//! Every address is judged where it is dialled, so a name that resolves to one address for a check and to another for a
//! connection gains nothing. Redirects are not followed, no connection is used twice, and what is read is bounded in size
//! and in time.

#[cfg(test)]
mod tests;

use super::reach::Reach;
use crate::upstream::trusting_this_machine;
use axum::http::{Request, Response, StatusCode, Uri, header};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client, Error as ClientError,
        connect::{
            HttpConnector,
            dns::{GaiResolver, Name},
        },
    },
    rt::{TokioExecutor, TokioIo},
};
use rustls::ClientConfig;
use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tower::{BoxError, Service};

/// Longer documents are refused. What the draft recommends is this much.
pub(super) const LARGEST: usize = 5 * 1024;

const PATIENCE: Duration = Duration::from_secs(5);

/// Fetches documents. Clones share nothing but settings, as there are no connections to share.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher<R = GaiResolver> {
    client: Client<HttpsConnector<Dialling<R>>, Empty<Bytes>>,
    reach: Reach,
    /// For all of it: name, connection, TLS, answer.
    patience: Duration,
}

/// A document, as it was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    /// For how long it may be kept, where its server says so.
    pub(super) fresh: Option<Duration>,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfetched {
    OutOfReach,
    Unreachable,
    TooLate,
    Redirected,
    Status(StatusCode),
    NotJson,
    TooLarge,
    BrokenOff,
}

impl Unfetched {
    /// Whether it may be otherwise in a moment, and says nothing of the document.
    pub(super) fn is_passing(self) -> bool {
        match self {
            Self::Unreachable | Self::TooLate | Self::BrokenOff => true,
            Self::Status(status) => status.is_server_error() || status.as_u16() == 429,
            Self::OutOfReach | Self::Redirected | Self::NotJson | Self::TooLarge => false,
        }
    }
}

/// How names become addresses, in the form that a client of hyper-util wants.
pub(crate) trait Resolves:
    Service<Name, Response: Iterator<Item = SocketAddr> + Send, Error: Into<BoxError>, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

/// Connects to what may be reached.
#[derive(Clone, Debug)]
pub(crate) struct Dialling<R> {
    tcp: HttpConnector<Judging<R>>,
    reach: Reach,
}

/// Resolves names to those of their addresses that may be dialled.
#[derive(Clone, Debug)]
struct Judging<R> {
    resolver: R,
    reach: Reach,
}

/// Said by a connection that was not opened.
#[derive(Debug)]
struct OutOfReach;

impl Fetcher {
    /// One that trusts the authorities that this machine trusts.
    ///
    /// # Errors
    ///
    /// When nothing is known to trust in TLS.
    pub(crate) fn new(reach: Reach) -> io::Result<Self> {
        Ok(Self::resolving(GaiResolver::new(), reach, trusting_this_machine()?))
    }
}

impl<R: Resolves> Fetcher<R> {
    pub(super) fn resolving(resolver: R, reach: Reach, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Judging { resolver, reach });
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(PATIENCE));
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dialling { tcp, reach });
        let client = Client::builder(TokioExecutor::new())
            // Nothing is sent over a connection that was judged for something else.
            .pool_max_idle_per_host(0)
            .retry_canceled_requests(false)
            .build(https);
        Self { client, reach, patience: PATIENCE }
    }

    pub(super) const fn reach(&self) -> Reach {
        self.reach
    }

    /// The document at this address.
    pub(super) async fn fetch(&self, address: &str) -> Result<Fetched, Unfetched> {
        tokio::time::timeout(self.patience, self.exchange(address)).await.unwrap_or(Err(Unfetched::TooLate))
    }

    async fn exchange(&self, address: &str) -> Result<Fetched, Unfetched> {
        let request = Request::get(address)
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|_| Unfetched::Unreachable)?;
        let answer = self.client.request(request).await.map_err(|error| unconnected(&error))?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(Unfetched::Redirected),
            status => return Err(Unfetched::Status(status)),
        }
        if !is_json(&answer) {
            return Err(Unfetched::NotJson);
        }
        let fresh = fresh(&answer);
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { Unfetched::TooLarge } else { Unfetched::BrokenOff }
        })?;
        Ok(Fetched { body: body.to_bytes(), fresh })
    }
}

impl<R> Resolves for R where
    R: Service<
            Name,
            Response: Iterator<Item = SocketAddr> + Send,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

impl<R: Resolves> Service<Uri> for Dialling<R> {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    // Once for each connection.
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::poll_ready(&mut self.tcp, cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let reach = self.reach;
        // An address that stands for itself is resolved by nobody.
        let written = uri.host().and_then(written_address);
        let connecting = Service::call(&mut self.tcp, uri);
        Box::pin(async move {
            if written.is_some_and(|address| !reach.allows(address)) {
                return Err(OutOfReach.into());
            }
            let stream = connecting.await?;
            // The very address that was dialled, whatever came before.
            if !reach.allows(stream.inner().peer_addr()?.ip()) {
                return Err(OutOfReach.into());
            }
            Ok(stream)
        })
    }
}

impl<R: Resolves> Service<Name> for Judging<R> {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.resolver.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let reach = self.reach;
        let resolving = self.resolver.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await.map_err(io::Error::other)?.collect();
            let within: Vec<SocketAddr> =
                found.iter().filter(|address| reach.allows(address.ip())).copied().collect();
            if within.is_empty() && !found.is_empty() {
                return Err(io::Error::other(OutOfReach));
            }
            Ok(within.into_iter())
        })
    }
}

fn written_address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn unconnected(error: &ClientError) -> Unfetched {
    let mut below: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = below {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if error.is::<OutOfReach>() || wrapped.is_some_and(|inner| inner.is::<OutOfReach>()) {
            return Unfetched::OutOfReach;
        }
        below = error.source();
    }
    if error.is_connect() { Unfetched::Unreachable } else { Unfetched::BrokenOff }
}

/// `application/json`, or a more precise name for it, and not compressed: nobody asked for that.
fn is_json(answer: &Response<Incoming>) -> bool {
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let json = essence == "application/json"
        || essence.strip_prefix("application/").is_some_and(|name| name.ends_with("+json"));
    json && !answer.headers().contains_key(header::CONTENT_ENCODING)
}

/// What `Cache-Control` says to a cache that many share, less what the answer has lasted already.
fn fresh(answer: &Response<Incoming>) -> Option<Duration> {
    let said = answer.headers().get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> =
        said.flat_map(|value| value.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache" || one == "private") {
        return Some(Duration::ZERO);
    }
    let seconds = |name: &str| {
        let value = directives.iter().find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
        value?.trim_matches('"').parse().ok().map(Duration::from_secs)
    };
    let age = answer.headers().get(header::AGE).and_then(|value| value.to_str().ok()?.parse().ok());
    let age = age.map_or(Duration::ZERO, Duration::from_secs);
    seconds("s-maxage").or_else(|| seconds("max-age")).map(|lasting| lasting.saturating_sub(age))
}

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfReach => f.write_str("its host is not one of the public internet"),
            Self::Unreachable => f.write_str("its host cannot be reached"),
            Self::TooLate => f.write_str("it did not arrive in time"),
            Self::Redirected => f.write_str("it is elsewhere, and redirects are not followed"),
            Self::Status(status) => write!(f, "its server answered {}", status.as_u16()),
            Self::NotJson => f.write_str("it is not served as application/json"),
            Self::TooLarge => write!(f, "it is longer than {LARGEST} bytes"),
            Self::BrokenOff => f.write_str("the answer broke off"),
        }
    }
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address is none of the public internet")
    }
}

impl StdError for OutOfReach {}
