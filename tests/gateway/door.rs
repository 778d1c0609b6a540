//! Who is let in, and what those are told who are not.

use crate::gateway::{Gateway, LEGACY, MODERN, message, modern_body};
use countersign_tests::client::Plain;
use http::{Method, StatusCode};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

#[tokio::test]
async fn whoever_has_no_token_is_led_to_the_issuer() {
    let gateway = Gateway::start().await;
    let refused = gateway.send(Method::POST, &[], "{}").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let challenge = refused.header("www-authenticate").to_owned();
    let (_, metadata) = challenge.split_once("resource_metadata=\"").unwrap();
    let (metadata, _) = metadata.split_once('"').unwrap();

    let base = gateway.endpoint.strip_suffix("/mcp").unwrap();
    for place in [metadata, &format!("{base}/.well-known/oauth-protected-resource")] {
        let document = Plain::default().fetch(place).await.json();
        assert_eq!(document["resource"], gateway.endpoint, "{place}");
        assert_eq!(document["authorization_servers"], json!([gateway.world.idp.issuer()]));
    }
}

#[tokio::test]
async fn tokens_for_others_and_old_tokens_are_refused() {
    let gateway = Gateway::start().await;
    let elsewhere = gateway.world.idp.mint("alice").audience("https://elsewhere.example/mcp").token();
    for token in [elsewhere, "garbage".to_owned()] {
        let authorization = format!("Bearer {token}");
        let answer = gateway.send(Method::POST, &[("authorization", &authorization)], "{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""));
    }
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}

#[tokio::test]
async fn pages_of_other_sites_and_foreign_names_stay_outside() {
    let gateway = Gateway::start().await;
    let authorization = format!("Bearer {}", gateway.token("alice"));
    for header in [("origin", "https://evil.example"), ("host", "evil.example"), ("origin", "null")] {
        let answer = gateway.send(Method::POST, &[("authorization", &authorization), header], "{}").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{header:?}");
    }
}

#[tokio::test]
async fn what_is_not_mcp_is_refused_before_anybody_signs() {
    let gateway = Gateway::start().await;
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let me = ("authorization", authorization.as_str());
    let list = r#"{"jsonrpc":"2.0","id":5,"method":"tools/list"}"#;
    let call = modern_body("tools/call", json!({"name": "whoami"}));
    let version = ("mcp-protocol-version", MODERN);
    let method = ("mcp-method", "tools/call");
    for (headers, body, status, code) in [
        (vec![("accept", "application/json")], list, 406, -32600),
        (vec![("content-type", "text/plain")], list, 415, -32600),
        (vec![], "[]", 400, -32600),
        (vec![], "{", 400, -32700),
        (vec![("mcp-protocol-version", "1900-01-01")], list, 400, -32022),
        (vec![version], list, 400, -32602),
        (vec![version, method, ("mcp-name", "other")], &call, 400, -32020),
        (vec![version, method], &call, 400, -32020),
    ] {
        let headers: Vec<_> = [me].into_iter().chain(headers).collect();
        let answer = gateway.send(Method::POST, &headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?} {body}");
        assert_eq!(message(&answer)["error"]["code"], code, "{headers:?} {body}");
    }
    let ping = modern_body("ping", json!({}));
    let answer = gateway.send(Method::POST, &[me, version, ("mcp-method", "ping")], &ping).await;
    assert_eq!((answer.status, &message(&answer)["id"]), (StatusCode::NOT_FOUND, &json!(1)));
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}

#[tokio::test]
async fn a_message_may_be_eight_mebibytes_long() {
    let gateway = Gateway::start().await;
    let authorization = format!("Bearer {}", gateway.token("alice"));
    let headers = [("authorization", authorization.as_str()), ("mcp-protocol-version", LEGACY)];
    let answer = gateway.send(Method::POST, &headers, &"x".repeat(8 * 1024 * 1024 + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_refusal_does_not_overtake_the_request_and_the_connection_goes_on() {
    let gateway = Gateway::start().await;
    let (_, address) = gateway.endpoint.strip_suffix("/mcp").unwrap().split_once("//").unwrap();
    let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let early = timeout(Duration::from_millis(300), client.fill_buf()).await;
    assert!(early.is_err(), "an answer to half a request: {early:?}");
    client.write_all(b"{}").await.unwrap();
    assert_eq!(status(&mut client).await, "HTTP/1.1 401 Unauthorized");
    let next = format!("GET /.well-known/oauth-protected-resource HTTP/1.1\r\nhost: {address}\r\n\r\n");
    client.write_all(next.as_bytes()).await.unwrap();
    assert_eq!(status(&mut client).await, "HTTP/1.1 200 OK");
}

/// The first line of an answer, whose rest is read, too.
async fn status(client: &mut BufReader<TcpStream>) -> String {
    let (mut first, mut length) = (String::new(), 0);
    client.read_line(&mut first).await.unwrap();
    loop {
        let mut line = String::new();
        assert_ne!(client.read_line(&mut line).await.unwrap(), 0, "the connection ended after {first}");
        match line.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    client.read_exact(&mut vec![0; length]).await.unwrap();
    first.trim_end().to_owned()
}
