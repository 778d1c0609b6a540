//! Signing for the world's MCP server, and JSON-RPC written by hand.

use aws_credential_types::Credentials as Keys;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use bytes::Bytes;
use countersign_fixtures::{
    credentials::{Book, Credentials},
    world::SERVICE,
};
use countersign_tests::{
    client::{Answer, Plain},
    mcp::Wire,
};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// Signs whatever rmcp's client sends.
pub(super) fn signing(book: &Book, credentials: &Credentials) -> Wire {
    let (book, credentials) = (book.clone(), credentials.clone());
    Wire::new(move |request| sign_as(&book, &credentials, request))
}

/// Signs for the service that the world's oracles stand before.
pub(super) fn sign_as(book: &Book, credentials: &Credentials, request: &mut Request<Bytes>) {
    let (service, region) = SERVICE;
    let identity = Keys::new(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        credentials.session_token.clone(),
        None,
        "test",
    )
    .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(book.clock().now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let uri = request.uri().to_string();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers, body).unwrap();
    let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
    instructions.apply_to_request_http1x(request);
}

/// A request of 2026-07-28, whole in itself.
pub(super) fn modern(url: &str, method: &str, mut params: Value) -> Request<Bytes> {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    let mut request =
        post(url, "2026-07-28", &json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}));
    let headers = request.headers_mut();
    headers.insert("mcp-method", method.parse().unwrap());
    if let Some(name) = name {
        headers.insert("mcp-name", name.parse().unwrap());
    }
    request
}

/// A message of 2025-11-25, in a session or about to open one.
pub(super) fn legacy(url: &str, session: Option<&str>, message: &Value) -> Request<Bytes> {
    let mut request = post(url, "2025-11-25", message);
    if let Some(session) = session {
        request.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    }
    request
}

/// Sends it as it is.
pub(super) async fn send(request: Request<Bytes>) -> Answer {
    Plain::default().send(request.map(Full::new)).await.expect("the server answers")
}

/// The JSON-RPC message in an answer, which may come as the last event of a stream.
pub(super) fn message(answer: &Answer) -> Value {
    if !answer.header("content-type").starts_with("text/event-stream") {
        return answer.json();
    }
    let text = answer.text();
    let last =
        text.lines().filter_map(|line| line.strip_prefix("data:")).rfind(|data| !data.trim().is_empty());
    serde_json::from_str(last.expect("the stream has an event")).expect("an event is JSON")
}

fn post(url: &str, version: &str, message: &Value) -> Request<Bytes> {
    Request::post(url)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", version)
        .body(message.to_string().into())
        .unwrap()
}
