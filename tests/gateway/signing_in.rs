//! An authorization server at work, as the programs that people run: who signs in there, what they get, and where that is
//! kept.

mod account;
mod secrets;

pub(crate) use self::{
    account::{Account, App, parameter},
    secrets::{Secrets, bytes_in},
};

use crate::{
    balancer::Balancer,
    gateway::{MODERN, countersign, message, modern_body},
};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    forge::Forge,
    http::Server,
    idp::{self, AuthMethod},
    mcp::{PATH, everything::Everything},
    sts::{Provider, Role},
    wire::Tap,
    world::{ACCOUNT, ADMIN, SERVICE, STS_AUDIENCE, USER, World},
};
use countersign_tests::{
    client::{Answer, Plain, encode},
    process::Counterpart,
    redis::{DURABLE, Redis, free_port},
};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::PathBuf};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;

pub(crate) const BACK: &str = "https://client.example/callback";
const SECRET: &str = "the-secret-at-the-provider";
/// Who may ask about everybody's tokens, and its secret.
pub(crate) const SERVICE_CLIENT: (&str, &str) = ("auditor", "the-secret-of-the-auditor");
// RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What outlives the gateways: what they keep things in, their addresses, the provider, AWS and their backends.
///
/// `corp` says who people are. The backend `notes` takes the tokens of `corp`, or of `forge` where there is one, which
/// nobody has to have an account at; `warehouse` takes signatures.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) tap: Tap,
    _forge: Forge,
    /// Where people and clients find the gateways.
    pub(crate) issuer: String,
    /// Where each of them listens.
    pub(crate) listen: Vec<SocketAddr>,
    /// Everything that nobody but its owner may ever read.
    pub(crate) secrets: Secrets,
    config: PathBuf,
    folder: TempDir,
    _backend: Server,
    _balancer: Option<Balancer>,
}

/// What the gateways keep things in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keeping<'r> {
    /// A file, which one gateway has.
    File,
    /// A Redis, which two share.
    In(&'r Redis),
}

impl House {
    pub(crate) async fn new(keeping: Keeping<'_>) -> Self {
        Self::build(keeping, false).await
    }

    /// With an account at the forge to be had.
    pub(crate) async fn with_forge(keeping: Keeping<'_>) -> Self {
        Self::build(keeping, true).await
    }

    /// A Redis that has on its disk, in this folder, what it acknowledged.
    pub(crate) async fn redis() -> (Redis, TempDir) {
        Self::redis_with(&DURABLE).await
    }

    /// A Redis with these settings.
    pub(crate) async fn redis_with(settings: &[&str]) -> (Redis, TempDir) {
        let folder = tempdir().unwrap();
        let settings = settings.iter().map(ToString::to_string).collect();
        (Redis::start(folder.path(), settings).await, folder)
    }

    async fn build(keeping: Keeping<'_>, has_forge: bool) -> Self {
        let (world, forge) = (World::start(Clock::default()).await, Forge::start("gateway", SECRET).await);
        let client = idp::Client::confidential("gateway", SECRET, AuthMethod::ClientSecretBasic);
        world.idp.register(client.redirect_to("http://127.0.0.1/oauth/callback"));
        let backend = Server::start(Everything::default().router()).await;
        let tap = Tap::before(backend.address()).await;
        let (folder, secrets) = (tempdir().unwrap(), Secrets::default());
        let kept = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).unwrap();
            secrets.keep([text]);
            format!("'file:{}'", folder.path().join(name).display())
        };
        let (key, secret) = (kept("sealing", &"07".repeat(32)), kept("secret", SECRET));
        let auditor = kept("auditor", SERVICE_CLIENT.1);
        let (store, replicas) = match keeping {
            Keeping::File => (format!("file: '{}'", folder.path().join("store.redb").display()), 1),
            Keeping::In(redis) => (format!("redis: {{address: '127.0.0.1:{}'}}", redis.port()), 2),
        };
        let listen: Vec<SocketAddr> = (0..replicas).map(|_| ([127, 0, 0, 1], free_port()).into()).collect();
        let balancer = match keeping {
            Keeping::File => None,
            Keeping::In(_) => Some(Balancer::before(listen.clone()).await),
        };
        let issuer = balancer.as_ref().map_or_else(|| format!("http://{}", listen[0]), Balancer::url);
        let [authorize, token, user] =
            ["/login/oauth/authorize", "/login/oauth/access_token", "/user"].map(|path| forge.url(path));
        let (at_forge, provider) = match has_forge {
            true => (
                format!(
                    "
    - name: forge
      optional: true
      oauth2: {{authorize_url: '{authorize}', token_url: '{token}', userinfo_url: '{user}', subject: id, scopes: \
                     ['read:user'], client_authentication: post, client_id: gateway, client_secret: {secret}}}"
                ),
                "forge",
            ),
            false => (String::new(), "corp"),
        };
        let ((service, region), (auditor_id, _)) = (SERVICE, SERVICE_CLIENT);
        let (corp, url, sts, warehouse) = (world.idp.issuer(), tap.url(), world.sts.url(), world.mcp_url());
        let text = format!(
            "
public_url: {issuer}
store: {{{store}, key: {key}}}
authorization_server:
  lifetimes: {{code_seconds: 600}}
  clients: [{{id: {auditor_id}, secret: {auditor}, grants: [client_credentials]}}]
  upstreams:
    - name: corp
      claims: [email, groups]
      oidc: {{issuer: '{corp}', client_id: gateway, client_secret: {secret}}}{at_forge}
backends:
  notes: {{url: '{url}{PATH}', auth: {{upstream_token: {{provider: {provider}}}}}}}
  warehouse:
    url: {warehouse}
    auth:
      aws:
        service: {service}
        region: {region}
        sts: {{endpoint: '{sts}', region: {region}}}
        session_name: '{{claims.email}}'
        roles: {{rules: [{{when: '\"admins\" in claims.groups', role: '{ADMIN}'}}], fallback: '{USER}'}}
        credentials: {{web_identity: minted}}
"
        );
        let config = folder.path().join("gateway.yaml");
        fs::write(&config, text).unwrap();
        trust(&world, &format!("{issuer}/aws"));
        let (_backend, _balancer) = (backend, balancer);
        Self { world, tap, issuer, listen, secrets, config, folder, _forge: forge, _backend, _balancer }
    }

    /// Starts one of the gateways.
    pub(crate) async fn gateway(&self, which: usize) -> Counterpart {
        let mut serve = self.command("serve");
        let mut gateway = Counterpart::start(serve.arg("--listen").arg(self.listen[which].to_string()));
        assert_eq!(gateway.wait_for("listening on ").await, format!("{}{PATH}", self.issuer));
        gateway
    }

    /// All of them.
    pub(crate) async fn gateways(&self) -> Vec<Counterpart> {
        let mut gateways = Vec::new();
        for which in 0..self.listen.len() {
            gateways.push(self.gateway(which).await);
        }
        gateways
    }

    /// The program, which is told of the configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = countersign();
        command.arg(name).arg("-c").arg(&self.config).kill_on_drop(true);
        command
    }

    /// Runs it to its end; what it says.
    pub(crate) async fn run(&self, name: &str, arguments: &[&str]) -> String {
        let output = self.command(name).args(arguments).output().await.unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// A gateway itself, whoever stands before it.
    pub(crate) fn straight(&self, which: usize) -> String {
        format!("http://{}", self.listen[which])
    }

    /// A client registers itself. Whatever it sends, it sends on a connection of its own.
    pub(crate) async fn register(&self, method: &str) -> App {
        let wish = json!({
            "client_name": "An inspector", "redirect_uris": [BACK], "token_endpoint_auth_method": method,
        });
        let answer = Plain::afresh().post_json(&self.at("/oauth/register"), &wish).await.json();
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        let app =
            App { id: text("client_id").unwrap(), secret: text("client_secret"), http: Plain::afresh() };
        self.secrets.keep(app.secret.as_deref());
        app
    }

    /// Where a client sends people.
    pub(crate) fn authorize(&self, app: &App) -> String {
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &app.id),
            ("redirect_uri", BACK),
            ("state", "the state of a client"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ]);
        self.at(&format!("/oauth/authorize?{query}"))
    }

    /// Calls a tool at one of the gateways.
    pub(crate) async fn call(&self, server: &str, token: &str, tool: &str) -> Answer {
        let body = modern_body("tools/call", json!({"name": tool, "arguments": {}}));
        let request = Request::post(format!("{server}{PATH}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        Plain::afresh().send(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()
    }

    /// A tool of the backend that takes the provider's tokens.
    pub(crate) async fn note(&self, token: &str) -> Value {
        let answer = message(&self.call(&self.issuer, token, "notes__test_simple_text").await);
        self.secrets.keep(self.tap.bearer_tokens());
        answer
    }

    /// What is told about a token.
    pub(crate) async fn introspect(&self, server: &str, token: &str) -> Value {
        let (id, secret) = SERVICE_CLIENT;
        let form = [("client_id", id), ("client_secret", secret), ("token", token)];
        let answer = Plain::afresh().post_form(&format!("{server}/oauth/introspect"), &form).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Where the gateways keep things, and the configuration with its keys.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// STS reads the keys of `issuer`, and gives the role that was chosen.
fn trust(world: &World, issuer: &str) {
    let name = issuer.trim_start_matches("http://");
    world.sts.add_provider(Provider::new(ACCOUNT, issuer).client(STS_AUDIENCE)).unwrap();
    for role in [ADMIN, USER] {
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}")},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": {"StringEquals": {
                format!("{name}:aud"): STS_AUDIENCE,
                "aws:RequestTag/countersign-role": role.rsplit('/').next(),
            }},
        }});
        world.sts.add_role(Role::new(role).trusting(policy)).unwrap();
    }
}
