//! What stands before several servers that are one.

use axum::{Router, body::Body, extract::Request, response::IntoResponse};
use countersign_fixtures::http::Server;
use countersign_tests::client::Plain;
use http::{StatusCode, header};
use http_body_util::{BodyExt, Full};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Sends each request to the next of them, so that hardly anybody is answered by one server all the time.
pub(super) struct Balancer(Server);

impl Balancer {
    pub(super) async fn before(servers: Vec<SocketAddr>) -> Self {
        let (http, turn) = (Plain::default(), Arc::new(AtomicUsize::new(0)));
        let passing = move |request: Request| {
            let server = servers[turn.fetch_add(1, Ordering::Relaxed) % servers.len()];
            pass(http.clone(), server, request)
        };
        Self(Server::start(Router::new().fallback(passing)).await)
    }

    pub(super) fn url(&self) -> String {
        self.0.url()
    }
}

async fn pass(http: Plain, server: SocketAddr, request: Request) -> axum::response::Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = format!("http://{server}{path}").parse().unwrap();
    let body = body.collect().await.unwrap().to_bytes();
    match http.send(http::Request::from_parts(parts, Full::new(body))).await {
        Ok(mut answer) => {
            // It comes whole, whatever it was.
            answer.headers.remove(header::TRANSFER_ENCODING);
            (answer.status, answer.headers, Body::from(answer.body)).into_response()
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
