//! Two gateways that share a Redis, and a balancer that gives every request to the other one: what one of them began,
//! the other is told of.

use crate::{
    balancer::Balancer,
    bridges::{
        House, backends_ask_clients, cancelled_calls_end, parked_calls_go_on_once, sessions_hear,
        subscriptions_hear,
    },
    gateway::{Replica, written},
};
use countersign_tests::redis::{Redis, free_port};
use http::{Method, StatusCode};
use tempfile::{NamedTempFile, TempDir, tempdir};

/// The house with two gateways.
struct Doubled {
    house: House,
    redis: Redis,
    replica: Replica,
    _held: (Balancer, TempDir, [NamedTempFile; 2]),
}

impl Doubled {
    async fn build() -> Self {
        let folder = tempdir().unwrap();
        let redis = Redis::start(folder.path(), Vec::new()).await;
        let listen = [free_port(), free_port()];
        let balancer = Balancer::before(listen.map(|port| ([127, 0, 0, 1], port).into()).to_vec()).await;
        let keys = ["07", "08"].map(|byte| written(&byte.repeat(32)));
        let [sessions, values] = keys.each_ref().map(|key| key.path().display());
        let house = House::with(|text| {
            let text = text.replace("listen: 127.0.0.1:0", &format!("listen: 127.0.0.1:{}", listen[0]));
            format!(
                "public_url: {}\nsessions: {{key: 'file:{sessions}'}}\n\
                 store: {{redis: {{address: '127.0.0.1:{}'}}, key: 'file:{values}'}}\n{text}",
                balancer.url(),
                redis.port(),
            )
        })
        .await;
        let [here, there] = listen.map(|port| format!("listen: 127.0.0.1:{port}"));
        let replica = house.gateway.replica(|text| text.replace(&here, &there)).await;
        Self { house, redis, replica, _held: (balancer, folder, keys) }
    }
}

#[tokio::test]
async fn questions_are_answered_at_the_other_replica() {
    backends_ask_clients(&Box::pin(Doubled::build()).await.house).await;
}

#[tokio::test]
async fn calls_are_cancelled_at_the_other_replica() {
    cancelled_calls_end(&Box::pin(Doubled::build()).await.house).await;
}

#[tokio::test]
async fn changes_are_heard_of_through_the_other_replica() {
    let doubled = Box::pin(Doubled::build()).await;
    Box::pin(subscriptions_hear(&doubled.house)).await;
    sessions_hear(&doubled.house).await;
}

#[tokio::test]
async fn a_parked_call_goes_on_once_whichever_replica_is_asked() {
    let doubled = Box::pin(Doubled::build()).await;
    for _ in 0..2 {
        parked_calls_go_on_once(&doubled.house).await;
    }
}

#[tokio::test]
async fn an_ended_session_is_over_at_both() {
    let doubled = Box::pin(Doubled::build()).await;
    let gateway = &doubled.house.gateway;
    let (session, _) = gateway.initialize("bob").await;
    let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
    for _ in 0..2 {
        assert_eq!(gateway.in_session("bob", &session, Method::POST, ping).await.status, StatusCode::OK);
    }
    let ended = gateway.in_session("bob", &session, Method::DELETE, "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    // Whoever did not end it hears of it in a moment.
    while gateway.in_session("bob", &session, Method::POST, ping).await.status == StatusCode::OK {}
    for _ in 0..4 {
        let over = gateway.in_session("bob", &session, Method::POST, ping).await;
        assert_eq!(over.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn where_a_call_is_parked_nobody_else_is_any_more_the_client_is_told_to_try_again() {
    let Doubled { house, redis, replica, _held } = Box::pin(Doubled::build()).await;
    let gateway = &house.gateway;
    let parked = r#""requestState":"#;
    let asks = serde_json::json!({"name": "old__test_elicitation", "arguments": {"message": "Who?"}});
    let asked = crate::bridges::call_elicitation(gateway, "bob", asks.clone()).await;
    let text = asked.to_string();
    assert!(text.contains(parked), "{text}");
    // Neither of them has parked this one.
    let mut again = asks.clone();
    let elsewhere =
        format!("elsewhere:{}", asked["result"]["requestState"].as_str().unwrap().split(':').nth(1).unwrap());
    again["requestState"] = elsewhere.into();
    again["inputResponses"] = serde_json::json!({"question": {"action": "decline"}});
    let refused = crate::bridges::call_elicitation(gateway, "bob", again).await;
    assert_eq!(refused["error"]["code"], -32003, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().ends_with("try again"), "{refused}");
    drop((redis, replica));
}
