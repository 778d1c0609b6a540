//! An MCP client of a few lines, of both eras.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use std::fmt;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const SESSION: &str = "mcp-session-id";

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

impl Era {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Modern => MODERN,
            Self::Legacy => LEGACY,
        }
    }
}

/// Somebody who speaks MCP to one server.
#[derive(Debug)]
pub(super) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    endpoint: String,
    token: Option<String>,
    session: Option<HeaderValue>,
    era: Era,
}

/// Why there is no result.
#[derive(Debug)]
pub(super) enum Refused {
    /// HTTP said no.
    Status(StatusCode, String),
    /// MCP said no.
    Error(String),
    /// Nothing that could be understood.
    Nonsense(String),
}

impl Client {
    pub(super) fn new(endpoint: &str, era: Era, token: Option<String>) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { http, endpoint: endpoint.to_owned(), token, session: None, era }
    }

    /// Opens a session, where the era has them.
    pub(super) async fn open(&mut self) -> Result<(), Refused> {
        if self.era == Era::Modern {
            return Ok(());
        }
        let hello = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "countersign-demo", "version": env!("CARGO_PKG_VERSION")},
        });
        self.ask("initialize", hello).await?;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post("notifications/initialized", None, &ready).await.map(|_| ())
    }

    /// The names of all tools.
    pub(super) async fn tools(&mut self) -> Result<Vec<String>, Refused> {
        let result = self.ask("tools/list", json!({})).await?;
        let tools = result.get("tools").and_then(Value::as_array).into_iter().flatten();
        Ok(tools.filter_map(|tool| Some(tool.get("name")?.as_str()?.to_owned())).collect())
    }

    /// What a tool says, in words.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value) -> Result<String, Refused> {
        let result = self.ask("tools/call", json!({"name": tool, "arguments": arguments})).await?;
        let text = result.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default().to_owned();
        if result.get("isError").and_then(Value::as_bool) == Some(true) {
            Err(Refused::Error(text))
        } else {
            Ok(text)
        }
    }

    async fn ask(&mut self, method: &str, mut params: Value) -> Result<Value, Refused> {
        let name = params.get("name").and_then(Value::as_str).map(str::to_owned);
        if let (Era::Modern, Some(params)) = (self.era, params.as_object_mut()) {
            params.insert("_meta".to_owned(), meta());
        }
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self.post(method, name.as_deref(), &request).await?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => {
                let said = answer.pointer("/error/message").and_then(Value::as_str);
                Err(said.map_or_else(
                    || Refused::Nonsense(answer.to_string()),
                    |said| Refused::Error(said.to_owned()),
                ))
            }
        }
    }

    async fn post(&mut self, method: &str, name: Option<&str>, message: &Value) -> Result<Value, Refused> {
        let mut request = Request::post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            request = request.header(SESSION, session).header("mcp-protocol-version", LEGACY);
        }
        if self.era == Era::Modern {
            request = request.header("mcp-protocol-version", MODERN).header("mcp-method", method);
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
        }
        let body = Full::new(message.to_string().into());
        let request = request.body(body).map_err(|error| Refused::Nonsense(error.to_string()))?;
        let lost = |error: &dyn fmt::Display| Refused::Nonsense(error.to_string());
        let (parts, body) = self.http.request(request).await.map_err(|error| lost(&error))?.into_parts();
        let text = body.collect().await.map_err(|error| lost(&error))?.to_bytes();
        if let Some(session) = parts.headers.get(SESSION) {
            self.session = Some(session.clone());
        }
        let text = String::from_utf8_lossy(&text);
        match (parts.status, message_in(&text, &parts.headers)) {
            (StatusCode::ACCEPTED, _) => Ok(Value::Null),
            (StatusCode::OK, Some(message)) => Ok(message),
            (StatusCode::OK, None) => Err(Refused::Nonsense(text.into_owned())),
            (status, message) => {
                let said = message.as_ref().and_then(|message| message.get("error_description")?.as_str());
                Err(Refused::Status(status, said.unwrap_or_default().to_owned()))
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status, said) => write!(f, "{}: {said}", status.as_u16()),
            Self::Error(said) => f.write_str(said),
            Self::Nonsense(said) => write!(f, "not understood: {said}"),
        }
    }
}

/// What every modern request says about itself.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "countersign-demo", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// The message of a body, or the last one of a stream of events.
fn message_in(text: &str, headers: &HeaderMap) -> Option<Value> {
    let events =
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !events {
        return serde_json::from_str(text).ok();
    }
    let data = text.lines().rev().filter_map(|line| line.strip_prefix("data:"));
    let mut messages = data.filter_map(|data| serde_json::from_str(data).ok());
    messages.next()
}
