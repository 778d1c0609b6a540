//! What stands before several servers that are one.

use axum::{Router, body::Body, extract::Request, response::IntoResponse};
use countersign_fixtures::http::Server;
use http::StatusCode;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Sends each request to the next of them, so that hardly anybody is answered by one server all the time. What streams
/// is not held back, and who goes away is gone for the server too.
#[derive(Debug)]
pub(crate) struct Balancer(Server);

impl Balancer {
    /// Listens on a free loopback port.
    pub(crate) async fn before(servers: Vec<SocketAddr>) -> Self {
        let (http, turn) =
            (Client::builder(TokioExecutor::new()).build_http(), Arc::new(AtomicUsize::new(0)));
        let passing = move |request: Request| {
            let server = servers.get(turn.fetch_add(1, Ordering::Relaxed) % servers.len()).copied();
            pass(http.clone(), server, request)
        };
        Self(Server::start(Router::new().fallback(passing)).await)
    }

    /// `http://` and the address, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }
}

async fn pass(
    http: Client<HttpConnector, Body>,
    server: Option<SocketAddr>,
    mut request: Request,
) -> axum::response::Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let there = server.and_then(|server| format!("http://{server}{path}").parse().ok());
    *request.uri_mut() = there.unwrap_or_default();
    match http.request(request).await {
        Ok(answer) => answer.map(Body::new).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
