//! People who sign in through the gateway's own authorization server, from outside: over HTTP, with a browser that
//! keeps cookies and follows redirects, and with identity providers that are real servers.

mod attacks;
mod aws;
mod browser;
mod floods;
mod journeys;
mod revoked;
mod steps;

use super::gateway::Gateway;
use crate::{
    config,
    issuer::Revocations,
    store::{Memory, Seal, SealingKey, Store},
};
use browser::{Browser, Page};
use countersign::clock::SystemClock;
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::{Behaviour, Idp},
    mcp::everything::Everything,
    wire::Tap,
};
use countersign_tests::{
    account::{SECRET, introduce},
    client::{Answer, Plain, encode},
};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{fs, future::pending, sync::Arc};
use tempfile::{TempDir, tempdir};
use tokio::task::JoinHandle;

/// Where a client on the web waits, and one on a person's machine.
const SITE: &str = "https://client.example/callback";
const LOCAL: &str = "http://127.0.0.1:51004/callback";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A gateway with an authorization server before `corp`, which says who people are and in which groups, and `github`,
/// where they may have accounts; and one backend that takes tokens of the latter.
struct House {
    corp: Idp,
    github: Idp,
    issuer: String,
    tap: Tap,
    /// What the gateway was told, and where it keeps things.
    text: String,
    store: Store,
    revocations: Revocations,
    serving: Vec<JoinHandle<()>>,
    _backend: Server,
    _folder: TempDir,
}

/// A client that registered itself.
struct App {
    id: String,
    redirect: &'static str,
}

impl House {
    async fn new() -> Self {
        Self::with("optional: true").await
    }

    /// `github` is as it is said here.
    async fn with(github_is: &str) -> Self {
        Self::before(github_is, "").await
    }

    /// The same, with these backends besides.
    async fn before(github_is: &str, backends: &str) -> Self {
        let (corp, github) = (Idp::start(Clock::default()).await, Idp::start(Clock::default()).await);
        introduce_at(&corp);
        introduce_at(&github);
        let backend = Server::start(Everything::default().router()).await;
        let tap = Tap::before(backend.address()).await;
        let folder = tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        let client = format!(
            "client_id: gateway, client_secret: 'file:{}', client_authentication: post",
            secret.display()
        );
        let text = format!(
            "
listen: 127.0.0.1:0
trusted_proxies: [127.0.0.1]
store: {{memory: true}}
backends:
  notes: {{url: '{}/mcp', auth: {{upstream_token: {{provider: github}}}}}}
{backends}
authorization_server:
  scopes: [mcp]
  upstreams:
    - name: corp
      title: The Corporation
      claims: [groups, email]
      oidc: {{issuer: '{}', {client}}}
    - name: github
      {github_is}
      oauth2: {{authorize_url: '{}', token_url: '{}', userinfo_url: '{}', scopes: [openid], {client}}}
",
            tap.url(),
            corp.issuer(),
            github.url("/authorize"),
            github.url("/token"),
            github.url("/userinfo"),
        );
        let (config, _) = config::parse("gateway.yaml", &text).unwrap();
        let memory = Memory::new(Arc::new(SystemClock), 10_000);
        let store = Store::in_memory(memory, Seal::new(SealingKey::random().unwrap(), Vec::new()));
        let gateway = Gateway::over(config, Some(store.clone())).await.unwrap();
        let issuer = gateway.endpoint().trim_end_matches("/mcp").to_owned();
        let revocations = gateway.revocations().unwrap();
        let serving = vec![serve(gateway)];
        let (_backend, _folder) = (backend, folder);
        Self { corp, github, issuer, tap, text, store, revocations, serving, _backend, _folder }
    }

    /// Another server with the same address and store; where it really listens.
    async fn replica(&mut self) -> String {
        let text = format!("public_url: '{}'{}", self.issuer, self.text);
        let (config, _) = config::parse("gateway.yaml", &text).unwrap();
        let gateway = Gateway::over(config, Some(self.store.clone())).await.unwrap();
        let listens = gateway.listens().to_string();
        self.serving.push(serve(gateway));
        format!("http://{listens}")
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// From now on `who` signs in at both providers without being asked.
    fn everybody_is(&self, who: &str) {
        self.corp.script(Behaviour::SignIn(who.into()));
        self.github.script(Behaviour::SignIn(who.into()));
    }

    async fn register(&self, redirect: &'static str) -> App {
        let wish = json!({"client_name": "An inspector", "redirect_uris": [redirect]});
        let answer = Plain::default().post_json(&self.at("/oauth/register"), &wish).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        App { id: answer.json()["client_id"].as_str().unwrap().to_owned(), redirect }
    }

    /// The address that a client opens in a browser.
    fn asking(&self, app: &App, more: &[(&str, &str)]) -> String {
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", &app.id),
            ("redirect_uri", app.redirect),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "the client's"),
        ];
        query.extend(more);
        format!("{}?{}", self.at("/oauth/authorize"), encode(&query))
    }

    /// What a code is worth to a client.
    async fn redeem(&self, app: &App, code: &str) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", &app.id),
            ("code", code),
            ("redirect_uri", app.redirect),
            ("code_verifier", VERIFIER),
        ];
        Plain::default().post_form(&self.at("/oauth/token"), &form).await
    }

    /// The tokens of a person who agrees to everything and is who the providers say.
    async fn signed_in(&self, app: &App, browser: &mut Browser) -> Value {
        let page = browser.open(&self.asking(app, &[])).await;
        let mut page = browser.decide(&page, "yes").await;
        while page.is_question() {
            page = browser.decide(&page, "no").await;
        }
        let code = page.told("code");
        let answer = self.redeem(app, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        answer.json()
    }

    /// What the backend's tool says to whoever has `token`; without pages.
    async fn call(&self, token: &str) -> Value {
        self.call_at(&self.issuer, token).await
    }

    async fn call_at(&self, server: &str, token: &str) -> Value {
        self.call_tool(server, token, "test_simple_text").await
    }

    async fn call_tool(&self, server: &str, token: &str, tool: &str) -> Value {
        let params = json!({
            "name": tool,
            "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            },
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let request = Request::post(format!("{server}/mcp"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool)
            .body(Full::from(body))
            .unwrap();
        let answer = Plain::default().send(request).await.unwrap();
        if answer.status != StatusCode::OK {
            return json!({"status": answer.status.as_u16()});
        }
        let text = answer.text();
        let data = text.lines().rev().find_map(|line| line.strip_prefix("data:"));
        serde_json::from_str(data.unwrap_or(&text)).unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

fn serve(gateway: Gateway) -> JoinHandle<()> {
    #[allow(clippy::disallowed_methods, reason = "this task ends with what owns it")]
    tokio::spawn(async move { gateway.serve(pending()).await.unwrap() })
}

/// Lets a provider know the gateway, wherever that listens.
fn introduce_at(provider: &Idp) {
    use countersign_fixtures::idp::{AuthMethod, Client};
    introduce(provider);
    let client = Client::confidential("gateway", SECRET, AuthMethod::ClientSecretPost);
    provider.register(client.redirect_to("http://127.0.0.1/oauth/callback"));
}

/// What a token says.
fn claims(token: &Value) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
