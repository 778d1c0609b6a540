//! Who has not connected an account is led to where that is done, and never told that their own token is bad.

use super::{Backend, House};
use countersign::tokens::Account;
use serde_json::Value;

fn page(gateway: &str) -> String {
    gateway.replace("/mcp", "/oauth/connect/github")
}

fn is_a_tool_error(answer: &Value, page: &str) {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("`notes`") && text.contains("`github`") && text.contains(page), "{text}");
}

#[tokio::test]
async fn a_client_without_sessions_is_told_in_its_way() {
    let (house, backend) = (House::new().await, Backend::of("github").await);
    let gateway = house.gateway(&backend).await;
    let page = page(&gateway.endpoint);

    let told = house.client("alice", &gateway).showing_pages().call().await;
    assert_eq!(told["result"]["resultType"], "input_required", "{told}");
    let asked = &told["result"]["inputRequests"]["connect"];
    assert_eq!(asked["method"], "elicitation/create", "{told}");
    assert_eq!(asked["params"]["mode"], "url", "{told}");
    assert!(asked["params"]["url"].as_str().unwrap().starts_with(&format!("{page}?ticket=")), "{told}");

    is_a_tool_error(&house.client("alice", &gateway).call().await, &page);
    let listed = house.client("alice", &gateway).ask("tools/list", serde_json::json!({})).await;
    assert_eq!(listed["error"]["code"], -32001, "{listed}");
    assert!(listed["error"]["message"].as_str().unwrap().contains(&page), "{listed}");
    assert!(backend.tap.bytes().is_empty(), "nothing is asked of the backend without a token");

    // The person comes back from the page, and the client goes on where it was.
    let connection = backend.connected("alice").await;
    house.connections().connect(&house.account("alice", "github"), &connection).await.unwrap();
    let params = serde_json::json!({
        "name": "test_simple_text",
        "arguments": {},
        "inputResponses": {"connect": {"action": "accept"}},
    });
    let answer = house.client("alice", &gateway).showing_pages().ask("tools/call", params).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[tokio::test]
async fn a_client_with_a_session_is_told_in_its_way() {
    let (house, backend) = (House::new().await, Backend::of("github").await);
    let gateway = house.gateway(&backend).await;
    let page = page(&gateway.endpoint);
    house
        .connections()
        .connect(&house.account("bob", "github"), &backend.connected("bob").await)
        .await
        .unwrap();

    let mut shows = house.client("bob", &gateway).showing_pages();
    let mut shows_none = house.client("bob", &gateway);
    for client in [&mut shows, &mut shows_none] {
        assert_eq!(client.initialize().await["result"]["protocolVersion"], super::LEGACY);
        assert_eq!(client.call().await["result"]["isError"], false);
    }
    assert_eq!(house.connections().forget_person(house.issuer.issuer(), "bob").await.unwrap(), 1);
    let told = shows.call().await;
    assert_eq!(told["error"]["code"], -32042, "{told}");
    let asked = &told["error"]["data"]["elicitations"][0];
    assert_eq!(asked["mode"], "url", "{told}");
    assert!(asked["url"].as_str().unwrap().starts_with(&format!("{page}?ticket=")), "{told}");
    assert!(!asked["elicitationId"].as_str().unwrap().is_empty() && asked["message"].is_string(), "{told}");
    is_a_tool_error(&shows_none.call().await, &page);
}

#[tokio::test]
async fn a_connected_account_is_its_owners_alone() {
    let (house, backend) = (House::new().await, Backend::of("github").await);
    let gateway = house.gateway(&backend).await;
    let connection = backend.connected("alice").await;
    house.connections().connect(&house.account("alice", "github"), &connection).await.unwrap();
    let alice = house.client("alice", &gateway);
    assert_eq!(alice.call().await["result"]["content"][0]["type"], "text");
    is_a_tool_error(&house.client("bob", &gateway).call().await, &page(&gateway.endpoint));

    // Alice herself, by a client that she has connected nothing for.
    let token = house.issuer.mint("alice").audience(&gateway.endpoint).claim("client_id", "desktop").token();
    let by_desktop = super::Client::new(&gateway.endpoint, token);
    is_a_tool_error(&by_desktop.call().await, &page(&gateway.endpoint));
    let of_desktop = Account::new(house.issuer.issuer(), "alice", Some("desktop"), "github");
    house.connections().connect(&of_desktop, &backend.connected("alice").await).await.unwrap();
    assert_eq!(by_desktop.call().await["result"]["isError"], false);

    let tokens = backend.tap.bearer_tokens();
    assert_eq!(tokens.len(), 2);
    for client in [&alice, &by_desktop] {
        assert!(!backend.tap.has_seen(&client.token), "the caller's own token reached the backend");
    }
}
