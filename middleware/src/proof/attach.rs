use super::{Attached, Authenticated, Carry, NoCaller};
use crate::error::{Error, Kind};
use http::{HeaderMap, HeaderName, Request, header};
use std::{collections::HashSet, sync::LazyLock};

/// Which headers of a request may go along when it leaves for a backend.
///
/// An allow-list: whatever is not on it stays behind, above all the caller's own `Authorization`. By default it
/// holds what describes the content, the version of MCP that is spoken, and trace context. Headers that a backend
/// needs besides are set after attaching, or [added](Self::and) here when the caller is to decide them.
///
/// ```
/// use countersign::proof::ForwardHeaders;
/// use http::HeaderName;
///
/// let forward = ForwardHeaders::default().and(HeaderName::from_static("x-request-id"));
/// assert!(forward.allows(&HeaderName::from_static("x-request-id")));
/// assert!(!forward.allows(&http::header::AUTHORIZATION));
/// ```
#[derive(Clone, Debug)]
pub struct ForwardHeaders {
    allowed: HashSet<HeaderName>,
}

impl ForwardHeaders {
    /// Adds a header to the list. Those that would carry the caller's own credentials, forge an AWS signature
    /// or belong to one connection stay off it whatever is said here.
    #[must_use]
    pub fn and(mut self, name: HeaderName) -> Self {
        if !Self::never_allows(&name) {
            self.allowed.insert(name);
        }
        self
    }

    /// Whether `name` stays off every such list: for a configuration that would rather refuse it than ignore it.
    ///
    /// ```
    /// use countersign::proof::ForwardHeaders;
    /// use http::{HeaderName, header::{AUTHORIZATION, COOKIE}};
    ///
    /// assert!(ForwardHeaders::never_allows(&AUTHORIZATION) && ForwardHeaders::never_allows(&COOKIE));
    /// assert!(!ForwardHeaders::never_allows(&HeaderName::from_static("x-tenant")));
    /// ```
    pub fn never_allows(name: &HeaderName) -> bool {
        never_forwarded(name)
    }

    /// Whether `name` may go along.
    pub fn allows(&self, name: &HeaderName) -> bool {
        self.allowed.contains(name)
    }

    fn keep_only_allowed(&self, headers: &mut HeaderMap) {
        let named_by_connection: HashSet<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .collect();
        let leaving: HashSet<HeaderName> = headers
            .keys()
            .filter(|name| !self.allows(name) || named_by_connection.contains(*name))
            .cloned()
            .collect();
        for name in &leaving {
            headers.remove(name);
        }
    }
}

impl Default for ForwardHeaders {
    fn default() -> Self {
        let allowed = [
            header::ACCEPT,
            header::ACCEPT_LANGUAGE,
            header::CACHE_CONTROL,
            header::CONTENT_ENCODING,
            header::CONTENT_LANGUAGE,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_NONE_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::RANGE,
            header::USER_AGENT,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("mcp-protocol-version"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ];
        Self { allowed: allowed.into() }
    }
}

impl Authenticated {
    /// Starts a call for this caller: the request, less every header that [`ForwardHeaders`] does not allow by
    /// default, with this proof on it.
    ///
    /// # Errors
    ///
    /// [`Kind::ExpiredToken`] when the identity has ended since it was verified.
    pub fn attach<B>(&self, request: Request<B>) -> Result<Request<Carry<Attached, B>>, Error> {
        static DEFAULT: LazyLock<ForwardHeaders> = LazyLock::new(ForwardHeaders::default);
        self.attach_forwarding(request, &DEFAULT)
    }

    /// [`attach`](Self::attach) with another list of headers.
    ///
    /// # Errors
    ///
    /// As for [`attach`](Self::attach).
    pub fn attach_forwarding<B>(
        &self,
        mut request: Request<B>,
        forward: &ForwardHeaders,
    ) -> Result<Request<Carry<Attached, B>>, Error> {
        if self.identity.is_over(self.clock.now()) {
            return Err(Error::new(
                Kind::ExpiredToken,
                "the caller's token expired before the call was made",
            ));
        }
        forward.keep_only_allowed(request.headers_mut());
        *request.extensions_mut() = http::Extensions::new();
        Ok(request.map(|body| Carry::new(Attached { caller: self.clone() }, body)))
    }
}

impl NoCaller {
    /// Starts a call that nobody in particular makes.
    pub fn attach<B>(mut request: Request<B>, forward: &ForwardHeaders) -> Request<Carry<Self, B>> {
        forward.keep_only_allowed(request.headers_mut());
        *request.extensions_mut() = http::Extensions::new();
        request.map(|body| Carry::new(Self::new(), body))
    }
}

fn never_forwarded(name: &HeaderName) -> bool {
    const BOUND_TO_CALLER_OR_CONNECTION: [HeaderName; 12] = [
        header::AUTHORIZATION,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::COOKIE,
        header::FORWARDED,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    BOUND_TO_CALLER_OR_CONNECTION.contains(name)
        || ["keep-alive", "proxy-connection", "x-real-ip"].contains(&name.as_str())
        || ["x-amz-", "x-amzn-", "x-forwarded-"].iter().any(|prefix| name.as_str().starts_with(prefix))
}
