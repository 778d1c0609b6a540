//! Errors become JSON-RPC here, and nowhere else.

use super::{
    connect::Missing,
    line::MOST_WATCHED,
    tasks::TASKS,
    wire::{Edits, Heard},
};
use crate::upstream::Unavailable;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use countersign::{BoxError, Error, Kind, respond::Answer};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use std::time::Duration;
use tower::timeout::error::Elapsed;

/// A backend's failure, whatever it was.
const BACKEND_FAILED: i64 = -32000;
/// The caller may not do this there.
const NOT_ALLOWED: i64 = -32001;
/// Another try may succeed.
const TRY_AGAIN: i64 = -32003;
const HEADER_MISMATCH: i64 = -32020;
const MISSING_CAPABILITY: i64 = -32021;
const UNSUPPORTED_VERSION: i64 = -32022;
const UNKNOWN_METHOD: i64 = -32601;
/// There is no such resource, in the versions with sessions.
const NO_RESOURCE: i64 = -32002;
/// What only a backend without sessions says, or what any says that understood.
const MODERN: [i64; 5] = [HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION, UNKNOWN_METHOD, -32602];

/// Why a backend did not do what it was asked.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is something to say about it in MCP.
    Answer(Refusal),
    /// It says so itself, as a JSON-RPC error.
    Mcp(StatusCode, Bytes),
    /// It does not take this for MCP, which the other era may be.
    NotUnderstood(Refusal, StatusCode),
    /// The caller's own token is at fault, which HTTP tells.
    Token(Error),
}

/// A JSON-RPC error, and the status it is sent with.
#[derive(Debug)]
pub(super) struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    id: Option<Box<RawValue>>,
    code: i64,
    message: String,
    data: Option<Value>,
    missing: Option<Missing>,
}

impl Refusal {
    fn new(status: StatusCode, code: i64, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { status, id: None, code, message: message.into(), data: None, missing: None }))
    }

    /// The body is not JSON.
    pub(super) fn parse_error() -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32700, "the body is not JSON")
    }

    /// It is JSON, and no message.
    pub(super) fn invalid_request(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32600, what)
    }

    pub(super) fn invalid_params(what: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, -32602, what)
    }

    /// Not with this status of HTTP.
    pub(super) fn http(status: StatusCode, what: &str) -> Self {
        Self::new(status, -32600, what)
    }

    /// Modern clients are told so, to not take us for a server that they do not know.
    pub(super) fn unknown_method(method: &str) -> Self {
        let what = format!("the method `{method}` does not exist in this version of the protocol");
        Self::new(StatusCode::NOT_FOUND, -32601, what)
    }

    /// No backend tells anything without being asked.
    pub(super) fn nothing_to_hear() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, -32600, "no backend tells anything in this session")
    }

    /// Something failed here that cannot.
    pub(super) fn defect() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, -32603, "the gateway failed; its log says more")
    }

    /// No backend has it, or none that this caller may know of.
    pub(super) fn unknown(what: &str, name: &str) -> Self {
        Self::new(StatusCode::OK, -32602, format!("there is no {what} `{name}`"))
    }

    /// The client watches as much as it may.
    pub(super) fn watches_enough() -> Self {
        let what = format!("a client may watch {MOST_WATCHED} resources and tasks; let go of some first");
        Self::new(StatusCode::OK, -32602, what)
    }

    /// The client asks for what it does not say that it knows.
    pub(super) fn lacks_tasks() -> Self {
        let what = "a client that asks for news of tasks has to declare the extension for them";
        let required = json!({"requiredCapabilities": {"extensions": {TASKS: {}}}});
        Self::new(StatusCode::BAD_REQUEST, MISSING_CAPABILITY, what).with_data(required)
    }

    pub(super) fn unknown_task() -> Self {
        Self::new(StatusCode::OK, -32602, "there is no task of this name, or it is not yours")
    }

    /// The caller may do this, but not with what goes along.
    pub(super) fn not_with_these(what: &str, name: &str) -> Self {
        let what = format!("you may not use the {what} `{name}` with these arguments");
        Self::new(StatusCode::OK, NOT_ALLOWED, what)
    }

    /// The same of a resource, which has a code of its own in the versions with sessions.
    pub(super) fn unknown_resource(uri: &str, client_is_modern: bool) -> Self {
        let mut refusal = Self::unknown("resource", uri);
        if !client_is_modern {
            refusal.0.code = NO_RESOURCE;
        }
        refusal
    }

    pub(super) fn header_mismatch(what: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, HEADER_MISMATCH, what)
    }

    pub(super) fn unsupported_version(requested: &str, supported: &[&str]) -> Self {
        let refusal = Self::new(StatusCode::BAD_REQUEST, UNSUPPORTED_VERSION, "unsupported protocol version");
        refusal.with_data(json!({"supported": supported, "requested": requested}))
    }

    /// The session is not this caller's, is over, or never was: the client starts another.
    pub(super) fn no_session() -> Self {
        Self::new(StatusCode::NOT_FOUND, -32600, "there is no such session; initialize a new one")
    }

    /// It is nobody's fault, and another try may succeed.
    pub(super) fn try_again(what: &str) -> Self {
        let refusal = Self::new(StatusCode::OK, TRY_AGAIN, format!("{what}; try again"));
        refusal.with_data(json!({"retry_after_seconds": 1}))
    }

    /// What a call came to did not arrive.
    pub(super) fn lost() -> Self {
        let what = "the end of this call was lost between replicas of the gateway; it may have been done";
        Self::new(StatusCode::OK, BACKEND_FAILED, what)
    }

    /// The backend said something that is not MCP.
    pub(super) fn backend(name: &str, what: &str) -> Self {
        let refusal = Self::new(StatusCode::OK, BACKEND_FAILED, format!("backend `{name}` {what}"));
        refusal.with_data(json!({"backend": name}))
    }

    /// The backend tells a session its news once at a time.
    pub(super) fn listened_to(name: &str) -> Self {
        Self::backend(name, "tells its news to somebody else already").with_status(StatusCode::CONFLICT)
    }

    /// The backend does not let the caller's role do this, or does not believe who signed.
    pub(super) fn backend_denied(name: &str, what: &str) -> Self {
        let refusal = Self::new(StatusCode::OK, NOT_ALLOWED, format!("backend `{name}` {what}"));
        refusal.with_data(json!({"backend": name}))
    }

    /// The call never reached the backend, or no answer came; `Err` is the caller's own token's fault, which HTTP tells.
    pub(super) fn of_call(name: &str, error: BoxError) -> Result<Self, Error> {
        let error = match error.downcast::<Error>() {
            Ok(ours) if ours.kind() == Kind::ExpiredToken => return Err(*ours),
            Ok(ours) => ours,
            Err(other) if other.is::<Unavailable>() => {
                let again = other.downcast_ref().map_or(Duration::ZERO, |it: &Unavailable| it.again);
                let seconds = again.as_secs().max(1);
                let refusal =
                    Self::new(StatusCode::OK, TRY_AGAIN, format!("backend `{name}` {other}; try again"));
                return Ok(refusal.with_data(json!({"backend": name, "retry_after_seconds": seconds})));
            }
            Err(other) => {
                let what = if other.is::<Elapsed>() { "did not answer in time" } else { "cannot be reached" };
                tracing::warn!(backend = name, error = chain(&*other), "no answer");
                return Ok(Self::backend(name, what));
            }
        };
        let answer = Answer::to(&*error);
        let code = match answer.status() {
            StatusCode::FORBIDDEN => NOT_ALLOWED,
            StatusCode::SERVICE_UNAVAILABLE => TRY_AGAIN,
            _ => BACKEND_FAILED,
        };
        let mut data = Map::from_iter([("backend".to_owned(), name.into())]);
        if let Some(id) = answer.correlation_id() {
            data.insert("correlation_id".to_owned(), id.into());
        }
        if let Some(after) = answer.retry_after() {
            data.insert("retry_after_seconds".to_owned(), after.as_secs().max(1).into());
        }
        let message = format!("backend `{name}`: {}", answer.sentence());
        let mut refusal = Self::new(StatusCode::OK, code, message).with_data(data.into());
        if let (Kind::UpstreamTokenMissing, Some(provider)) = (error.kind(), error.provider()) {
            refusal.0.missing = Some(Missing { backend: name.to_owned(), provider: provider.to_owned() });
        }
        Ok(refusal)
    }

    /// Whose answer it is.
    pub(super) fn answering(mut self, id: Option<&RawValue>) -> Self {
        self.0.id = id.map(ToOwned::to_owned);
        self
    }

    /// `status`, unless it is an error by its own.
    pub(super) fn or_status(self, status: StatusCode) -> Self {
        if self.0.status == StatusCode::OK { self.with_status(status) } else { self }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let Parts { status, id, code, message, data, missing } = *self.0;
        let error = match data {
            Some(data) => json!({"code": code, "message": message, "data": data}),
            None => json!({"code": code, "message": message}),
        };
        // The id goes back as it came: it may be a number that no type here holds.
        let id = id.map_or_else(|| "null".to_owned(), |id| id.get().to_owned());
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        let mut response = json(status, body);
        if let Some(missing) = missing {
            response.extensions_mut().insert(missing);
        }
        response
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> i64 {
        self.0.code
    }

    fn with_data(mut self, data: Value) -> Self {
        self.0.data = Some(data);
        self
    }
}

impl Refused {
    /// Whether this is the status of the answer.
    pub(super) fn has_status(&self, wanted: StatusCode) -> bool {
        match self {
            Self::Answer(refusal) => refusal.0.status == wanted,
            Self::Mcp(status, _) | Self::NotUnderstood(_, status) => *status == wanted,
            Self::Token(_) => false,
        }
    }

    /// Whether a session is meant that the backend does not have any more.
    pub(super) fn forgets_sessions(&self) -> bool {
        match self {
            Self::NotUnderstood(_, status) => *status == StatusCode::NOT_FOUND,
            Self::Mcp(StatusCode::NOT_FOUND, _) => true,
            // What some servers say instead of 404.
            Self::Mcp(_, text) => said(text).is_some_and(|(code, what)| {
                code == BACKEND_FAILED && what.to_ascii_lowercase().contains("session")
            }),
            Self::Answer(_) | Self::Token(_) => false,
        }
    }

    /// Whether a backend says so that does not speak the era without sessions: those that do have errors of their own.
    pub(super) fn may_mean_legacy(&self) -> bool {
        match self {
            Self::NotUnderstood(..) => true,
            Self::Mcp(status, text) => {
                *status != StatusCode::OK && said(text).is_none_or(|(code, _)| !MODERN.contains(&code))
            }
            Self::Answer(_) | Self::Token(_) => false,
        }
    }

    /// Whether `initialize` was refused by a backend that has no sessions.
    pub(super) fn may_mean_modern(&self) -> bool {
        match self {
            Self::NotUnderstood(..) => true,
            Self::Mcp(_, text) => {
                said(text).is_some_and(|(code, _)| MODERN.contains(&code) || code == -32000)
            }
            Self::Answer(_) | Self::Token(_) => false,
        }
    }

    /// Whether headers are missing, or say something else than the body.
    pub(super) fn is_about_headers(&self) -> bool {
        matches!(self, Self::Mcp(_, text) if said(text).is_some_and(|(code, _)| code == HEADER_MISMATCH))
    }

    /// Whether the method is none that the backend has.
    pub(super) fn is_unknown_method(&self) -> bool {
        matches!(self, Self::Mcp(_, text) if said(text).is_some_and(|(code, _)| code == UNKNOWN_METHOD))
    }

    /// What becomes of it in a list of several backends: code and sentence.
    pub(super) fn told(&self) -> (i64, String) {
        match self {
            Self::Answer(refusal) | Self::NotUnderstood(refusal, _) => {
                (refusal.0.code, refusal.0.message.clone())
            }
            Self::Mcp(_, text) => {
                let (code, what) = said(text).unwrap_or((BACKEND_FAILED, String::new()));
                (code, format!("the backend says: {}", what.chars().take(200).collect::<String>()))
            }
            Self::Token(_) => (NOT_ALLOWED, "the caller's token is over".to_owned()),
        }
    }

    /// The answer to the request `id`; `Err` is what HTTP has to say. Where no message is waited for, HTTP has to say
    /// that it failed.
    pub(super) fn into_response(self, id: Option<&RawValue>) -> Result<Response<Body>, Error> {
        let refusal = match self {
            Self::Token(error) => return Err(error),
            Self::Mcp(status, text) => return Ok(passed(status, &text, id)),
            Self::NotUnderstood(refusal, status) => refusal.with_status(status),
            Self::Answer(refusal) => refusal,
        };
        let refusal = if id.is_none() { refusal.or_status(StatusCode::BAD_GATEWAY) } else { refusal };
        Ok(refusal.answering(id).into_response())
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Answer(refusal)
    }
}

/// A message, with its status.
pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A status that says everything.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The answer of the gateway itself.
pub(super) fn answer(id: &RawValue, result: &str) -> Response<Body> {
    json(StatusCode::OK, format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, id.get()))
}

/// A backend's own error, as the answer to another id.
fn passed(status: StatusCode, text: &[u8], id: Option<&RawValue>) -> Response<Body> {
    let id = id.map_or("null", RawValue::get);
    let Some(heard) = Heard::parse(text) else { return json(status, text.to_vec()) };
    match (heard.id, heard.error) {
        (Some(theirs), _) => {
            let mut edits = Edits::of(text);
            edits.replace(theirs, id);
            json(status, edits.done())
        }
        // Some do not say which request they refuse.
        (None, error) => {
            let error = error.unwrap_or("null");
            json(status, format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#))
        }
    }
}

/// Code and message of a JSON-RPC error.
fn said(text: &[u8]) -> Option<(i64, String)> {
    #[derive(Deserialize)]
    struct Said {
        code: i64,
        #[serde(default)]
        message: String,
    }
    let said: Said = serde_json::from_str(Heard::parse(text)?.error?).ok()?;
    Some((said.code, said.message))
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(source) = below {
        text = format!("{text}: {source}");
        below = source.source();
    }
    text
}
