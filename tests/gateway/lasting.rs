//! Lists that a backend says stay as they are for a while.

use crate::gateway::{Gateway, MODERN, mcp_at, message, modern_body};
use axum::{Json, Router, extract::State, routing::post};
use countersign_fixtures::{http::Server, mcp::PATH};
use http::Method;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// A backend whose list is good for a minute, and how often it was asked for that.
async fn backend(scope: &'static str) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move |State(asked): State<Arc<AtomicUsize>>, Json(request): Json<Value>| async move {
        let tools = json!([{"name": "tell", "inputSchema": {"type": "object"}}]);
        let result = match request["method"].as_str().unwrap_or_default() {
            "tools/list" => {
                asked.fetch_add(1, Ordering::Relaxed);
                json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": scope, "tools": tools})
            }
            _ => json!({
                "resultType": "complete", "supportedVersions": [MODERN], "capabilities": {"tools": {}},
                "serverInfo": {"name": "lasting", "version": "1"},
            }),
        };
        Json(json!({"jsonrpc": "2.0", "id": request["id"], "result": result}))
    };
    let router = Router::new().route(PATH, post(answer)).with_state(asked.clone());
    (Server::start(router).await, asked)
}

async fn list(gateway: &Gateway, token: &str) -> Value {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    message(&gateway.send(Method::POST, &headers, &modern_body("tools/list", json!({}))).await)
}

#[tokio::test]
async fn a_list_is_asked_for_once_for_each_token_or_for_everybody_as_the_backend_says() {
    for (scope, times) in [("private", 2), ("public", 1)] {
        let (server, asked) = backend(scope).await;
        let gateway = Gateway::with_backends(&[("lasting", mcp_at(&server))]).await;
        let (alice, bob) = (gateway.token("alice"), gateway.token("bob"));
        for token in [&alice, &bob, &alice, &bob] {
            let listed = list(&gateway, token).await;
            assert!(listed.to_string().contains("\"lasting__tell\""), "{listed}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), times, "{scope}");
    }
}

#[tokio::test]
async fn of_many_at_once_one_asks() {
    let (server, asked) = backend("private").await;
    let gateway = Gateway::with_backends(&[("lasting", mcp_at(&server))]).await;
    let token = gateway.token("alice");
    futures_util::future::join_all((0..10).map(|_| list(&gateway, &token))).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
