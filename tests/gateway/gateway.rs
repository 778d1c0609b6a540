//! `countersign serve` before the doubles, and a client that says exactly what it is told to say.

use crate::kept::Kept;
use axum::Router;
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    mcp::PATH,
    oracle::{Oracle, OracleServer},
    world::{ADMIN, SERVICE, USER, World},
};
use countersign_tests::{
    client::{Answer, Plain},
    process::{Counterpart, Log},
};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{io::Write, path::Path};
use tempfile::NamedTempFile;
use tokio::process::Command;

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// A running gateway, and the world around it.
pub(crate) struct Gateway {
    pub(crate) world: World,
    pub(crate) endpoint: String,
    process: Counterpart,
    /// Another backend than the world's, where there is one.
    pub(crate) backend: Option<OracleServer>,
    http: Plain,
    tokens: Kept,
    config: NamedTempFile,
}

/// Another gateway at the same address.
pub(crate) struct Replica {
    process: Counterpart,
    _config: NamedTempFile,
}

impl Replica {
    /// Ends it without a warning.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }
}

impl Gateway {
    /// Admins are admins, everybody else is a user.
    pub(crate) async fn start() -> Self {
        Self::with(|text| text).await
    }

    /// The same, with its configuration changed by `edit`.
    pub(crate) async fn with(edit: impl FnOnce(String) -> String) -> Self {
        Self::serving(World::start(Clock::default()).await, None, edit).await
    }

    /// The same, before `router` instead of the warehouse, behind an oracle of its own.
    pub(crate) async fn over(oracle: impl FnOnce(&World) -> Oracle, router: Router) -> Self {
        let world = World::start(Clock::default()).await;
        let backend = OracleServer::start(oracle(&world), router).await;
        let (warehouse, here) = (world.mcp_url(), format!("{}{PATH}", backend.url()));
        Self::serving(world, Some(backend), |text| text.replace(&warehouse, &here)).await
    }

    /// Another process with the same configuration, instead of the one that ran.
    pub(crate) async fn restart(&mut self) {
        self.process = Counterpart::start(countersign().arg("serve").arg("-c").arg(self.config.path()));
        self.endpoint = self.process.wait_for("listening on ").await;
        self.world.trust_tokens_for(&[&self.endpoint]);
    }

    /// Another process of the same configuration, changed by `edit`, beside this one.
    pub(crate) async fn replica(&self, edit: impl FnOnce(String) -> String) -> Replica {
        let config = written(&edit(std::fs::read_to_string(self.config.path()).unwrap()));
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(config.path()));
        assert_eq!(process.wait_for("listening on ").await, self.endpoint);
        Replica { process, _config: config }
    }

    /// Beside the warehouse, which wants signatures, these backends (name and address), which want nothing.
    pub(crate) async fn with_backends(backends: &[(&str, String)]) -> Self {
        Self::with(|text| text + &unsigned(backends)).await
    }

    /// Beside the warehouse, these programs: a name, and what the configuration says of it.
    pub(crate) async fn with_programs(programs: &[(&str, String)]) -> Self {
        let programs: String =
            programs.iter().map(|(name, about)| format!("  {name}: {{{about}}}\n")).collect();
        Self::with(|text| text + &programs).await
    }

    /// What it says on standard error.
    pub(crate) fn log(&self) -> &Log {
        self.process.log()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.process.terminate().await;
    }

    async fn serving(
        world: World,
        backend: Option<OracleServer>,
        edit: impl FnOnce(String) -> String,
    ) -> Self {
        let config = written(&edit(configuration(&world)));
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(config.path()));
        let endpoint = process.wait_for("listening on ").await;
        world.trust_tokens_for(&[&endpoint]);
        let backends = backend.iter().chain([&world.mcp]).map(|backend| backend.oracle().clone());
        Self {
            tokens: Kept::from(backends),
            world,
            endpoint,
            process,
            backend,
            http: Plain::default(),
            config,
        }
    }

    pub(crate) fn token(&self, who: &str) -> String {
        self.tokens.keep(self.world.idp.mint(who).audience(&self.endpoint).token())
    }

    /// One request with these headers, besides those that every request of MCP has.
    pub(crate) async fn send(&self, method: Method, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::new(Full::new(Bytes::from(body.to_owned())));
        *request.method_mut() = method;
        *request.uri_mut() = self.endpoint.parse().unwrap();
        let usual = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        for (name, value) in usual.iter().chain(headers) {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        self.http.send(request).await.unwrap()
    }

    /// A modern request, which says in its headers what it says in its body.
    pub(crate) async fn modern(&self, who: &str, method: &str, params: Value) -> Answer {
        self.modern_with(who, method, params, json!({})).await
    }

    /// The same by a client that can do this.
    pub(crate) async fn modern_with(
        &self,
        who: &str,
        method: &str,
        params: Value,
        capabilities: Value,
    ) -> Answer {
        let authorization = format!("Bearer {}", self.token(who));
        let name = ["name", "uri", "taskId"].iter().find_map(|name| params[name].as_str());
        let name = name.unwrap_or_default().to_owned();
        let body = modern_body_with(method, params, &capabilities);
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &name));
        }
        self.send(Method::POST, &headers, &body).await
    }

    /// A tool without arguments, called in the modern way.
    pub(crate) async fn tool(&self, who: &str, tool: &str) -> Answer {
        self.modern(who, "tools/call", json!({"name": tool, "arguments": {}})).await
    }

    /// Opens a session; its id, as the client is told.
    pub(crate) async fn initialize(&self, who: &str) -> (String, Answer) {
        let hello = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        });
        let authorization = format!("Bearer {}", self.token(who));
        let headers = [("authorization", authorization.as_str())];
        let answer = self.send(Method::POST, &headers, &hello.to_string()).await;
        (answer.header("mcp-session-id").to_owned(), answer)
    }

    /// A request within a session.
    pub(crate) async fn in_session(&self, who: &str, session: &str, method: Method, body: &str) -> Answer {
        let authorization = format!("Bearer {}", self.token(who));
        let headers = [
            ("authorization", authorization.as_str()),
            ("mcp-session-id", session),
            ("mcp-protocol-version", LEGACY),
        ];
        self.send(method, &headers, body).await
    }

    /// Role and session name of the last signature that arrived, and everything else about that request.
    pub(crate) fn last_seen(&self) -> countersign_fixtures::oracle::Seen {
        self.world.mcp.oracle().seen().pop().expect("something arrived")
    }
}

/// The program.
pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

/// An MCP server on standard input and output, as a configuration names it.
pub(crate) fn mcp_stdio(arguments: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_countersign")).with_file_name("mcp-stdio");
    assert!(program.is_file(), "{} is not there: build the package countersign-tests too", program.display());
    format!("command: '{}', args: [{arguments}]", program.display())
}

/// A file with this text, as long as it is held.
pub(crate) fn written(text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn modern_body(method: &str, params: Value) -> String {
    modern_body_with(method, params, &json!({}))
}

fn modern_body_with(method: &str, mut params: Value, capabilities: &Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
}

/// The message that an answer holds, whether it came alone or in a stream.
pub(crate) fn message(answer: &Answer) -> Value {
    let text = answer.text();
    let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(data.unwrap_or(&text))
        .unwrap_or_else(|_| panic!("no message: {} {text}", answer.status))
}

pub(crate) fn configuration(world: &World) -> String {
    let (service, region) = SERVICE;
    let (issuer, mcp, sts) = (world.idp.issuer(), world.mcp_url(), world.sts.url());
    format!(
        "
listen: 127.0.0.1:0
identity:
  issuers:
    - issuer: {issuer}
backends:
  warehouse:
    url: {mcp}
    auth:
      aws:
        service: {service}
        region: {region}
        sts: {{ endpoint: '{sts}', region: {region} }}
        session_name: '{{claims.email}}'
        roles:
          rules:
            - claim: admins
              role: {ADMIN}
          fallback: {USER}
"
    )
}

/// Backends that want no signature, as they follow in a configuration.
pub(crate) fn unsigned(backends: &[(&str, String)]) -> String {
    backends.iter().map(|(name, url)| format!("  {name}:\n    url: {url}\n    auth: none\n")).collect()
}

/// Where a server speaks MCP.
pub(crate) fn mcp_at(server: &countersign_fixtures::http::Server) -> String {
    format!("{}{PATH}", server.url())
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) async fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Runs `countersign` with a configuration.
pub(crate) async fn validate(path: &Path, more: &[&str]) -> (i32, String) {
    let (code, out, err) = output(countersign().arg("validate").arg("-c").arg(path).args(more)).await;
    assert_eq!(err, "", "problems are what `validate` is for, so they go to standard output");
    (code, out)
}
