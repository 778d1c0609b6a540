//! Trouble at one provider is nobody else's.

use super::{Backend, House};
use countersign_fixtures::fault::Fault;

#[tokio::test]
async fn one_provider_in_trouble_leaves_the_backends_of_others_alone() {
    let house = House::new().await;
    let (github, slack) = (Backend::of("github").await, Backend::of("slack").await);
    let (to_github, to_slack) = (house.gateway(&github).await, house.gateway(&slack).await);
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
        let told = house.client(who, &to_github).call().await.to_string();
        assert!(told.contains(meant), "{who}: {told}");
        let text = house.client(who, &to_slack).call().await;
        assert_eq!(text["result"]["content"][0]["type"], "text", "{who}: {text}");
        github.provider.faults().clear();
    }
    let carol = house.client("carol", &to_github).call().await;
    assert_eq!(carol["result"]["content"][0]["type"], "text", "{carol}");
    assert!(github.tap.has_seen("authorization: Bearer ") && slack.tap.bearer_tokens().len() == 3);
    assert_eq!(github.tap.bearer_tokens().len(), 1);
}
