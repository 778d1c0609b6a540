use axum::http::{HeaderMap, Method, Request, Response, Uri};
use bytes::Bytes;
use countersign::{
    BoxError,
    proof::{Attached, Authenticated, Carry},
};
use http_body_util::Full;
use hyper::body::Incoming;
use std::{fmt, sync::Arc};
use tower::{ServiceExt, util::BoxCloneSyncService};

/// What a backend answers.
pub(crate) type Reply = Response<Incoming>;

/// A typed outbound stack, boxed here and nowhere else: what it takes is a request that was attached for a caller.
pub(super) type Stack = BoxCloneSyncService<Request<Carry<Attached, Full<Bytes>>>, Reply, BoxError>;

/// One MCP server, and the stack that leads there.
#[derive(Clone)]
pub(crate) struct Backend {
    name: Arc<str>,
    url: Uri,
    stack: Stack,
}

impl Backend {
    pub(super) fn new(name: Arc<str>, url: Uri, stack: Stack) -> Self {
        Self { name, url, stack }
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
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = headers.clone();
        let mut request = caller.attach(request)?;
        request.headers_mut().extend(more);
        self.stack.clone().oneshot(request).await
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}
