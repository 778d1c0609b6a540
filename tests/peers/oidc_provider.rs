//! The npm package oidc-provider issues tokens; the layer judges them.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use axum::{Json, Router, routing::get};
use countersign::{
    ServiceBuilderExt,
    identity::{Introspection, Issuer, Verifier},
    proof::Identity,
};
use countersign_fixtures::http::Server;
use countersign_tests::{
    client::Plain,
    oidc_provider::{Provider, text},
};
use http::StatusCode;
use serde_json::{Value, json};
use tower::ServiceBuilder;

pub(crate) const OURS: &str = "https://api.example";
const RSA: &str = "https://rsa.example";
pub(crate) const OPAQUE: &str = "https://opaque.example";

#[tokio::test]
async fn its_tokens_for_us_are_accepted_and_no_others() {
    let provider = Provider::start().await;
    let issuer = Issuer::new(&provider.issuer, OURS).with_token_type("at+jwt").with_required_scopes(["mcp"]);
    let service = service(issuer).await;
    let http = Plain::default();
    let caller = json!({"issuer": provider.issuer, "subject": "alice", "scopes": ["mcp", "read"]});

    let first = provider.sign_in("alice", OURS).await;
    let answer = http.fetch_as(&service.url(), text(&first, "access_token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json(), caller);

    let second = provider.refresh(&first, OURS).await;
    assert_ne!(first["access_token"], second["access_token"]);
    let answer = http.fetch_as(&service.url(), text(&second, "access_token")).await;
    assert_eq!(answer.json(), caller, "{}", answer.text());

    let elsewhere = provider.sign_in("alice", RSA).await;
    for (case, token) in [
        ("for another audience", &elsewhere["access_token"]),
        ("an ID token", &first["id_token"]),
        ("a refresh token", &second["refresh_token"]),
    ] {
        let answer = http.fetch_as(&service.url(), token.as_str().unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{case}");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with(r#"Bearer error="invalid_token""#), "{case}: {challenge}");
    }
}

#[tokio::test]
async fn each_of_its_keys_is_understood() {
    let provider = Provider::start().await;
    let service = service(Issuer::new(&provider.issuer, OURS).with_audience(RSA)).await;
    for resource in [OURS, RSA] {
        let tokens = provider.sign_in("bob", resource).await;
        let answer = Plain::default().fetch_as(&service.url(), text(&tokens, "access_token")).await;
        assert_eq!(answer.status, StatusCode::OK, "{resource}: {}", answer.text());
    }
}

#[tokio::test]
async fn it_is_asked_about_opaque_tokens() {
    let provider = Provider::start().await;
    let introspection =
        Introspection::new(provider.endpoint("introspection_endpoint"), "gateway", "hush".into());
    let service = service(Issuer::new(&provider.issuer, OPAQUE).with_introspection(introspection)).await;
    let http = Plain::default();
    let tokens = provider.sign_in("carol", OPAQUE).await;
    let token = text(&tokens, "access_token");
    assert!(!token.contains('.'));
    let answer = http.fetch_as(&service.url(), token).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!(answer.json()["subject"], "carol");
    for (case, token) in
        [("without an audience", text(&tokens, "refresh_token")), ("unheard of", "an-opaque-token-of-nobody")]
    {
        let answer = http.fetch_as(&service.url(), token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{case}");
    }
}

/// A service that says who is calling, as far as `issuer` can tell.
pub(crate) async fn service(issuer: Issuer) -> Server {
    let verifier = Verifier::builder().trust(issuer).build().unwrap();
    let stack = ServiceBuilder::new().respond().verify_identity_for_router(verifier);
    Server::start(Router::new().route("/", get(whoami)).layer(stack)).await
}

async fn whoami(caller: Identity) -> Json<Value> {
    Json(json!({"issuer": caller.issuer(), "subject": caller.subject(), "scopes": caller.scopes()}))
}
