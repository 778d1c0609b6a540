//! What a client says arrives as it was said, signed as that client.

use crate::gateway::{Gateway, LEGACY, MODERN, message};
use countersign_fixtures::world::{ADMIN, USER};
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn each_caller_signs_as_the_role_that_the_rules_give() {
    let gateway = Gateway::start().await;
    for (who, role) in [("alice", ADMIN), ("bob", USER), ("carol", USER)] {
        let answer = gateway.tool(who, "whoami").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let said = &message(&answer)["result"]["structuredContent"];
        assert_eq!(said["role"], role);
        assert_eq!(said["session_name"], format!("{who}@example.com"));
    }
    assert_eq!(gateway.world.sts.calls("AssumeRoleWithWebIdentity"), 3);
}

#[tokio::test]
async fn a_session_works_from_beginning_to_end() {
    let gateway = Gateway::start().await;
    let (session, hello) = gateway.initialize("bob").await;
    assert_eq!(message(&hello)["result"]["protocolVersion"], LEGACY);
    assert_eq!(gateway.last_seen().principal().unwrap().role.as_deref(), Some(USER));

    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let answer = gateway.in_session("bob", &session, Method::POST, ready).await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::ACCEPTED, ""));

    let list = r#"{"jsonrpc":"2.0","id":"l","method":"tools/list"}"#;
    let answer = gateway.in_session("bob", &session, Method::POST, list).await;
    let listed = message(&answer);
    assert_eq!(listed["id"], "l");
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 5);

    let ended = gateway.in_session("bob", &session, Method::DELETE, "").await;
    assert!(ended.status.is_success(), "{}", ended.status);
    let after = gateway.in_session("bob", &session, Method::POST, list).await;
    assert_eq!(after.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_the_body_only_the_id_is_another_and_the_callers_token_stays_here() {
    let gateway = Gateway::start().await;
    let body = format!(
        r#" {{"params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"n","version":"v"}},"x":[1.50,1e3,-0]}},"name":"whoami" , "arguments":{{}}}},"method":"tools/call","id":9007199254740993,"jsonrpc":"2.0"}}"#
    );
    let token = gateway.token("alice");
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?d2hvYW1p?="),
        ("mcp-param-region", "eu"),
        ("cookie", "a=b"),
        ("x-amz-target", "Things.Do"),
        ("x-forwarded-for", "192.0.2.1"),
        ("last-event-id", "7"),
    ];
    let answer = gateway.send(Method::POST, &headers, &body).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(answer.text().contains(r#""id":9007199254740993"#), "{}", answer.text());
    let seen = gateway.last_seen();
    let arrived = String::from_utf8(seen.body.to_vec()).unwrap();
    let fresh: serde_json::Value = serde_json::from_str(&arrived).unwrap();
    assert_eq!(arrived, body.replace("9007199254740993", &fresh["id"].to_string()));
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region"] {
        let sent = headers.iter().find(|(sent, _)| *sent == name).unwrap().1;
        assert_eq!(seen.header(name), Some(sent), "{name}");
    }
    for name in ["cookie", "x-amz-target", "x-forwarded-for"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    for (name, value) in &seen.headers {
        assert!(
            !String::from_utf8_lossy(value.as_bytes()).contains(&token),
            "{name} holds the caller's token"
        );
    }
}

#[tokio::test]
async fn one_session_of_aws_serves_many_calls() {
    let gateway = Gateway::start().await;
    for _ in 0..5 {
        assert_eq!(gateway.tool("alice", "list_items").await.status, StatusCode::OK);
    }
    assert_eq!(gateway.world.sts.calls("AssumeRoleWithWebIdentity"), 1);
    let keys: std::collections::BTreeSet<_> = gateway
        .world
        .mcp
        .oracle()
        .seen()
        .iter()
        .map(|seen| seen.header("x-amz-security-token").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 1);
}

#[tokio::test]
async fn modern_discovery_goes_through() {
    let gateway = Gateway::start().await;
    let answer = gateway.modern("carol", "server/discover", json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(message(&answer)["result"]["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)));
}

#[tokio::test]
async fn a_listener_hears_the_backend() {
    let gateway = Gateway::start().await;
    // Without a session there is nothing to listen to, in either era.
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let headers = [("authorization", authorization.as_str()), ("mcp-protocol-version", MODERN)];
    let answer = gateway.send(Method::GET, &headers, "").await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
}
