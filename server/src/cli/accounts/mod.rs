//! Callers' accounts at providers, through a gateway that keeps and renews their tokens: over HTTP from outside, with
//! the accounts put into its store as whoever signs people in will do it.

mod apart;
mod asserted;
mod killed;
mod peers;
mod process;
mod told;

use super::gateway::Gateway;
use crate::{
    config,
    store::{Connections, Memory, Seal, SealingKey, Store},
};
use countersign::{
    clock::SystemClock,
    tokens::{Account, Connection},
};
use countersign_fixtures::{clock::Clock, http::Server, idp::Idp, mcp::everything::Everything, wire::Tap};
use countersign_tests::{
    account::{SECRET, sign_in},
    client::{Answer, Plain},
};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{
    fs,
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tempfile::{TempDir, tempdir};
use tokio::task::JoinHandle;

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2025-11-25";
const HOUR: Duration = Duration::from_secs(3600);

/// Who vouches for callers, and what the gateways around keep.
struct House {
    issuer: Idp,
    store: Store,
    folder: TempDir,
}

/// An MCP server that takes the tokens of one provider, and every byte that reaches it.
struct Backend {
    provider: Idp,
    name: &'static str,
    tap: Tap,
    _server: Server,
}

/// A gateway before one backend.
struct Running {
    endpoint: String,
    serving: JoinHandle<()>,
}

/// A client of a caller's.
struct Client {
    http: Plain,
    endpoint: String,
    token: String,
    capabilities: Value,
    session: Option<String>,
}

impl House {
    async fn new() -> Self {
        let memory = Memory::new(Arc::new(SystemClock), 10_000);
        let store = Store::in_memory(memory, Seal::new(SealingKey::random().unwrap(), Vec::new()));
        let folder = tempdir().unwrap();
        Self { issuer: Idp::start(Clock::default()).await, store, folder }
    }

    fn connections(&self) -> Connections {
        Connections::new(self.store.clone())
    }

    fn account(&self, who: &str, provider: &str) -> Account {
        Account::new(self.issuer.issuer(), who, None, provider)
    }

    /// A gateway whose one backend is called `notes`.
    async fn gateway(&self, backend: &Backend) -> Running {
        self.gateway_before(&[("notes", backend)]).await
    }

    async fn gateway_before(&self, backends: &[(&str, &Backend)]) -> Running {
        self.serving(&configuration(&self.issuer, backends, self.folder.path(), "{memory: true}")).await
    }

    /// What `text` describes, over the store of this house.
    async fn serving(&self, text: &str) -> Running {
        let (config, _) = config::parse("gateway.yaml", text).unwrap();
        let gateway = Gateway::over(config, Some(self.store.clone())).await.unwrap();
        let endpoint = gateway.endpoint();
        #[allow(clippy::disallowed_methods, reason = "this task ends with what owns it")]
        let serving = tokio::spawn(async move { gateway.serve(pending()).await.unwrap() });
        Running { endpoint, serving }
    }

    /// Where our secret at providers is.
    fn secret(&self) -> String {
        secret_in(self.folder.path())
    }

    /// The same as a file, for a gateway in a process of its own, with a store that a process can share or find again.
    fn written(&self, backend: &Backend, place: impl FnOnce(&Path) -> String) -> (String, PathBuf) {
        let folder = self.folder.path();
        let (key, path) = (folder.join("sealing"), folder.join("gateway.yaml"));
        fs::write(&key, "07".repeat(32)).unwrap();
        let store = format!("{{{}, key: 'file:{}'}}", place(folder), key.display());
        let text = configuration(&self.issuer, &[("notes", backend)], folder, &store);
        fs::write(&path, &text).unwrap();
        (text, path)
    }

    fn client(&self, who: &str, gateway: &Running) -> Client {
        let token = self.issuer.mint(who).audience(&gateway.endpoint).token();
        Client::new(&gateway.endpoint, token)
    }
}

impl Backend {
    async fn of(name: &'static str) -> Self {
        let server = Server::start(Everything::default().router()).await;
        let tap = Tap::before(server.address()).await;
        Self { provider: Idp::start(Clock::default()).await, name, tap, _server: server }
    }

    /// `who` signs in at the provider; the token is good for an hour.
    async fn connected(&self, who: &str) -> Connection {
        self.connected_at(who, self.provider.clock().now()).await
    }

    /// The token of before ended an hour ago, and there is one to renew it with.
    async fn connected_long_ago(&self, who: &str) -> Connection {
        self.connected_at(who, self.provider.clock().now() - 2 * HOUR).await
    }

    async fn connected_at(&self, who: &str, obtained: SystemTime) -> Connection {
        let tokens = sign_in(&self.provider, who).await;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        Connection::new(text("access_token").into(), obtained)
            .with_expires(obtained + HOUR)
            .with_refresh_token(text("refresh_token").into())
    }
}

impl Client {
    fn new(endpoint: &str, token: String) -> Self {
        let (http, endpoint) = (Plain::default(), endpoint.to_owned());
        Self { http, endpoint, token, capabilities: json!({}), session: None }
    }

    /// It shows web pages to whoever sits before it.
    fn showing_pages(mut self) -> Self {
        self.capabilities = json!({"elicitation": {"url": {}}});
        self
    }

    async fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": self.capabilities,
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = self.try_send(&[], "initialize", params).await.expect("the gateway answers");
        self.session = Some(answer.header("mcp-session-id").to_owned()).filter(|id| !id.is_empty());
        message(&answer)
    }

    /// Within the session, if there is one; complete in itself otherwise.
    async fn call(&self) -> Value {
        self.call_tool("test_simple_text").await
    }

    async fn call_tool(&self, name: &str) -> Value {
        self.ask("tools/call", json!({"name": name, "arguments": {}})).await
    }

    /// Nothing where the gateway ends before it answers.
    async fn try_call(&self) -> Option<Value> {
        let params = json!({"name": "test_simple_text", "arguments": {}});
        self.try_ask("tools/call", params).await.map(|answer| message(&answer))
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        message(&self.try_ask(method, params).await.expect("the gateway answers"))
    }

    async fn try_ask(&self, method: &str, mut params: Value) -> Option<Answer> {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        if let Some(session) = &self.session {
            let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
            return self.try_send(&headers, method, params).await;
        }
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        });
        let mut headers = vec![("mcp-protocol-version", MODERN), ("mcp-method", method)];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.try_send(&headers, method, params).await
    }

    async fn try_send(&self, headers: &[(&str, &str)], method: &str, params: Value) -> Option<Answer> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.http.send(request.body(Full::from(body)).unwrap()).await.ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn secret_in(folder: &Path) -> String {
    let path = folder.join("secret");
    fs::write(&path, SECRET).unwrap();
    format!("file:{}", path.display())
}

/// What an operator would write for these backends, each by its name.
fn configuration(issuer: &Idp, backends: &[(&str, &Backend)], folder: &Path, store: &str) -> String {
    let (issuer, secret) = (issuer.issuer(), secret_in(folder));
    let client = format!("client_id: gateway, client_secret: '{secret}', client_authentication: post");
    let mut upstreams = format!("    - {{name: staff, oidc: {{issuer: '{issuer}', {client}}}}}\n");
    let mut described = String::new();
    for (name, backend) in backends {
        let (url, provider, token_url) = (backend.tap.url(), backend.name, backend.provider.url("/token"));
        described +=
            &format!("  {name}: {{url: '{url}/mcp', auth: {{upstream_token: {{provider: {provider}}}}}}}\n");
        upstreams += &format!(
            "    - name: {provider}\n      optional: true\n      oauth2: {{token_url: '{token_url}', \
             authorize_url: '{token_url}/../authorize', {client}}}\n"
        );
    }
    format!(
        "listen: 127.0.0.1:0\nidentity: {{issuers: [{{issuer: '{issuer}'}}]}}\nstore: {store}\n\
         backends:\n{described}authorization_server:\n  upstreams:\n{upstreams}"
    )
}

/// The message that an answer of 200 holds, whether it came alone or in a stream.
fn message(answer: &Answer) -> Value {
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|_| panic!("no message: {text}"))
}
