//! What reaches a backend, for each way to sign for it: what is configured, and never a client's own token.

use crate::gateway::{MODERN, countersign, message, modern_body, written};
use bytes::Bytes;
use countersign_fixtures::{
    clock::Clock,
    fault::Fault,
    http::Server,
    idp::{AuthMethod, Client},
    mcp::{PATH, everything::Everything},
    oracle::{Oracle, OracleServer},
    sts::Role,
    wire::Tap,
    world::{ACCOUNT, SERVICE, World},
};
use countersign_tests::{
    client::{Answer, Plain},
    process::Counterpart,
};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use std::fs;
use tempfile::{NamedTempFile, TempDir, tempdir};

const TEAM: &str = "arn:aws:iam::123456789012:role/Team";

/// Doubles for whatever a backend may be signed with, and two backends: one takes signatures, one takes anything.
struct House {
    world: World,
    signed: OracleServer,
    open: Server,
    folder: TempDir,
}

/// A gateway before one of them, and every byte that it sends there.
struct Running {
    endpoint: String,
    tap: Tap,
    _process: Counterpart,
    _config: NamedTempFile,
}

impl House {
    async fn new() -> Self {
        let world = World::start(Clock::default()).await;
        let (service, region) = SERVICE;
        let oracle = Oracle::new(world.sts.book().clone(), service, region);
        let everything = Everything::default();
        let signed = OracleServer::start(oracle, everything.router()).await;
        let open = Server::start(everything.router()).await;
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret"), "hunter2").unwrap();
        Self { world, signed, open, folder }
    }

    fn keep(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        format!("file:{}", path.display())
    }

    async fn gateway(&self, before: std::net::SocketAddr, auth: &str) -> Running {
        let tap = Tap::before(before).await;
        let (issuer, url) = (self.world.idp.issuer(), tap.url());
        let config = written(&format!(
            "
listen: 127.0.0.1:0
identity: {{issuers: [{{issuer: '{issuer}'}}]}}
backends:
  it:
    url: {url}{PATH}?v=1
    forward_headers: [x-tenant]
    auth: {auth}
"
        ));
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(config.path()));
        let endpoint = process.wait_for("listening on ").await;
        self.world.trust_tokens_for(&[&endpoint]);
        Running { endpoint, tap, _process: process, _config: config }
    }

    fn token(&self, who: &str, gateway: &Running) -> String {
        self.world.idp.mint(who).audience(&gateway.endpoint).claim("team", "data").token()
    }

    /// The AWS kinds have this in common.
    fn aws(&self, more: &str) -> String {
        let ((service, region), sts) = (SERVICE, self.world.sts.url());
        format!(
            "{{aws: {{service: {service}, region: {region}, sts: {{endpoint: '{sts}', region: {region}}}, {more}}}}}"
        )
    }

    /// Our own keys, as a user of the account.
    fn service_identity(&self) -> String {
        let user = self.world.sts.book().issue_user(ACCOUNT, "gateway");
        let secret = self.keep("aws", &user.secret_access_key);
        format!("service_identity: {{access_key_id: {}, secret_access_key: '{secret}'}}", user.access_key_id)
    }
}

impl Running {
    async fn call(&self, token: &str) -> Answer {
        let body = modern_body("tools/call", json!({"name": "test_simple_text", "arguments": {}}));
        let request = Request::post(&self.endpoint)
            .header("authorization", format!("Bearer {token}"))
            .header("cookie", format!("token={token}"))
            .header("x-forwarded-authorization", token)
            .header("x-tenant", "acme")
            .header("user-agent", "the-client")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "test_simple_text");
        Plain::default().send(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_configured_arrives_and_no_callers_token_does() {
    let house = House::new().await;
    let secret = house.keep("secret", "hunter2");
    house.world.idp.register(Client::confidential("gateway", "hunter2", AuthMethod::ClientSecretBasic));
    let token_url = house.world.idp.url("/token");
    let exchange =
        format!("token_url: '{token_url}', client_id: gateway, client_secret: '{secret}', audience: it");
    let user = house.service_identity();
    let team = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {"AWS": ACCOUNT},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        "Condition": {"StringEquals": {"sts:ExternalId": "agreed", "aws:RequestTag/Team": "data"}},
    }});
    house.world.sts.add_role(Role::new(TEAM).trusting(team)).unwrap();
    let (signed, open) = (house.signed.address(), house.open.address());
    for (before, auth, arrives) in [
        (open, "none".to_owned(), "/mcp?v=1 HTTP/1.1"),
        (open, format!("{{headers: {{x-api-key: '{secret}', user-agent: '{secret}'}}}}"), "x-api-key: hunter2"),
        (open, format!("{{headers: {{authorization: '{secret}'}}}}"), "authorization: hunter2"),
        (open, format!("{{query: {{'a key': '{secret}'}}}}"), "/mcp?v=1&a%20key=hunter2 HTTP/1.1"),
        (open, format!("{{token_exchange: {{{exchange}}}}}"), "authorization: Bearer "),
        (signed, house.aws(&format!("credentials: service, {user}")), "authorization: AWS4-HMAC-SHA256"),
        (
            signed,
            house.aws(&format!(
                "credentials: brokered, {user}, external_id: agreed, tags: {{Team: claims.team}}, \
                 source_identity: claims.sub, roles: {{fallback: '{TEAM}'}}"
            )),
            "authorization: AWS4-HMAC-SHA256",
        ),
        (
            signed,
            house.aws("credentials: {web_identity: caller}, roles: {fallback: 'arn:aws:iam::123456789012:role/McpUser'}"),
            "authorization: AWS4-HMAC-SHA256",
        ),
    ] {
        let gateway = house.gateway(before, &auth).await;
        for who in ["alice", "bob"] {
            let token = house.token(who, &gateway);
            let answer = gateway.call(&token).await;
            assert_eq!(answer.status, 200, "{auth}: {}", answer.text());
            assert_eq!(message(&answer)["result"]["isError"], false, "{auth}: {}", answer.text());
            assert!(!gateway.tap.has_seen(&token), "{auth}: the caller's own token reached the backend");
            // Nor did it on its way to somewhere else than where it was meant to go.
            let signature = token.rsplit('.').next().unwrap();
            assert!(!gateway.tap.has_seen(signature), "{auth}: a part of the caller's token reached the backend");
        }
        assert!(gateway.tap.has_seen(arrives), "{auth}: {}", String::from_utf8_lossy(&gateway.tap.bytes()));
        assert!(gateway.tap.has_seen("x-tenant: acme"), "{auth}");
        assert!(!gateway.tap.has_seen("cookie:") && !gateway.tap.has_seen("x-forwarded"), "{auth}");
        assert_eq!(gateway.tap.has_seen("user-agent: the-client"), !auth.contains("user-agent"), "{auth}");
    }
    let signers: Vec<_> = house
        .signed
        .oracle()
        .seen()
        .iter()
        .filter_map(|seen| seen.principal().map(|principal| principal.arn.clone()))
        .collect();
    let is_there = |arn: &str| signers.iter().any(|signer| signer == arn);
    assert!(is_there("arn:aws:iam::123456789012:user/gateway"), "{signers:?}");
    for who in ["alice", "bob"] {
        assert!(is_there(&format!("arn:aws:sts::123456789012:assumed-role/Team/{who}")), "{signers:?}");
        assert!(is_there(&format!("arn:aws:sts::123456789012:assumed-role/McpUser/{who}")), "{signers:?}");
    }
}

#[tokio::test]
async fn a_token_service_in_trouble_is_worth_another_try() {
    let house = House::new().await;
    let secret = house.keep("secret", "hunter2");
    let token_url = house.world.idp.url("/token");
    let auth = format!(
        "{{token_exchange: {{token_url: '{token_url}', client_id: gateway, client_secret: '{secret}'}}}}"
    );
    let gateway = house.gateway(house.open.address(), &auth).await;
    let token = house.token("alice", &gateway);
    // We are not registered there, which is nothing that the caller could change.
    let error = message(&gateway.call(&token).await)["error"].clone();
    assert_eq!(error["code"], -32000, "{error}");
    assert!(error["data"]["correlation_id"].is_string(), "{error}");
    house.world.idp.register(Client::confidential("gateway", "hunter2", AuthMethod::ClientSecretBasic));
    house.world.idp.faults().add("/token", Fault::Status(503), None);
    let bobs = house.token("bob", &gateway);
    let error = message(&gateway.call(&bobs).await)["error"].clone();
    assert_eq!(error["code"], -32003, "{error}");
    assert!(error["data"]["retry_after_seconds"].as_u64().unwrap() >= 1, "{error}");
    assert!(gateway.tap.bytes().is_empty());
    house.world.idp.faults().clear();
    let carols = house.token("carol", &gateway);
    assert_eq!(message(&gateway.call(&carols).await)["result"]["isError"], false);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_corrected_once() {
    let house = House::new().await;
    // It is ten minutes later for AWS, which believes no signature of before.
    let ahead = Clock::default();
    ahead.advance(std::time::Duration::from_secs(600));
    let book = countersign_fixtures::credentials::Book::new(ahead);
    let (service, region) = SERVICE;
    let aws =
        OracleServer::start(Oracle::new(book.clone(), service, region), Everything::default().router()).await;
    let user = book.issue_user(ACCOUNT, "gateway");
    let secret = house.keep("aws", &user.secret_access_key);
    let identity = format!("access_key_id: {}, secret_access_key: '{secret}'", user.access_key_id);
    let auth = house.aws(&format!("credentials: service, service_identity: {{{identity}}}"));
    let gateway = house.gateway(aws.address(), &auth).await;
    for _ in 0..3 {
        let answer = gateway.call(&house.token("alice", &gateway)).await;
        assert_eq!(message(&answer)["result"]["isError"], false, "{}", answer.text());
    }
    let denied = aws.oracle().seen().iter().filter(|seen| seen.denied().is_some()).count();
    assert!(denied <= 2, "{denied} signatures had the wrong time, a probe's among them");
}
