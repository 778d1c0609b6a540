//! A backend that keeps every byte that reached it.

use axum::{Router, body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_fixtures::http::Server;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

pub(super) struct Backend {
    url: String,
    desk: Arc<Desk>,
    bytes: Arc<Mutex<Vec<u8>>>,
    tapping: JoinHandle<()>,
    _server: Server,
}

#[derive(Default)]
struct Desk {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<StatusCode>>,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Backend {
    pub(super) async fn start() -> Self {
        let desk = Arc::new(Desk::default());
        let server = Server::start(Router::new().fallback(take).with_state(desk.clone())).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bytes = Arc::default();
        #[allow(clippy::disallowed_methods, reason = "this task ends with the backend that owns it")]
        let tapping = tokio::spawn(tap(listener, server.address(), Arc::clone(&bytes)));
        Self { url, desk, bytes, tapping, _server: server }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Answers the next requests like this, and then with 200 again.
    pub(super) fn answer(&self, statuses: impl IntoIterator<Item = StatusCode>) {
        self.desk.answers.lock().unwrap().extend(statuses);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.desk.seen.lock().unwrap().clone()
    }

    /// The tokens that arrived, each as it stood in its one header.
    pub(super) fn tokens(&self) -> Vec<String> {
        self.seen().iter().map(Seen::token).collect()
    }

    /// Every byte that arrived, whatever became of it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub(super) fn has_seen(&self, text: &str) -> bool {
        self.bytes().windows(text.len()).any(|window| window == text.as_bytes())
    }
}

impl Seen {
    pub(super) fn token(&self) -> String {
        let values: Vec<_> = self.headers.get_all("authorization").iter().collect();
        assert_eq!(values.len(), 1, "{values:?}");
        values[0].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.tapping.abort();
    }
}

async fn take(State(desk): State<Arc<Desk>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    desk.seen.lock().unwrap().push(Seen { headers: parts.headers, body });
    let status = desk.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK);
    Response::builder().status(status).body(Body::from("done")).unwrap()
}

async fn tap(listener: TcpListener, upstream: std::net::SocketAddr, bytes: Arc<Mutex<Vec<u8>>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(pass(client, upstream, bytes.clone()));
    }
}

async fn pass(client: TcpStream, upstream: std::net::SocketAddr, bytes: Arc<Mutex<Vec<u8>>>) {
    let server = TcpStream::connect(upstream).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async move {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            bytes.lock().unwrap().extend_from_slice(&buffer[..length]);
            if to_server.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
    };
    // How a connection ends is its two ends' affair.
    let _ = tokio::join!(there, tokio::io::copy(&mut from_server, &mut to_client));
}
