//! Trouble at one provider is nobody else's.

use super::{Backend, House};
use countersign_fixtures::fault::Fault;

#[tokio::test]
async fn one_provider_in_trouble_leaves_the_backends_of_others_alone() {
    let house = House::new().await;
    let (github, slack) = (Backend::of("github").await, Backend::of("slack").await);
    let gateway = house.gateway_before(&[("code", &github), ("chat", &slack)]).await;
    for who in ["alice", "bob", "carol"] {
        let connections = house.connections();
        let (at_github, at_slack) = (house.account(who, "github"), house.account(who, "slack"));
        connections.connect(&at_github, &github.connected_long_ago(who).await).await.unwrap();
        connections.connect(&at_slack, &slack.connected_long_ago(who).await).await.unwrap();
    }
    for (who, fault, meant) in [
        // Nobody knows what became of the refresh token: the account has to be connected anew.
        ("alice", Fault::Status(500), "is not connected"),
        ("bob", Fault::Malformed, "is not connected"),
        // It was not looked at, and is as good as before.
        ("carol", Fault::Status(503), "try again"),
    ] {
        github.provider.faults().add("/token", fault, None);
        let told = house.client(who, &gateway).call_tool("code__test_simple_text").await.to_string();
        assert!(told.contains(meant), "{who}: {told}");
        let text = house.client(who, &gateway).call_tool("chat__test_simple_text").await;
        assert_eq!(text["result"]["content"][0]["type"], "text", "{who}: {text}");
        github.provider.faults().clear();
    }
    let carol = house.client("carol", &gateway).call_tool("code__test_simple_text").await;
    assert_eq!(carol["result"]["content"][0]["type"], "text", "{carol}");
    assert!(github.tap.has_seen("authorization: Bearer ") && slack.tap.bearer_tokens().len() == 3);
    assert_eq!(github.tap.bearer_tokens().len(), 1);
    // A list has what the others have, and says what it lacks.
    let at_github = house.account("carol", "github");
    let connection = github.connected_long_ago("carol").await;
    house.connections().connect(&at_github, &connection).await.unwrap();
    github.provider.faults().add("/token", Fault::Status(500), None);
    let listed = house.client("carol", &gateway).ask("tools/list", serde_json::json!({})).await;
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert!(tools.iter().all(|tool| tool["name"].as_str().unwrap().starts_with("chat__")), "{listed}");
    assert!(!tools.is_empty() && listed["result"]["_meta"].to_string().contains("code"), "{listed}");
}
