//! One backend, and how it answers.

use super::{
    error::{Refusal, Refused},
    sse::Events,
    wire::Heard,
};
use crate::{
    config::tools::Tools,
    upstream::{Backend, Reply},
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
};
use bytes::Bytes;
use countersign::{
    clock::{Clock, SystemClock},
    proof::{Authenticated, Operation, Tool},
};
use http_body_util::{BodyExt, Limited};
use std::sync::atomic::{AtomicU8, Ordering};

/// How much of a backend's refusal is read to see whether it is MCP's.
const MAX_REFUSAL: usize = 64 * 1024;
/// How large an answer may be that is no stream.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// A backend, and its place among the others.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) place: usize,
    pub(super) tools: Tools,
    backend: Backend,
    only: AtomicU8,
}

/// Who sends something, and the headers it came with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller<'c> {
    pub(super) who: &'c Authenticated,
    pub(super) headers: &'c HeaderMap,
}

impl Caller<'_> {
    /// Whether nothing can be done any more with the caller's token.
    pub(super) fn is_over(&self) -> bool {
        self.who.identity().expires().is_some_and(|end| end <= SystemClock.now())
    }
}

/// A request for a backend.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The tool that is called, for rules about it.
    pub(super) tool: Option<Tool>,
    /// The headers that MCP needs.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What a backend says to it.
#[derive(Debug)]
pub(super) enum Said {
    Message(Bytes),
    Events(Body),
    Nothing,
}

/// Which era a backend does not speak, as far as anybody has seen.
const UNKNOWN: u8 = 0;
const ONLY_LEGACY: u8 = 1;
const ONLY_MODERN: u8 = 2;

impl Peer {
    pub(super) fn new(place: usize, backend: Backend, tools: Tools) -> Self {
        Self { place, tools, backend, only: AtomicU8::new(UNKNOWN) }
    }

    pub(super) fn name(&self) -> &str {
        self.backend.name()
    }

    /// Whether requests without a session are in vain.
    pub(super) fn is_legacy(&self) -> bool {
        self.only.load(Ordering::Relaxed) == ONLY_LEGACY
    }

    /// Whether asking for a session is in vain.
    pub(super) fn is_modern(&self) -> bool {
        self.only.load(Ordering::Relaxed) == ONLY_MODERN
    }

    pub(super) fn has_turned_out_legacy(&self) {
        tracing::info!(backend = self.name(), "speaks only the versions of MCP with sessions");
        self.only.store(ONLY_LEGACY, Ordering::Relaxed);
    }

    pub(super) fn has_turned_out_modern(&self) {
        tracing::info!(backend = self.name(), "speaks only the version of MCP without sessions");
        self.only.store(ONLY_MODERN, Ordering::Relaxed);
    }

    /// Whatever it turned out to be, it may have been replaced.
    pub(super) fn may_have_changed(&self) {
        self.only.store(UNKNOWN, Ordering::Relaxed);
    }

    /// Sends a message, and waits for what the backend says.
    pub(super) async fn post(&self, caller: Caller<'_>, request: Request) -> Result<Said, Refused> {
        Said::of(self.send(caller, request).await?, self).await
    }

    /// Sends a request, and takes no status for an answer that says it failed.
    pub(super) async fn send(&self, caller: Caller<'_>, request: Request) -> Result<Reply, Refused> {
        let Request { method, tool, mut headers, body } = request;
        let about = Operation::on(self.name());
        let about = match tool {
            Some(tool) => about.calling(tool),
            None => about,
        };
        let who = caller.who.clone().about(about);
        let accepted = HeaderValue::from_static("application/json, text/event-stream");
        headers.entry(header::ACCEPT).or_insert(accepted);
        if method == Method::POST {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let listens = method == Method::GET;
        let reply = self.backend.call(&who, method, &passing(caller.headers), headers, body).await;
        let reply = reply.map_err(|error| match Refusal::of_call(self.name(), error) {
            Ok(refusal) => Refused::Answer(refusal),
            Err(error) => Refused::Token(error),
        })?;
        match reply.status() {
            status if status.is_success() => Ok(reply),
            StatusCode::CONFLICT if listens => Err(Refusal::listened_to(self.name()).into()),
            _ => Err(self.refused(reply).await),
        }
    }

    /// MCP's own refusals go through; what any other server in between says is put into words.
    async fn refused(&self, reply: Reply) -> Refused {
        let name = self.name();
        let (parts, body) = reply.into_parts();
        let status = parts.status;
        let code =
            parts.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text =
            Limited::new(body, MAX_REFUSAL).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let code = code.or_else(|| aws_code(&text)).unwrap_or_default();
        tracing::info!(backend = name, status = status.as_u16(), code, "refused");
        match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                if is_error(&text) {
                    Refused::Mcp(status, text)
                } else {
                    Refused::NotUnderstood(Refusal::backend(name, "does not understand this request"), status)
                }
            }
            StatusCode::NOT_ACCEPTABLE | StatusCode::UNPROCESSABLE_ENTITY => {
                Refused::NotUnderstood(Refusal::backend(name, "failed"), StatusCode::OK)
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if unbelieved(&code) => {
                Refusal::backend_denied(name, "does not accept the signature that it was sent").into()
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Refusal::backend_denied(name, "does not let your role do this").into()
            }
            status if status.is_redirection() => {
                Refusal::backend(name, "points elsewhere, where no signature follows").into()
            }
            _ => Refusal::backend(name, "failed").into(),
        }
    }
}

impl Request {
    pub(super) fn posting(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, tool: None, headers, body: body.into() }
    }
}

impl Said {
    /// What a reply says that is no refusal.
    pub(super) async fn of(reply: Reply, peer: &Peer) -> Result<Self, Refused> {
        if reply.status() == StatusCode::ACCEPTED {
            return Ok(Self::Nothing);
        }
        let (parts, body) = reply.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Ok(Self::Events(Body::new(body)));
        }
        let answer = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
            tracing::warn!(backend = peer.name(), error, "an answer broke off");
            Refusal::backend(peer.name(), "broke off in its answer, or says too much")
        })?;
        let answer = answer.to_bytes();
        if answer.trim_ascii().is_empty() { Ok(Self::Nothing) } else { Ok(Self::Message(answer)) }
    }

    /// The result of the request `id`, of which nothing else is of interest.
    pub(super) async fn result(self, id: u64, peer: &Peer) -> Result<Bytes, Refused> {
        let id = id.to_string();
        let mut events = match self {
            Self::Message(text) => {
                return result_of(&text, &id).unwrap_or_else(|| Err(no_answer(peer)));
            }
            Self::Events(body) => Events::of(body),
            Self::Nothing => return Err(no_answer(peer)),
        };
        while let Ok(Some(event)) = events.next().await {
            if let Some(result) = event.data.and_then(|data| result_of(&data, &id)) {
                return result;
            }
        }
        Err(no_answer(peer))
    }
}

fn result_of(text: &[u8], id: &str) -> Option<Result<Bytes, Refused>> {
    let heard = Heard::parse(text)?;
    if !heard.is_answer() || heard.id.is_some_and(|heard| heard != id) {
        return None;
    }
    Some(match heard.result {
        Some(result) => Ok(Bytes::copy_from_slice(result.as_bytes())),
        None => Err(Refused::Mcp(StatusCode::OK, Bytes::copy_from_slice(text))),
    })
}

fn no_answer(peer: &Peer) -> Refused {
    Refusal::backend(peer.name(), "did not answer what it was asked").into()
}

/// What of the client's headers is no part of MCP, and may go to a backend.
fn passing(headers: &HeaderMap) -> HeaderMap {
    const OURS: [HeaderName; 3] =
        [header::ACCEPT, header::CONTENT_TYPE, HeaderName::from_static("last-event-id")];
    let passes = |name: &HeaderName| !OURS.contains(name) && !name.as_str().starts_with("mcp-");
    let passing = headers.iter().filter(|(name, _)| passes(name));
    passing.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Whether a body is a JSON-RPC error.
fn is_error(body: &[u8]) -> bool {
    Heard::parse(body).is_some_and(|heard| heard.error.is_some_and(|error| error.starts_with('{')))
}

/// AWS's name for what is wrong, in either place where a body may have it.
fn aws_code(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        #[serde(alias = "__type", alias = "code", alias = "Code")]
        name: String,
    }
    let named: Named = serde_json::from_slice(body).ok()?;
    Some(named.name)
}

/// Whether AWS doubts the signature rather than the permission.
fn unbelieved(code: &str) -> bool {
    let code = code.split(':').next().unwrap_or_default();
    let name = code.rsplit('#').next().unwrap_or_default();
    [
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestTimeTooSkewed",
        "AuthFailure",
    ]
    .contains(&name)
}
