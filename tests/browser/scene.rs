//! The program before two providers at which people sign in with pages, and a client that sends them there.

use axum::{Router, response::Html, routing::get};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::{AuthMethod, Client, Idp},
    mcp::{PATH, everything::Everything},
};
use countersign_tests::{
    client::{Plain, encode},
    process::Counterpart,
};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

const BACK: &str = r#"<!doctype html>
<html lang="en">
<title>Back</title>
<link rel="icon" href="data:,">
<h1>You are back</h1>"#;

/// The pair that RFC 7636 gives as its example.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const MODERN: &str = "2026-07-28";

/// Everything that a person meets on the way.
pub(crate) struct Scene {
    /// Says who somebody is.
    pub(crate) corp: Idp,
    /// Has their other account, which one backend needs.
    pub(crate) wiki: Idp,
    /// Where the browser goes back to.
    pub(crate) app: Server,
    /// Where the gateway speaks MCP.
    pub(crate) endpoint: String,
    client: String,
    _backend: Server,
    _process: Counterpart,
    _folder: TempDir,
}

impl Scene {
    /// A client that calls itself `name` has registered itself.
    pub(crate) async fn with_client(name: &str) -> Self {
        let app = Server::start(Router::new().route("/callback", get(async || Html(BACK)))).await;
        let backend = Server::start(Everything::default().router()).await;
        let (corp, wiki) = (provider().await, provider().await);
        let folder = tempdir().unwrap();
        let (secret, config) = (folder.path().join("secret"), folder.path().join("gateway.yaml"));
        fs::write(&secret, "hush").unwrap();
        let oidc = |idp: &Idp| {
            let (issuer, secret) = (idp.issuer(), secret.display());
            format!("{{issuer: '{issuer}', client_id: gateway, client_secret: 'file:{secret}'}}")
        };
        let text = format!(
            "
listen: 127.0.0.1:0
authorization_server:
  scopes: [mcp:read, mcp:write]
  upstreams:
    - {{name: corp, title: Example Corp, oidc: {}}}
    - {{name: wiki, title: The Wiki, optional: true, oidc: {}}}
store: {{memory: true}}
backends:
  notes: {{url: '{}{PATH}', auth: {{upstream_token: {{provider: wiki}}}}}}
",
            oidc(&corp),
            oidc(&wiki),
            backend.url(),
        );
        fs::write(&config, text).unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let mut process =
            Counterpart::start(program.env_remove("RUST_LOG").arg("serve").arg("-c").arg(&config));
        let endpoint = process.wait_for("listening on ").await;
        let (client, _backend, _process, _folder) = (String::new(), backend, process, folder);
        let mut scene = Self { corp, wiki, app, endpoint, client, _backend, _process, _folder };
        scene.client = scene.registered(name).await;
        scene
    }

    async fn registered(&self, name: &str) -> String {
        let wish = json!({"client_name": name, "redirect_uris": [self.callback()]});
        let answer = Plain::default().post_json(&self.issuer("/oauth/register"), &wish).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// An address below the authorization server's own.
    pub(crate) fn issuer(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.strip_suffix(PATH).unwrap())
    }

    pub(crate) fn callback(&self) -> String {
        format!("{}/callback", self.app.url())
    }

    /// Where the client sends people, with these parameters instead of its own.
    pub(crate) fn authorize(&self, instead: &[(&str, &str)]) -> String {
        let callback = self.callback();
        let usual = [
            ("response_type", "code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", &callback),
            ("scope", "mcp:read"),
            ("state", "remember me"),
            ("resource", &self.endpoint),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.into_iter().filter(|(name, _)| instead.iter().all(|(other, _)| other != name));
        let all: Vec<_> = kept.chain(instead.iter().copied()).collect();
        self.issuer(&format!("/oauth/authorize?{}", encode(&all)))
    }

    /// What a code is worth.
    pub(crate) async fn token(&self, code: &str) -> String {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client.as_str()),
            ("redirect_uri", &self.callback()),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        let answer = Plain::default().post_form(&self.issuer("/oauth/token"), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A tool of the backend that needs the other account, called by a client that can show pages.
    pub(crate) async fn call(&self, token: &str) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "test_simple_text",
            "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"url": {}}},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            },
        }});
        let request = Request::post(&self.endpoint)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "test_simple_text")
            .body(Full::new(body.to_string().into()));
        let answer = Plain::default().send(request.unwrap()).await.unwrap();
        let text = answer.text();
        let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|_| panic!("no message: {text}"))
    }

    /// Everybody who may be asked for anything.
    pub(crate) fn ours(&self) -> BTreeSet<String> {
        [self.issuer(""), self.corp.url(""), self.wiki.url(""), self.app.url()].into()
    }
}

async fn provider() -> Idp {
    let idp = Idp::start(Clock::default()).await;
    let client = Client::confidential("gateway", "hush", AuthMethod::ClientSecretBasic);
    idp.register(client.redirect_to("http://127.0.0.1/oauth/callback"));
    idp
}
