//! Several messages at once, as 2025-03-26 has it.

use crate::gateway::{Gateway, LEGACY, message};
use countersign_tests::client::Answer;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const BATCHES: &str = "2025-03-26";

async fn opened(gateway: &Gateway, version: &str) -> String {
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }});
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let answer = gateway.send(Method::POST, &[("authorization", &authorization)], &hello.to_string()).await;
    assert_eq!(message(&answer)["result"]["protocolVersion"], version, "{}", answer.text());
    answer.header("mcp-session-id").to_owned()
}

async fn send(gateway: &Gateway, session: &str, batch: &Value) -> Answer {
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let headers = [("authorization", authorization.as_str()), ("mcp-session-id", session)];
    gateway.send(Method::POST, &headers, &batch.to_string()).await
}

fn call(id: &Value, tool: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}})
}

#[tokio::test]
async fn each_message_is_what_it_would_be_alone() {
    let gateway = Gateway::start().await;
    let session = opened(&gateway, BATCHES).await;
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([
        ready,
        call(&json!("who"), "whoami"),
        call(&json!(7), "list_items"),
        {"jsonrpc": "2.0", "id": 8, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 9, "method": "nobody/knows"},
    ]);
    let answer = send(&gateway, &session, &batch).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = answer.text();
    let answers: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok()).collect();
    assert_eq!(answers.len(), 4, "{text}");
    let of = |id: Value| answers.iter().find(|answer| answer["id"] == id).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(of(json!("who"))["result"]["structuredContent"]["session_name"], "alice@example.com");
    assert!(of(json!(7))["result"]["content"].is_array(), "{text}");
    assert_eq!(of(json!(8))["result"]["tools"].as_array().unwrap().len(), 5);
    assert_eq!(of(json!(9))["error"]["code"], -32601);
    let quiet = send(&gateway, &session, &json!([ready, ready])).await;
    assert_eq!((quiet.status, quiet.text().as_str()), (StatusCode::ACCEPTED, ""));
}

#[tokio::test]
async fn there_are_at_most_fifty_and_only_in_that_version() {
    let gateway = Gateway::start().await;
    let session = opened(&gateway, BATCHES).await;
    let many = |count: u64| Value::from((0..count).map(|id| call(&json!(id), "whoami")).collect::<Vec<_>>());
    let answer = send(&gateway, &session, &many(50)).await;
    let text = answer.text();
    assert_eq!(
        text.lines().filter(|line| line.starts_with("data:") && line.contains("\"result\"")).count(),
        50
    );
    for batch in
        [many(51), json!([]), json!([1]), json!([{"jsonrpc": "2.0", "id": 1, "method": "initialize"}])]
    {
        let answer = send(&gateway, &session, &batch).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text());
        assert_eq!(message(&answer)["error"]["code"], -32600);
    }
    for version in ["2025-06-18", LEGACY] {
        let session = opened(&gateway, version).await;
        let answer = send(&gateway, &session, &many(2)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{version}: {}", answer.text());
    }
}
