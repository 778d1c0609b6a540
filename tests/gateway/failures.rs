//! What goes wrong behind the gateway is told in MCP, with its cause; a caller's good token is never blamed.

use crate::gateway::{Gateway, message};
use countersign_fixtures::{
    fault::Fault,
    mcp::PATH,
    world::{ADMIN, USER},
};
use http::{Method, StatusCode};
use serde_json::Value;

const NOT_ALLOWED: i64 = -32001;
const TRY_AGAIN: i64 = -32003;
const FAILED: i64 = -32000;

async fn refusal(gateway: &Gateway, who: &str) -> Value {
    let answer = gateway.tool(who, "whoami").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let message = message(&answer);
    assert_eq!((&message["jsonrpc"], &message["id"]), (&"2.0".into(), &1.into()), "{message}");
    assert_eq!(message["error"]["data"]["backend"], "warehouse", "{message}");
    message["error"].clone()
}

fn assert_says(error: &Value, code: i64, what: &str) {
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].as_str().unwrap().contains(what), "{error}");
}

#[tokio::test]
async fn a_caller_without_a_role_is_told_so() {
    let gateway = Gateway::with(|text| text.replace(&format!("          fallback: {USER}\n"), "")).await;
    assert_says(&refusal(&gateway, "bob").await, NOT_ALLOWED, "no rule gives you a role");
    assert_eq!(gateway.tool("alice", "whoami").await.status, StatusCode::OK);
    assert_eq!(gateway.world.mcp.oracle().seen().len(), 1);
}

#[tokio::test]
async fn a_role_that_does_not_trust_the_caller_is_told() {
    let gateway = Gateway::start().await;
    gateway.world.let_in(ADMIN, "nobody", &[&gateway.endpoint]);
    let error = refusal(&gateway, "alice").await;
    assert_says(&error, NOT_ALLOWED, "AWS does not let you act in the role");
    assert!(error["data"]["correlation_id"].is_string(), "{error}");
}

#[tokio::test]
async fn sts_that_is_down_is_worth_another_try() {
    let gateway = Gateway::start().await;
    gateway.world.sts.faults().add("*", countersign_fixtures::sts::Fault::Status(503), None);
    let error = refusal(&gateway, "alice").await;
    assert_says(&error, TRY_AGAIN, "try again");
    assert!(error["data"]["retry_after_seconds"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn a_wrong_signature_is_not_called_a_missing_permission() {
    let gateway = Gateway::with(|text| text.replacen("region: us-east-1", "region: eu-north-1", 1)).await;
    assert_says(&refusal(&gateway, "alice").await, NOT_ALLOWED, "does not accept the signature");
}

#[tokio::test]
async fn what_the_role_may_not_do_is_not_called_a_failure() {
    let gateway = Gateway::start().await;
    let params = serde_json::json!({"name": "drop_table", "arguments": {"table": "stock"}});
    let answer = gateway.modern("bob", "tools/call", params).await;
    assert_says(&message(&answer)["error"], NOT_ALLOWED, "does not let your role do this");
}

#[tokio::test]
async fn a_backend_in_trouble_is_named() {
    let gateway = Gateway::start().await;
    for (fault, what) in [
        (Fault::Status(500), "failed"),
        (Fault::Status(302), "points elsewhere"),
        (Fault::Reset, "cannot be reached"),
    ] {
        gateway.world.mcp.faults().add(PATH, fault, Some(1));
        assert_says(&refusal(&gateway, "bob").await, FAILED, what);
    }
    assert_eq!(message(&gateway.tool("bob", "whoami").await)["result"]["isError"], false);
}

#[tokio::test]
async fn a_notification_that_is_lost_fails_in_http() {
    let gateway = Gateway::start().await;
    let (session, _) = gateway.initialize("bob").await;
    gateway.world.mcp.faults().add(PATH, Fault::Status(500), Some(1));
    let news = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let answer = gateway.in_session("bob", &session, Method::POST, news).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(message(&answer)["error"]["data"]["backend"], "warehouse");
}
