//! The sessions that backends have with us, beneath one of a client's.

use super::{
    error::{Refusal, Refused},
    flights::fresh,
    names::{SESSION, VERSION},
    peer::{Caller, Peer, Request, Said},
    session::{Greeting, Session},
    wire::quoted,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use bytes::Bytes;
use countersign::proof::Tool;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{self, watch};

/// At most one line to each backend, opened when it is needed.
#[derive(Debug)]
pub(super) struct Lines {
    open: Vec<sync::Mutex<Option<Arc<Line>>>>,
    wishes: Mutex<Wishes>,
    /// When other resources are watched.
    changes: watch::Sender<()>,
}

/// A session with a backend.
#[derive(Debug)]
pub(super) struct Line {
    headers: HeaderMap,
    /// The result of `initialize`.
    pub(super) hello: Bytes,
}

/// What a backend is told again when it has forgotten the session.
#[derive(Clone, Debug, Default)]
struct Wishes {
    /// The log level, as it was written.
    level: Option<String>,
    /// The resources that are watched, by backend and by what that calls them; and what the client calls them.
    watched: BTreeMap<usize, BTreeMap<String, String>>,
}

/// How many resources may be watched in a session, or by one subscription.
pub(super) const MOST_WATCHED: usize = 1_000;

impl Lines {
    pub(super) fn to(peers: usize) -> Self {
        let open = (0..peers).map(|_| sync::Mutex::default()).collect();
        Self { open, wishes: Mutex::default(), changes: watch::Sender::default() }
    }

    /// Those that are open.
    pub(super) async fn are_open(&self) -> Vec<(usize, Arc<Line>)> {
        let mut lines = Vec::new();
        for (place, line) in self.open.iter().enumerate() {
            lines.extend(line.lock().await.clone().map(|line| (place, line)));
        }
        lines
    }

    pub(super) async fn is_open(&self, place: usize) -> bool {
        match self.open.get(place) {
            Some(line) => line.lock().await.is_some(),
            None => false,
        }
    }

    pub(super) fn want_level(&self, level: &str) {
        self.wishes().level = Some(level.to_owned());
    }

    pub(super) fn watch(&self, place: usize, theirs: &str, ours: &str) {
        self.wishes().watched.entry(place).or_default().insert(theirs.to_owned(), ours.to_owned());
        self.changes.send_replace(());
    }

    /// Whether nothing more can be watched.
    pub(super) fn watch_enough(&self) -> bool {
        self.wishes().watched.values().map(BTreeMap::len).sum::<usize>() >= MOST_WATCHED
    }

    /// What is watched at one backend: by what the client calls it, and what the backend does.
    pub(super) fn watched(&self, place: usize) -> Vec<(String, String)> {
        let wishes = self.wishes();
        let watched = wishes.watched.get(&place).into_iter().flatten();
        watched.map(|(theirs, ours)| (ours.clone(), theirs.clone())).collect()
    }

    /// Hears when that changes.
    pub(super) fn wishes_change(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What the client calls a resource that it watches.
    pub(super) fn watched_as(&self, place: usize, theirs: &str) -> Option<String> {
        self.wishes().watched.get(&place)?.get(theirs).cloned()
    }

    /// The log level that the client wants, as it was written.
    pub(super) fn level(&self) -> Option<String> {
        self.wishes().level.clone()
    }

    pub(super) fn stop_watching(&self, place: usize, uri: &str) {
        if let Some(watched) = self.wishes().watched.get_mut(&place) {
            watched.remove(uri);
        }
        self.changes.send_replace(());
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The headers that a request in the session has.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }
}

impl Session {
    /// The line to `peer`, opened if there is none.
    pub(super) async fn line(&self, peer: &Peer, caller: Caller<'_>) -> Result<Arc<Line>, Refused> {
        let Some(place) = self.lines.open.get(peer.place) else {
            return Err(Refusal::no_session().into());
        };
        // Held until the line is open, so that of many requests at once one opens it.
        let mut line = place.lock().await;
        if let Some(line) = &*line {
            return Ok(line.clone());
        }
        let opened = Arc::new(open(&self.greeting, peer, caller).await?);
        *line = Some(opened.clone());
        drop(line);
        let wishes = self.lines.wishes().clone();
        self.wish_again(&wishes, &opened, peer, caller).await;
        Ok(opened)
    }

    /// Sends a message on the line to `peer`. Where the backend has forgotten it, the message was not heard, so it is
    /// sent once more on a new one.
    pub(super) async fn post(
        &self,
        peer: &Peer,
        caller: Caller<'_>,
        tool: Option<Tool>,
        body: Bytes,
    ) -> Result<Said, Refused> {
        for _ in 0..2 {
            let line = self.line(peer, caller).await?;
            let request = Request { tool: tool.clone(), ..Request::posting(line.headers(), body.clone()) };
            match peer.post(caller, request).await {
                Err(refused) if refused.forgets_sessions() => self.hang_up(peer, &line).await,
                said => return said,
            }
        }
        Err(Refusal::backend(peer.name(), "forgets its sessions").into())
    }

    /// Forgets a line that the backend has forgotten, unless somebody has opened another meanwhile.
    pub(super) async fn hang_up(&self, peer: &Peer, old: &Arc<Line>) {
        tracing::info!(backend = peer.name(), "forgot a session, which is opened again");
        if let Some(line) = self.lines.open.get(peer.place) {
            let mut line = line.lock().await;
            if line.as_ref().is_some_and(|line| Arc::ptr_eq(line, old)) {
                *line = None;
            }
        }
    }

    /// Ends every session with a backend.
    pub(super) async fn end(&self, peers: &[Peer], caller: Caller<'_>) {
        for (place, line) in self.lines.are_open().await {
            let Some(peer) = peers.get(place) else { continue };
            let request =
                Request { method: Method::DELETE, tool: None, headers: line.headers(), body: Bytes::new() };
            // Whoever does not let it be ended ends it by itself.
            if peer.send(caller, request).await.is_err() {
                tracing::info!(backend = peer.name(), "keeps a session that was ended");
            }
        }
    }

    async fn wish_again(&self, wishes: &Wishes, line: &Line, peer: &Peer, caller: Caller<'_>) {
        let level = wishes.level.iter().map(|level| ("logging/setLevel", format!("{{\"level\":{level}}}")));
        let watched = wishes.watched.get(&peer.place).into_iter().flat_map(BTreeMap::keys);
        let watched = watched.map(|uri| ("resources/subscribe", format!("{{\"uri\":{}}}", quoted(uri))));
        for (method, params) in level.chain(watched) {
            let id = fresh();
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
            let wished = match peer.post(caller, Request::posting(line.headers(), body)).await {
                Ok(said) => said.result(id, peer).await,
                Err(refused) => Err(refused),
            };
            if wished.is_err() {
                tracing::info!(backend = peer.name(), method, "was not done again in a new session");
            }
        }
    }
}

async fn open(greeting: &Greeting, peer: &Peer, caller: Caller<'_>) -> Result<Line, Refused> {
    let Greeting { version, capabilities, client } = greeting;
    let id = fresh();
    let hello = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":{},"capabilities":{},"clientInfo":{}}}}}"#,
        quoted(version),
        capabilities.get(),
        client.get(),
    );
    let reply = peer.send(caller, Request::posting(HeaderMap::new(), hello)).await?;
    let session = reply.headers().get(SESSION).cloned();
    let hello = Said::of(reply, peer).await?.result(id, peer).await?;
    let agreed = agreed(&hello)
        .ok_or_else(|| Refusal::backend(peer.name(), "does not say which version it speaks"))?;
    let mut headers = HeaderMap::from_iter([(VERSION, agreed)]);
    headers.extend(session.map(|session| (SESSION, session)));
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    peer.post(caller, Request::posting(headers.clone(), ready)).await?;
    Ok(Line { headers, hello })
}

fn agreed(hello: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Agreed {
        #[serde(rename = "protocolVersion")]
        version: String,
    }
    let agreed: Agreed = serde_json::from_slice(hello).ok()?;
    HeaderValue::try_from(agreed.version).ok()
}
