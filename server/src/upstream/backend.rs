use super::stdio::Bridge;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, Method, Request, Response, Uri},
};
use bytes::Bytes;
use countersign::{
    BoxError,
    proof::{Attached, Authenticated, Carry, ForwardHeaders, NoCaller},
    sign::Examined,
    sts::{CredentialCache, Sts},
};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use std::{fmt, sync::Arc};
use tower::{ServiceExt, util::BoxCloneSyncService};

/// What a backend answers. Some answers were looked into before they are handed on, and some were never on a wire.
pub(crate) type Reply = Response<Either<Incoming, Either<Examined<Incoming>, Body>>>;

/// A typed outbound stack, boxed here and nowhere else: what it takes is a request that was attached for a caller.
pub(super) type Call = BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Reply, BoxError>;

/// The same for a request that nobody in particular makes.
pub(super) type Probe = BoxCloneSyncService<Request<Carry<NoCaller, Full<Bytes>>>, Reply, BoxError>;

/// The ways to a backend: for callers, and where it can be asked without one, for probes.
pub(super) struct Ways {
    pub(super) call: Call,
    pub(super) probe: Option<Probe>,
    /// What runs as long as the backend is spoken to.
    pub(super) bridge: Option<Bridge>,
    /// The callers' credentials that are kept for it.
    pub(super) credentials: Option<CredentialCache<Sts>>,
}

/// One MCP server, and the stack that leads there.
#[derive(Clone)]
pub(crate) struct Backend {
    name: Arc<str>,
    url: Uri,
    forward: Arc<ForwardHeaders>,
    call: Call,
    probe: Option<Probe>,
    bridge: Option<Bridge>,
    credentials: Option<CredentialCache<Sts>>,
}

impl Backend {
    pub(super) fn new(name: Arc<str>, url: Uri, forward: Vec<HeaderName>, ways: Ways) -> Self {
        let forward = forward.into_iter().fold(ForwardHeaders::default(), ForwardHeaders::and);
        let Ways { call, probe, bridge, credentials } = ways;
        Self { name, url, forward: Arc::new(forward), call, probe, bridge, credentials }
    }

    /// Forgets the credentials of a caller; everybody's where no subject is told.
    pub(crate) fn forget_credentials(&self, issuer: &str, subject: Option<&str>) {
        match (&self.credentials, subject) {
            (Some(credentials), Some(subject)) => credentials.forget_caller(issuer, subject),
            (Some(credentials), None) => credentials.forget_all(),
            (None, _) => {}
        }
    }

    /// What the operator calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends `body` for `caller`, with those of the caller's `headers` that may leave here, and with `more`.
    pub(crate) async fn call(
        &self,
        caller: &Authenticated,
        method: Method,
        headers: &HeaderMap,
        more: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, BoxError> {
        let request = self.request(method, headers.clone(), body);
        let mut request = caller.attach_forwarding(request, &self.forward)?;
        request.headers_mut().extend(more);
        self.call.clone().oneshot(request).await
    }

    /// Sends `body` for nobody, with `headers`; `None` where this backend answers callers only.
    pub(super) async fn ask(&self, headers: HeaderMap, body: Bytes) -> Option<Result<Reply, BoxError>> {
        let probe = self.probe.clone()?;
        let mut request = NoCaller::attach(self.request(Method::POST, HeaderMap::new(), body), &self.forward);
        request.headers_mut().extend(headers);
        Some(probe.oneshot(request).await)
    }

    /// Ends whatever was started to speak to it. It is not spoken to any more.
    pub(crate) async fn close(&self) {
        if let Some(bridge) = &self.bridge {
            bridge.close().await;
        }
    }

    fn request(&self, method: Method, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers;
        request
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}
