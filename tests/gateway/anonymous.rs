//! A gateway whose callers are anonymous: they are all the same, and credentials are refused rather than ignored.

use crate::gateway::{Gateway, LEGACY, MODERN, countersign, mcp_at, message, modern_body, output, written};
use countersign_fixtures::{
    http::Server,
    mcp::{Listening, warehouse},
};
use countersign_tests::client::Plain;
use http::{Method, StatusCode};
use serde_json::json;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

async fn open_house() -> (Gateway, Server, Listening) {
    let heard = Listening::default();
    let server = Server::start(heard.before(warehouse::router())).await;
    let backend = mcp_at(&server);
    let gateway = Gateway::with(|_| {
        format!(
            "listen: 127.0.0.1:0\nidentity: anonymous\nbackends:\n  notes: {{url: '{backend}', auth: none}}\n"
        )
    });
    (gateway.await, server, heard)
}

#[tokio::test]
async fn anybody_calls_and_a_session_is_everybodys() {
    let (gateway, _server, heard) = open_house().await;
    let modern = [("mcp-protocol-version", MODERN), ("mcp-method", "tools/list")];
    let body = modern_body("tools/list", json!({}));
    let answer = gateway.send(Method::POST, &modern, &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert!(message(&answer)["result"]["tools"].as_array().is_some_and(|tools| !tools.is_empty()));

    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
        },
    });
    let answer = gateway.send(Method::POST, &[], &hello.to_string()).await;
    let session = answer.header("mcp-session-id").to_owned();
    let within = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", LEGACY)];
    assert_eq!(gateway.send(Method::POST, &within, LIST).await.status, StatusCode::OK);
    let changed: String = session.chars().rev().collect();
    let made_up = [("mcp-session-id", changed.as_str()), ("mcp-protocol-version", LEGACY)];
    assert_eq!(gateway.send(Method::POST, &made_up, LIST).await.status, StatusCode::NOT_FOUND);
    assert!(gateway.send(Method::DELETE, &within, "").await.status.is_success());
    assert!(!heard.requests().is_empty());
}

#[tokio::test]
async fn credentials_are_refused_and_nothing_leads_to_an_issuer() {
    let (gateway, _server, heard) = open_house().await;
    for credentials in ["Bearer a.b.c", "Basic YTpi"] {
        let answer = gateway.send(Method::POST, &[("authorization", credentials)], LIST).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.text().contains("send the request without `authorization`"), "{}", answer.text());
    }
    let sent = heard.requests().join("\n");
    assert!(!sent.contains("tools/list") && !sent.contains("a.b.c"), "{sent}");
    let base = gateway.endpoint.strip_suffix("/mcp").unwrap();
    for path in ["", "/mcp"] {
        let metadata = format!("{base}/.well-known/oauth-protected-resource{path}");
        assert_eq!(Plain::default().fetch(&metadata).await.status, StatusCode::NOT_FOUND);
    }
    for header in [("origin", "https://evil.example"), ("host", "evil.example")] {
        assert_eq!(gateway.send(Method::POST, &[header], LIST).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn the_command_line_does_not_open_it_to_others() {
    let text = "identity: anonymous\nbackends:\n  notes: {url: 'https://backend.example/mcp', auth: none}\n";
    let file = written(text);
    let mut serve = countersign();
    serve.arg("serve").arg("-c").arg(file.path()).args(["--listen", "0.0.0.0:0"]);
    let (code, _, err) = output(&mut serve).await;
    assert_eq!(code, 2);
    assert!(
        err.contains("other machines would reach this server") && err.contains("dangerous_allow_anonymous")
    );
}
