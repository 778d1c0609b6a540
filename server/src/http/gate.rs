//! Who may knock: browsers of other sites may not, and neither may names that only lead here by a trick of DNS.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts, uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// The names this server goes by, besides those of this machine.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    ours: Arc<Uri>,
}

impl Gate {
    /// Lets in whoever comes for `public_url`.
    pub(super) fn at(public_url: Uri) -> Self {
        Self { ours: Arc::new(public_url) }
    }

    /// Pages of the origins that may call the endpoint read its answers, too.
    pub(super) fn sharing(&self) -> CorsLayer {
        let gate = self.clone();
        let known = move |origin: &HeaderValue, _: &Parts| {
            origin.to_str().ok().and_then(|text| text.parse().ok()).is_some_and(|origin| gate.knows(&origin))
        };
        CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(known))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([
                header::WWW_AUTHENTICATE,
                HeaderName::from_static("mcp-session-id"),
                HeaderName::from_static("mcp-protocol-version"),
            ])
            .max_age(Duration::from_secs(3600))
    }

    /// Checks Host alone: what is asked for here may be asked for by pages of anywhere.
    pub(super) async fn pass_from_anywhere(
        State(gate): State<Self>,
        request: Request,
        next: Next,
    ) -> Response {
        match gate.strange_host(request.uri(), request.headers()) {
            None => next.run(request).await,
            Some(what) => (StatusCode::FORBIDDEN, what).into_response(),
        }
    }

    /// Checks Host and Origin before anything else happens.
    pub(super) async fn pass(State(gate): State<Self>, request: Request, next: Next) -> Response {
        match gate.refusal(request.uri(), request.headers()) {
            None => next.run(request).await,
            Some(what) => (StatusCode::FORBIDDEN, what).into_response(),
        }
    }

    fn strange_host(&self, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        // HTTP/2 names the host in the request's target.
        let host = match uri.authority() {
            Some(authority) => Some(authority.clone()),
            None => only(headers, header::HOST).and_then(|value| value.parse().ok()),
        };
        if !host.is_some_and(|host| self.is_ours(&host)) {
            return Some("this server does not go by that name\n");
        }
        None
    }

    fn refusal(&self, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        if let Some(what) = self.strange_host(uri, headers) {
            return Some(what);
        }
        if headers.contains_key(header::ORIGIN) {
            let origin: Option<Uri> = only(headers, header::ORIGIN).and_then(|value| value.parse().ok());
            if !origin.is_some_and(|origin| self.knows(&origin)) {
                return Some("pages of that origin may not call this server\n");
            }
        }
        None
    }

    fn knows(&self, origin: &Uri) -> bool {
        let host = origin.authority();
        host.is_some_and(is_loopback)
            || (origin.scheme() == self.ours.scheme() && host.is_some_and(|host| self.is_ours(host)))
    }

    fn is_ours(&self, host: &Authority) -> bool {
        let own_port = if self.ours.scheme_str() == Some("https") { 443 } else { 80 };
        let port = |authority: &Authority| authority.port_u16().unwrap_or(own_port);
        let same =
            |ours: &Authority| ours.host().eq_ignore_ascii_case(host.host()) && port(ours) == port(host);
        is_loopback(host) || self.ours.authority().is_some_and(same)
    }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    if values.next().is_some() { None } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn passes(host: &'static str, origin: Option<&'static str>) -> bool {
        let gate = Gate::at(Uri::from_static("https://mcp.example.com"));
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
        gate.refusal(&Uri::from_static("/mcp"), &headers).is_none()
    }

    #[test]
    fn only_our_names_and_this_machine_are_let_in() {
        for host in ["mcp.example.com", "MCP.example.com:443", "127.0.0.1:8080", "[::1]:1", "localhost"] {
            assert!(passes(host, None), "{host}");
        }
        for host in [
            "example.com",
            "mcp.example.com.evil.example",
            "mcp.example.com:8443",
            "127.0.0.1.nip.io",
            "0.0.0.0",
        ] {
            assert!(!passes(host, None), "{host}");
        }
    }

    #[test]
    fn pages_of_other_origins_are_not() {
        for origin in ["https://mcp.example.com", "http://localhost:6274", "http://127.0.0.1:1"] {
            assert!(passes("mcp.example.com", Some(origin)), "{origin}");
        }
        for origin in
            ["https://evil.example", "http://mcp.example.com", "null", "http://localhost.evil.example", ""]
        {
            assert!(!passes("mcp.example.com", Some(origin)), "{origin}");
        }
    }
}
