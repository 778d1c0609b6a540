//! Calls that go on as tasks at several backends of 2026-07-28, to which all callers are one.

use crate::gateway::{Gateway, mcp_at, message};
use countersign_fixtures::{
    http::Server,
    mcp::{errands::Errands, everything::Everything, legacy_only},
};
use http::StatusCode;
use serde_json::{Value, json};

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A gateway before two servers with tasks, and one from before there were any.
struct House {
    gateway: Gateway,
    _servers: [Server; 3],
}

impl House {
    async fn build() -> Self {
        let servers = [
            Server::start(Errands::default().router()).await,
            Server::start(Errands::default().router()).await,
            Server::start(legacy_only(Everything::default().router())).await,
        ];
        let names = ["one", "other", "old"];
        let backends = [0, 1, 2].map(|place: usize| (names[place], mcp_at(&servers[place])));
        Self { gateway: Gateway::with_backends(&backends).await, _servers: servers }
    }

    /// What somebody is answered who knows tasks.
    async fn ask(&self, who: &str, method: &str, params: Value) -> Value {
        message(&self.gateway.modern_with(who, method, params, json!({"extensions": {TASKS: {}}})).await)
    }

    async fn begin(&self, who: &str, backend: &str) -> String {
        let call = json!({"name": format!("{backend}__run"), "arguments": {}});
        let begun = self.ask(who, "tools/call", call).await;
        assert_eq!(begun["result"]["resultType"], "task", "{begun}");
        begun["result"]["taskId"].as_str().unwrap().to_owned()
    }

    async fn task(&self, who: &str, task: &str) -> Value {
        self.ask(who, "tasks/get", json!({"taskId": task})).await
    }

    /// Asks until the task is so.
    async fn wait_for(&self, who: &str, task: &str, status: &str) -> Value {
        loop {
            let found = self.task(who, task).await;
            assert_eq!(found["result"]["taskId"], task, "{found}");
            if found["result"]["status"] == status {
                return found["result"].clone();
            }
        }
    }
}

#[tokio::test]
async fn a_task_is_asked_for_answered_and_comes_to_its_end_at_the_backend_that_began_it() {
    let house = House::build().await;
    for backend in ["one", "other"] {
        let task = house.begin("bob", backend).await;
        assert!(task.starts_with(&format!("{backend}:")), "{task}");
        let asking = house.wait_for("bob", &task, "input_required").await;
        assert_eq!(asking["inputRequests"]["what"]["params"]["message"], "What shall I bring?");
        let answer = json!({"what": {"action": "accept", "content": {"what": backend}}});
        let told = house.ask("bob", "tasks/update", json!({"taskId": task, "inputResponses": answer})).await;
        assert_eq!(told["result"]["resultType"], "complete", "{told}");
        let done = house.wait_for("bob", &task, "completed").await;
        assert_eq!(done["result"]["content"][0]["text"], format!("Brought {backend}."));
    }
    let task = house.begin("bob", "other").await;
    let cancelled = house.ask("bob", "tasks/cancel", json!({"taskId": task})).await;
    assert!(cancelled["result"].is_object(), "{cancelled}");
    house.wait_for("bob", &task, "cancelled").await;
}

#[tokio::test]
async fn a_task_is_its_callers_and_no_other_name_is_good_for_it() {
    let house = House::build().await;
    let task = house.begin("bob", "one").await;
    let theirs = task.rsplit(':').next().unwrap();
    for (who, told) in [
        ("carol", task.clone()),
        ("bob", theirs.to_owned()),
        ("bob", format!("one::{theirs}")),
        ("bob", task.replacen("one", "other", 1)),
        ("bob", "made up".to_owned()),
    ] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let refused = house.ask(who, method, json!({"taskId": told, "inputResponses": {}})).await;
            assert_eq!(refused["error"]["code"], -32602, "{who} {method} {told}: {refused}");
            let what = "there is no task of this name, or it is not yours";
            assert_eq!(refused["error"]["message"], what);
        }
    }
    house.wait_for("bob", &task, "input_required").await;
    let unnamed = house.ask("bob", "tasks/get", json!({})).await;
    assert_eq!(unnamed["error"]["message"], "`taskId` is missing");
}

#[tokio::test]
async fn whoever_knows_no_tasks_is_given_none() {
    let house = House::build().await;
    let call = json!({"name": "one__run", "arguments": {}});
    let called = message(&house.gateway.modern("bob", "tools/call", call.clone()).await);
    let text = "Brought nothing, as nobody was told to wait.";
    assert_eq!(called["result"]["content"][0]["text"], text, "{called}");
    let (session, hello) = house.gateway.initialize("bob").await;
    assert_eq!(message(&hello)["result"]["capabilities"].get("tasks"), None);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).to_string();
    let called = house.gateway.in_session("bob", &session, http::Method::POST, &call).await;
    assert_eq!(message(&called)["result"]["content"][0]["text"], text);
}

#[tokio::test]
async fn the_extension_is_announced_where_a_backend_has_it_and_nobody_lists_tasks() {
    let house = House::build().await;
    let hello = house.ask("bob", "server/discover", json!({})).await;
    assert_eq!(hello["result"]["capabilities"]["extensions"], json!({TASKS: {}}), "{hello}");
    for method in ["tasks/list", "tasks/result"] {
        let answer = house
            .gateway
            .modern_with("bob", method, json!({"taskId": house.begin("bob", "one").await}), json!({}))
            .await;
        assert_eq!(message(&answer)["error"]["code"], -32601, "{method}");
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn news_of_tasks_are_for_those_who_know_tasks_and_nobody_watches_without_end() {
    let house = House::build().await;
    let listen = json!({"notifications": {"taskIds": ["one:a:b"], "toolsListChanged": true}});
    let refused = house.gateway.modern("bob", "subscriptions/listen", listen).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let error = message(&refused)["error"].clone();
    assert_eq!(error["code"], -32021, "{error}");
    assert_eq!(error["data"]["requiredCapabilities"]["extensions"], json!({TASKS: {}}));
    let names: Vec<String> = (0..1_001).map(|number| format!("a://{number}")).collect();
    let listen = json!({"notifications": {"resourceSubscriptions": names}});
    let refused = message(&house.gateway.modern("bob", "subscriptions/listen", listen).await);
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let what = "a client may watch 1000 resources and tasks; let go of some first";
    assert_eq!(refused["error"]["message"], what);
}

#[tokio::test]
async fn nobody_hears_of_the_other_eras_tasks_not_even_at_first() {
    let server = Server::start(legacy_only(Everything::default().router())).await;
    let gateway = Gateway::with(|text| {
        let start = text.split("backends:").next().unwrap().to_owned();
        format!("{start}backends:\n  old:\n    url: {}\n    auth: none\n", mcp_at(&server))
    })
    .await;
    for _ in 0..2 {
        let refused = gateway.modern("bob", "tasks/get", json!({"taskId": "a"})).await;
        assert_eq!(message(&refused)["error"]["code"], -32601);
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }
}
