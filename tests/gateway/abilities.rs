//! Backends are told of a client's abilities as far as what they ask for arrives.

use crate::gateway::{Gateway, LEGACY, MODERN, mcp_at, message};
use countersign_fixtures::{
    http::Server,
    mcp::{Listening, everything::Everything, legacy_only, modern_only},
};
use http::{Method, StatusCode};
use serde_json::Value;

const DECLARED: &str = r#"{ "tasks":{"list":{}}, "sampling":{"tools":{ },"x":1.0e9},"experimental":{},"roots":{}, "elicitation":{"url":{}}}"#;
const RELAYED: &str = r#"{"elicitation":{"url":{}},"roots":{},"sampling":{"tools":{ },"x":1.0e9}}"#;

/// Opens a session with these abilities.
async fn hello(gateway: &Gateway, declared: &str) -> Value {
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{declared},"clientInfo":{{"name":"test","version":"1"}}}}}}"#
    );
    let answer = gateway.send(Method::POST, &[("authorization", &authorization)], &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    message(&answer)
}

/// Asks without a session, with these abilities.
async fn modern(gateway: &Gateway, method: &str, name: Option<&str>, declared: &str) -> Value {
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let members = name.map(|name| format!(r#""name":"{name}","arguments":{{}},"#)).unwrap_or_default();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{members}"_meta":{{"io.modelcontextprotocol/protocolVersion":"{MODERN}","io.modelcontextprotocol/clientCapabilities":{declared},"io.modelcontextprotocol/clientInfo":{{"name":"test","version":"1"}}}}}}}}"#
    );
    let mut headers = vec![
        ("authorization", authorization.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", method),
    ];
    headers.extend(name.map(|name| ("mcp-name", name)));
    message(&gateway.send(Method::POST, &headers, &body).await)
}

#[tokio::test]
async fn they_hear_of_what_is_relayed_only_in_every_era() {
    let heard = [Listening::default(), Listening::default()];
    let servers = [
        Server::start(heard[0].before(legacy_only(Everything::default().router()))).await,
        Server::start(heard[1].before(modern_only(Everything::default().router()))).await,
    ];
    let backends = [("old", mcp_at(&servers[0])), ("new", mcp_at(&servers[1]))];
    let gateway = Gateway::with_backends(&backends).await;
    hello(&gateway, DECLARED).await;
    let listed = modern(&gateway, "tools/list", None, DECLARED).await;
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    for name in ["old__test_simple_text", "new__test_simple_text"] {
        let called = modern(&gateway, "tools/call", Some(name), DECLARED).await;
        assert!(called["result"]["content"].is_array(), "{called}");
    }
    for (heard, names) in [
        (&heard[0], ["\"initialize\"", "\"initialize\""]),
        (&heard[1], ["\"server/discover\"", "\"tools/call\""]),
    ] {
        let requests = heard.requests();
        for name in names {
            assert!(requests.iter().any(|request| request.contains(name) && request.contains(RELAYED)));
        }
        for request in requests {
            assert!(!request.contains("\"tasks\"") && !request.contains("\"experimental\""), "{request}");
        }
    }
}

#[tokio::test]
async fn the_only_backend_hears_what_clients_of_its_era_say() {
    let gateway = Gateway::start().await;
    hello(&gateway, DECLARED).await;
    modern(&gateway, "tools/call", Some("whoami"), DECLARED).await;
    let seen = gateway.world.mcp.oracle().seen();
    for method in ["\"initialize\"", "\"tools/call\""] {
        let bodies = seen.iter().map(|seen| String::from_utf8_lossy(&seen.body));
        assert!(bodies.into_iter().any(|body| body.contains(method) && body.contains(DECLARED)), "{method}");
    }
}

#[tokio::test]
async fn what_is_no_object_is_refused() {
    let gateway = Gateway::start().await;
    for answer in [hello(&gateway, "[]").await, modern(&gateway, "tools/call", Some("whoami"), "7").await] {
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("JSON object"), "{answer}");
    }
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}
