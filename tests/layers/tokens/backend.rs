//! A backend that keeps every byte that reached it.

use axum::{Router, body::Body, extract::State, response::Response};
use bytes::Bytes;
use countersign_fixtures::{http::Server, wire::Tap};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

pub(super) struct Backend {
    url: String,
    desk: Arc<Desk>,
    tap: Tap,
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
        let tap = Tap::before(server.address()).await;
        Self { url: tap.url(), desk, tap, _server: server }
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
        self.tap.bytes()
    }

    pub(super) fn has_seen(&self, text: &str) -> bool {
        self.tap.has_seen(text)
    }
}

impl Seen {
    pub(super) fn token(&self) -> String {
        let values: Vec<_> = self.headers.get_all("authorization").iter().collect();
        assert_eq!(values.len(), 1, "{values:?}");
        values[0].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    }
}

async fn take(State(desk): State<Arc<Desk>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    desk.seen.lock().unwrap().push(Seen { headers: parts.headers, body });
    let status = desk.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK);
    Response::builder().status(status).body(Body::from("done")).unwrap()
}
