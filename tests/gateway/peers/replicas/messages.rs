//! Two gateways that share a Redis, and a balancer that gives every request to the other one: what one of them began,
//! the other is told of.

use crate::{
    balancer::Balancer,
    bridges::{
        House, backends_ask_clients, call_elicitation, cancelled_calls_end, parked_calls_go_on_once,
        sessions_hear, subscriptions_hear,
    },
    gateway::{Replica, written},
};
use countersign_tests::redis::{Redis, free_port};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir, tempdir};

const ASKS: &str = "old__test_elicitation";

/// The house with two gateways.
struct Doubled {
    house: House,
    _redis: Redis,
    replica: Option<Replica>,
    balancer: Balancer,
    _held: (TempDir, [NamedTempFile; 2]),
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
        Self { house, _redis: redis, replica: Some(replica), balancer, _held: (folder, keys) }
    }

    /// What a call comes to that was parked at the replica, and that answers so long after its client has told
    /// `name` to the gateway.
    async fn answered_at_the_other(&self, pause_ms: u64, name: &str) -> Value {
        let mut call = json!({"name": ASKS, "arguments": {"message": "Who?", "pause_ms": pause_ms}});
        self.balancer.send_all_to(1);
        let asked = call_elicitation(&self.house.gateway, "bob", call.clone()).await;
        call["requestState"] = asked["result"]["requestState"].clone();
        call["inputResponses"] =
            json!({"question": {"action": "accept", "content": {"username": name, "email": "a@x"}}});
        self.balancer.send_all_to(0);
        call_elicitation(&self.house.gateway, "bob", call).await
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
async fn what_a_call_comes_to_at_the_other_replica_may_be_long_and_take_long() {
    let doubled = Box::pin(Doubled::build()).await;
    // Longer than a replica may take to say whether it takes the call up, and than what a record may hold.
    let (pause, name) = (6_000, "a \u{1F600} \"name\" ".repeat(50_000));
    let done = doubled.answered_at_the_other(pause, &name).await;
    let text = done["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{done}"));
    let content = text.split_once("content=").unwrap().1;
    assert_eq!(serde_json::from_str::<Value>(content).unwrap()["username"], name);
}

#[tokio::test]
async fn whoever_waits_for_a_call_of_a_replica_that_is_gone_is_told_so() {
    let mut doubled = Box::pin(Doubled::build()).await;
    let (heard, replica) = (doubled.house.heard_by_old.clone(), doubled.replica.take().unwrap());
    let (told, ()) = tokio::join!(doubled.answered_at_the_other(60_000, "Ada"), async {
        heard.wait_for(r#""result":{"action":"accept""#).await;
        replica.kill().await;
    });
    assert_eq!(told["error"]["code"], -32000, "{told}");
    let what = told["error"]["message"].as_str().unwrap();
    assert_eq!(what, "the end of this call was lost between replicas of the gateway; it may have been done");
    assert_eq!(told["id"], 7);
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
async fn what_one_replica_opened_at_a_backend_ends_when_the_session_is_ended_at_the_other() {
    let doubled = Box::pin(Doubled::build()).await;
    let Doubled { house, balancer, .. } = &doubled;
    balancer.send_all_to(1);
    let (session, _) = house.gateway.initialize("bob").await;
    balancer.send_all_to(0);
    // The gateway that is told has opened nothing for it.
    let ended = house.gateway.in_session("bob", &session, Method::DELETE, "").await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    house.heard_by_old.wait_for("DELETE ").await;
}

#[tokio::test]
async fn where_a_call_is_parked_nobody_else_is_any_more_the_client_is_told_to_try_again() {
    let Doubled { house, .. } = &Box::pin(Doubled::build()).await;
    let gateway = &house.gateway;
    let parked = r#""requestState":"#;
    let asks = json!({"name": ASKS, "arguments": {"message": "Who?"}});
    let asked = call_elicitation(gateway, "bob", asks.clone()).await;
    let text = asked.to_string();
    assert!(text.contains(parked), "{text}");
    // Neither of them has parked this one.
    let mut again = asks.clone();
    let elsewhere =
        format!("elsewhere:{}", asked["result"]["requestState"].as_str().unwrap().split(':').nth(1).unwrap());
    again["requestState"] = elsewhere.into();
    again["inputResponses"] = json!({"question": {"action": "decline"}});
    let refused = call_elicitation(gateway, "bob", again).await;
    assert_eq!(refused["error"]["code"], -32003, "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().ends_with("try again"), "{refused}");
}
