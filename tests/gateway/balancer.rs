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
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Sends each request to the next of them, so that hardly anybody is answered by one server all the time. What streams
/// is not held back, and who goes away is gone for the server too.
#[derive(Debug)]
pub(crate) struct Balancer {
    server: Server,
    only: Arc<Mutex<Option<usize>>>,
}

impl Balancer {
    /// Listens on a free loopback port.
    pub(crate) async fn before(servers: Vec<SocketAddr>) -> Self {
        let (http, turn) = (Client::builder(TokioExecutor::new()).build_http(), AtomicUsize::new(0));
        let (turn, only) = (Arc::new(turn), Arc::new(Mutex::new(None)));
        let chosen = only.clone();
        let passing = move |request: Request| {
            let turn = turn.fetch_add(1, Ordering::Relaxed) % servers.len();
            let chosen = chosen.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(turn);
            pass(http.clone(), servers.get(chosen).copied(), request)
        };
        Self { server: Server::start(Router::new().fallback(passing)).await, only }
    }

    /// From now on one of them gets all.
    pub(crate) fn send_all_to(&self, place: usize) {
        *self.only.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// `http://` and the address, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        self.server.url()
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
