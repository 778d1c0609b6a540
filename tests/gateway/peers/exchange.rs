//! The npm package oidc-provider exchanges callers' tokens, and a backend that believes only what it issues for that
//! backend judges what arrives.

use crate::gateway::{MODERN, countersign, message, modern_body, written};
use bytes::Bytes;
use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
};
use countersign_fixtures::{http::Server, mcp::everything::Everything, wire::Tap};
use countersign_tests::{
    client::{Answer, Plain},
    oidc_provider::{Provider, text},
    process::Counterpart,
};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use tempfile::{NamedTempFile, tempdir};
use tower::ServiceBuilder;

const OURS: &str = "https://api.example";
const BACKEND: &str = "https://backend.example";

/// A gateway whose one backend takes tokens of `provider` for [`BACKEND`].
struct Scene {
    endpoint: String,
    tap: Tap,
    _process: Counterpart,
    _config: NamedTempFile,
    _server: Server,
}

impl Scene {
    async fn new(provider: &Provider, client: &str, resource: &str) -> Self {
        let verifier =
            Verifier::builder().trust(Issuer::new(&provider.issuer, BACKEND).with_token_type("at+jwt"));
        let verify = ServiceBuilder::new().respond().verify_identity_for_router(verifier.build().unwrap());
        let server = Server::start(Everything::default().router().layer(verify)).await;
        let tap = Tap::before(server.address()).await;
        let (issuer, url, token_url) = (&provider.issuer, tap.url(), provider.endpoint("token_endpoint"));
        let folder = tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "hush").unwrap();
        let config = written(&format!(
            "
listen: 127.0.0.1:0
identity: {{issuers: [{{issuer: '{issuer}', audience: '{OURS}'}}]}}
backends:
  reports:
    url: {url}/mcp
    auth:
      token_exchange:
        token_url: {token_url}
        client_id: {client}
        client_secret: file:{}
        resource: {resource}
        scope: read
",
            secret.display()
        ));
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(config.path()));
        let endpoint = process.wait_for("listening on ").await;
        Self { endpoint, tap, _process: process, _config: config, _server: server }
    }

    async fn call(&self, token: &str) -> Answer {
        let body = modern_body("tools/call", json!({"name": "test_simple_text", "arguments": {}}));
        let request = Request::post(&self.endpoint)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "test_simple_text");
        Plain::default().send(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn a_token_for_us_becomes_one_for_the_backend() {
    let provider = Provider::start().await;
    let scene = Scene::new(&provider, "gateway", BACKEND).await;
    for name in ["alice", "bob"] {
        let tokens = provider.sign_in(name, OURS).await;
        let own = text(&tokens, "access_token");
        for _ in 0..3 {
            let answer = scene.call(own).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
            assert_eq!(message(&answer)["result"]["isError"], false, "{}", answer.text());
        }
        assert!(!scene.tap.has_seen(own), "the caller's own token reached the backend");
    }
    let arrived = scene.tap.bearer_tokens();
    assert_eq!(arrived.len(), 6);
    assert_eq!(arrived.iter().collect::<BTreeSet<_>>().len(), 2, "one for each caller, made once");
}

#[tokio::test]
async fn its_refusals_are_the_calls_and_never_a_401() {
    let provider = Provider::start().await;
    let tokens = provider.sign_in("alice", OURS).await;
    for (case, client, resource, code, what) in [
        (
            "a resource that it does not know",
            "gateway",
            "https://unknown.example",
            -32001,
            "gives you no token",
        ),
        ("a client that it does not know", "stranger", BACKEND, -32000, "something went wrong here"),
    ] {
        let scene = Scene::new(&provider, client, resource).await;
        let answer = scene.call(text(&tokens, "access_token")).await;
        assert_eq!(answer.status, StatusCode::OK, "{case}: {}", answer.text());
        let error: Value = message(&answer)["error"].clone();
        assert_eq!(error["code"], code, "{case}: {error}");
        assert!(error["message"].as_str().unwrap().contains(what), "{case}: {error}");
        assert!(scene.tap.bytes().is_empty(), "{case}");
    }
}
