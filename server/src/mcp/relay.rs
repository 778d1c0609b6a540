//! One endpoint, one backend: every message is relayed as it is, signed as whoever sent it.

use super::{
    connect::{Asked, Connect, shows_pages},
    era::Era,
    error::Refusal,
    message::Message,
    names::{SESSION, forwarded, only},
    session::Sessions,
};
use crate::upstream::{Backend, Reply};
use aws_lc_rs::error::Unspecified;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header},
};
use bytes::Bytes;
use countersign::{
    Error,
    proof::{Authenticated, Identity, Operation, Tool},
};
use http_body_util::{BodyExt, Limited};
use serde_json::value::RawValue;

/// How large a message from a client may be.
pub(crate) const MAX_BODY: usize = 8 * 1024 * 1024;
/// How much of a backend's refusal is read to see whether it is MCP's.
const MAX_REFUSAL: usize = 64 * 1024;

/// Stands before a session's id, for what its client can do.
const SHOWS_PAGES: char = 'p';
const SHOWS_NONE: char = '-';

/// What a backend's answer may tell the client, besides its body.
const ANSWERED: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CACHE_CONTROL, HeaderName::from_static("x-accel-buffering")];

/// Relays what clients send to one backend.
#[derive(Debug)]
pub(crate) struct Relay {
    backend: Backend,
    sessions: Sessions,
    connect: Connect,
}

/// A request on its way to the backend, and whose answer is waited for.
struct Call<'a> {
    method: Method,
    caller: Authenticated,
    headers: &'a HeaderMap,
    era: Era,
    body: Bytes,
}

/// Why there is nothing to relay: something to say in MCP, or the caller's own token, which HTTP answers.
enum Refused {
    Answer(Refusal),
    Token(Error),
}

impl Relay {
    pub(crate) fn new(backend: Backend, connect: Connect) -> Result<Self, Unspecified> {
        Ok(Self { backend, sessions: Sessions::new()?, connect })
    }

    /// A message of the client's.
    ///
    /// # Errors
    ///
    /// Only what is wrong with the caller's own token: everything else is an answer.
    pub(crate) async fn post(
        &self,
        caller: Authenticated,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response<Body>, Error> {
        let read = accepts(headers, &["application/json", "text/event-stream"])
            .and_then(|()| is_json(headers))
            .and_then(|()| Message::parse(&body))
            .and_then(|message| Ok((Era::of(&message, headers)?, message)));
        let (era, message) = match read {
            Ok(read) => read,
            Err(refusal) => return Ok(refusal.into_response()),
        };
        let about = Operation::on(self.backend.name());
        let about = match (message.method.as_deref(), message.params.name.as_deref()) {
            (Some("tools/call"), Some(tool)) => about.calling(Tool::named(tool)),
            _ => about,
        };
        let caller = caller.about(about);
        let call = Call { method: Method::POST, caller, headers, era, body: body.clone() };
        let method = message.method.as_deref();
        let shows_pages = self.shows_pages(&call);
        let asked = Asked { era, method, id: message.id, shows_pages };
        self.call(call, message.id).await.map(|answer| self.connect.lead(answer, asked))
    }

    /// What the client says now, or said when it opened the session.
    fn shows_pages(&self, call: &Call<'_>) -> bool {
        let told = only(call.headers, &SESSION);
        let opened = told.and_then(|told| self.sessions.open(told, call.caller.identity()).ok());
        opened.map_or_else(|| shows_pages(&call.body), |id| id.starts_with(SHOWS_PAGES))
    }

    /// A client that listens to a session (`GET`), or ends one (`DELETE`).
    ///
    /// # Errors
    ///
    /// As for [`post`](Self::post).
    pub(crate) async fn session(
        &self,
        method: Method,
        caller: Authenticated,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Error> {
        let listens = if method == Method::GET { &["text/event-stream"][..] } else { &[] };
        let era = match accepts(headers, listens).and_then(|()| Era::without_message(headers)) {
            Ok(Era::Legacy) => Era::Legacy,
            Ok(Era::Modern) => return Ok(not_allowed()),
            Err(refusal) => return Ok(refusal.into_response()),
        };
        let caller = caller.about(Operation::on(self.backend.name()));
        self.call(Call { method, caller, headers, era, body: Bytes::new() }, None).await
    }

    async fn call(&self, call: Call<'_>, id: Option<&RawValue>) -> Result<Response<Body>, Error> {
        self.relayed(call).await.or_else(|refused| match refused {
            Refused::Answer(refusal) => {
                // Where no message is waited for, HTTP has to say that it failed.
                let told = if id.is_none() { refusal.or_status(StatusCode::BAD_GATEWAY) } else { refusal };
                Ok(told.answering(id).into_response())
            }
            Refused::Token(error) => Err(error),
        })
    }

    async fn relayed(&self, call: Call<'_>) -> Result<Response<Body>, Refused> {
        let Call { method, caller, headers, era, body } = call;
        let (listens, ends) = (method == Method::GET, method == Method::DELETE);
        let mark = if shows_pages(&body) { SHOWS_PAGES } else { SHOWS_NONE };
        let mut more = HeaderMap::new();
        let mut in_session = false;
        match era {
            Era::Modern => more.extend(forwarded(headers)),
            Era::Legacy if headers.contains_key(SESSION) => {
                let told = only(headers, &SESSION).ok_or_else(Refusal::no_session)?;
                let session = self.sessions.open(told, caller.identity())?;
                let id = session.get(1..).ok_or_else(Refusal::no_session)?;
                more.insert(SESSION, HeaderValue::try_from(id).map_err(|_| Refusal::no_session())?);
                in_session = true;
            }
            Era::Legacy => {}
        }
        let reply = match self.backend.call(&caller, method, headers, more, body).await {
            Ok(reply) => reply,
            Err(error) => return Err(Refusal::of_call(self.backend.name(), error)?.into()),
        };
        if listens && reply.status() == StatusCode::METHOD_NOT_ALLOWED {
            return Ok(not_allowed());
        }
        if ends && reply.status().is_success() {
            // Some servers answer 202 here, which clients take for a failure.
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        if reply.status().is_success() {
            return Ok(self.answered(reply, era, caller.identity(), mark)?);
        }
        self.refused(reply, in_session).await.map_err(Refused::Answer)
    }

    /// The backend's answer, whose body goes through as it comes.
    fn answered(
        &self,
        reply: Reply,
        era: Era,
        owner: &Identity,
        mark: char,
    ) -> Result<Response<Body>, Refusal> {
        let (parts, body) = reply.into_parts();
        let mut response = Response::new(Body::new(body));
        *response.status_mut() = parts.status;
        for name in &ANSWERED {
            if let Some(value) = parts.headers.get(name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        if let (Era::Legacy, Some(session)) = (era, only(&parts.headers, &SESSION)) {
            let sealed = self
                .sessions
                .seal(&format!("{mark}{session}"), owner)
                .ok()
                .and_then(|text| HeaderValue::try_from(text).ok());
            let failed = || Refusal::backend(self.backend.name(), "opened a session that cannot be kept");
            response.headers_mut().insert(SESSION, sealed.ok_or_else(failed)?);
        }
        Ok(response)
    }

    /// MCP's own refusals go through; what any other server in between says is put into words.
    async fn refused(&self, reply: Reply, in_session: bool) -> Result<Response<Body>, Refusal> {
        let name = self.backend.name();
        let (parts, body) = reply.into_parts();
        let status = parts.status;
        let code =
            parts.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let text =
            Limited::new(body, MAX_REFUSAL).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let code = code.or_else(|| aws_code(&text)).unwrap_or_default();
        tracing::info!(backend = name, status = status.as_u16(), code, "refused");
        let passes = matches!(
            status,
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
        );
        if passes && speaks_mcp(&text) {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Ok(response);
        }
        Err(match status {
            StatusCode::NOT_FOUND if in_session => Refusal::no_session(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if unbelieved(&code) => {
                Refusal::backend_denied(name, "does not accept the signature that it was sent")
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Refusal::backend_denied(name, "does not let your role do this")
            }
            status if passes => {
                Refusal::backend(name, "does not understand this request").with_status(status)
            }
            status if status.is_redirection() => {
                Refusal::backend(name, "points elsewhere, where no signature follows")
            }
            _ => Refusal::backend(name, "failed"),
        })
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Answer(refusal)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Token(error)
    }
}

/// Whether the client understands every form that an answer may have.
fn accepts(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Refusal> {
    let ranges: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let fits = |range: &String, kind: &str| {
        range == "*/*"
            || range == kind
            || range.strip_suffix('*').is_some_and(|group| group.ends_with('/') && kind.starts_with(group))
    };
    if wanted.iter().all(|kind| ranges.iter().any(|range| fits(range, kind))) {
        return Ok(());
    }
    let what = format!("accept has to list {}", wanted.join(" and "));
    Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, &what))
}

fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let essence = only(headers, &header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type has to be application/json"))
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn not_allowed() -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// Whether a body is a JSON-RPC error.
fn speaks_mcp(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Spoken<'a> {
        #[serde(borrow)]
        jsonrpc: &'a str,
        #[serde(borrow)]
        error: &'a RawValue,
    }
    serde_json::from_slice::<Spoken<'_>>(body)
        .is_ok_and(|spoken| spoken.jsonrpc == "2.0" && spoken.error.get().starts_with('{'))
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
