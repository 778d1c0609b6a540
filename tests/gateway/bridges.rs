//! Clients of one era before backends of the other.

use crate::{
    gateway::{Gateway, MODERN, mcp_at, message, unsigned},
    several_live::{connect, text},
};
use countersign_fixtures::{
    http::Server,
    mcp::{
        Listening,
        everything::{Change, Everything},
        legacy_only,
        misbehaving::{Fault, Misbehaving},
        modern_only,
    },
};
use countersign_tests::mcp::{Era, Heard};
use http::Method;
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ReadResourceRequestParams, ServerNotification, SubscribeRequestParams, SubscriptionFilter,
        UnsubscribeRequestParams,
    },
    service::PeerRequestOptions,
};
use serde_json::{Value, json};

const WATCHED: &str = "test://watched-resource";

/// A gateway before a backend that was never taught 2026-07-28, and one that has no sessions.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    old: Everything,
    new: Everything,
    pub(crate) heard_by_old: Listening,
    heard_by_new: Listening,
    _servers: [Server; 2],
}

impl House {
    async fn build() -> Self {
        Self::with(|text| text).await
    }

    /// The same, with the gateway's configuration changed by `edit`.
    pub(crate) async fn with(edit: impl FnOnce(String) -> String) -> Self {
        let (old, new) = (Everything::default(), Everything::default());
        let (heard_by_old, heard_by_new) = (Listening::default(), Listening::default());
        let servers = [
            Server::start(heard_by_old.before(legacy_only(old.router()))).await,
            Server::start(heard_by_new.before(modern_only(new.router()))).await,
        ];
        let backends = [("old", mcp_at(&servers[0])), ("new", mcp_at(&servers[1]))];
        let gateway = Gateway::with(|text| edit(text + &unsigned(&backends))).await;
        Self { gateway, old, new, heard_by_old, heard_by_new, _servers: servers }
    }
}

#[tokio::test]
async fn every_client_reaches_every_backend() {
    let house = House::build().await;
    for era in [Era::Legacy, Era::Modern] {
        let (client, mut heard) = connect(&house.gateway, era).await;
        let tools = client.list_all_tools().await.unwrap();
        for backend in ["old", "new", "warehouse"] {
            assert!(
                tools.iter().any(|tool| tool.name.starts_with(&format!("{backend}__"))),
                "{era:?} {backend}"
            );
        }
        for backend in ["old", "new"] {
            let simple = text(&client, &format!("{backend}__test_simple_text"), json!({})).await;
            assert_eq!(simple, "This is a simple text response for testing.", "{era:?} {backend}");
            text(&client, &format!("{backend}__test_tool_with_progress"), json!({})).await;
            for step in [0.0, 50.0, 100.0] {
                assert_eq!(heard.recv().await, Some(Heard::Progress(step)), "{era:?} {backend}");
            }
            let prompt = GetPromptRequestParams::new(format!("{backend}__test_simple_prompt"));
            let prompt = json!(client.get_prompt(prompt).await.unwrap());
            assert_eq!(prompt["messages"][0]["content"]["type"], "text", "{era:?} {backend}");
        }
        for uri in ["test://static-text", "new+test://static-text"] {
            let read =
                json!(Box::pin(client.read_resource(ReadResourceRequestParams::new(uri))).await.unwrap());
            assert_eq!(read["contents"][0]["uri"], uri, "{era:?}: {read}");
        }
    }
}

#[tokio::test]
async fn every_backend_can_ask_every_client() {
    backends_ask_clients(&House::build().await).await;
}

pub(crate) async fn backends_ask_clients(house: &House) {
    for era in [Era::Legacy, Era::Modern] {
        let (client, _heard) = connect(&house.gateway, era).await;
        for backend in ["old", "new"] {
            for (tool, arguments, told) in [
                ("test_sampling", json!({"prompt": "Which city?"}), "LLM response: Paris"),
                (
                    "test_elicitation",
                    json!({"message": "Who?"}),
                    r#"User response: action=accept, content={"email":"Ada","username":"Ada"}"#,
                ),
                ("test_list_roots", json!({}), r#"Roots: [{"uri":"file:///home/somebody"}]"#),
                (
                    "test_input_required_result_multiple_inputs",
                    json!({}),
                    r#"Paris Ada; roots: [{"uri":"file:///home/somebody"}]"#,
                ),
                ("test_input_required_result_multi_round", json!({}), "Ada likes Ada."),
                ("test_input_required_result_request_state", json!({}), "state-ok: it came back unchanged."),
            ] {
                let name = format!("{backend}__{tool}");
                assert_eq!(text(&client, &name, arguments).await, told, "{era:?} {name}");
            }
        }
    }
    let (client, _heard) = connect(&house.gateway, Era::Legacy).await;
    let mut call = CallToolRequestParams::new("new__test_custom_headers");
    call.arguments = json!({"region": "Zürich", "priority": 7}).as_object().cloned();
    Box::pin(client.call_tool(call)).await.unwrap();
    let requests = house.heard_by_new.requests();
    let call = requests.iter().rfind(|request| request.contains("tools/call")).unwrap();
    for header in ["mcp-param-region: =?base64?WsO8cmljaA==?=\n", "mcp-param-priority: 7\n"] {
        assert!(call.contains(header), "{call}");
    }
    assert_eq!((house.old.cancelled(), house.new.cancelled()), (0, 0));
    assert!(requests.iter().all(|request| !request.contains("mcp-session-id")), "it has no sessions");
}

#[tokio::test]
async fn what_a_client_cancels_ends_where_it_runs_whatever_that_speaks() {
    cancelled_calls_end(&House::build().await).await;
}

pub(crate) async fn cancelled_calls_end(house: &House) {
    for (time, era) in [Era::Legacy, Era::Modern].into_iter().enumerate() {
        let (client, mut heard) = connect(&house.gateway, era).await;
        for (backend, everything) in [("old", &house.old), ("new", &house.new)] {
            let call = CallToolRequestParams::new(format!("{backend}__test_wait"));
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(call));
            let options = PeerRequestOptions::no_options();
            let waiting = client.send_cancellable_request(request, options).await.unwrap();
            assert_eq!(heard.recv().await, Some(Heard::Progress(0.0)), "{era:?} {backend}");
            waiting.cancel(Some("no patience".to_owned())).await.unwrap();
            everything.wait_for_cancelled(time + 1).await;
        }
    }
}

#[tokio::test]
async fn a_subscription_hears_of_changes_whatever_a_backend_speaks() {
    Box::pin(subscriptions_hear(&House::build().await)).await;
}

pub(crate) async fn subscriptions_hear(house: &House) {
    let (client, _heard) = connect(&house.gateway, Era::Modern).await;
    let of_new = format!("new+{WATCHED}");
    let chosen =
        SubscriptionFilter::builder().tools_list_changed().resource_subscriptions([WATCHED, &of_new]).build();
    let mut subscription = client.listen(chosen).await.unwrap();
    house.old.change(Change::Prompts);
    for everything in [&house.old, &house.new] {
        everything.change(Change::Tools);
        let news = subscription.next().await.unwrap();
        assert!(matches!(news, Some(ServerNotification::ToolListChangedNotification(_))), "{news:?}");
    }
    for (everything, uri) in [(&house.old, WATCHED), (&house.new, of_new.as_str())] {
        everything.change(Change::watched_resource());
        let news = subscription.next().await.unwrap();
        let Some(ServerNotification::ResourceUpdatedNotification(update)) = news else {
            panic!("{news:?}");
        };
        assert_eq!(update.params.uri, uri);
    }
}

#[tokio::test]
async fn a_backend_is_told_when_the_last_subscription_to_a_resource_is_over() {
    let house = House::build().await;
    let heard = &house.heard_by_old;
    let told = || heard.requests().iter().filter(|request| request.contains("resources/unsubscribe")).count();
    let chosen = || SubscriptionFilter::builder().resource_subscriptions([WATCHED]).build();
    let (client, _heard) = connect(&house.gateway, Era::Modern).await;
    let over = client.listen(chosen()).await.unwrap();
    let mut other = client.listen(chosen()).await.unwrap();
    drop(over);
    for _ in 0..3 {
        house.old.change(Change::watched_resource());
        assert!(other.next().await.unwrap().is_some());
    }
    assert_eq!(told(), 0, "somebody watches it still");
    drop(other);
    heard.wait_for("resources/unsubscribe").await;
    assert_eq!(told(), 1);
}

#[tokio::test]
async fn the_client_of_a_session_hears_of_changes_whatever_a_backend_speaks() {
    sessions_hear(&House::build().await).await;
}

#[allow(deprecated, reason = "so are subscriptions of sessions")]
pub(crate) async fn sessions_hear(house: &House) {
    let (client, mut heard) = connect(&house.gateway, Era::Legacy).await;
    let of_new = format!("new+{WATCHED}");
    for uri in [WATCHED, &of_new] {
        client.subscribe(SubscribeRequestParams::new(uri)).await.unwrap();
    }
    for (everything, change, news) in [
        (&house.old, Change::Tools, Heard::Tools),
        (&house.new, Change::Prompts, Heard::Prompts),
        (&house.old, Change::watched_resource(), Heard::Resource(WATCHED.to_owned())),
        (&house.new, Change::watched_resource(), Heard::Resource(of_new.clone())),
    ] {
        // What the gateway listens to begins a moment after the client has said what it wants.
        let mut told = None;
        while told.as_ref() != Some(&news) {
            everything.change(change.clone());
            let moment = std::time::Duration::from_millis(200);
            told = tokio::time::timeout(moment, heard.recv()).await.ok().flatten();
        }
    }
    client.unsubscribe(UnsubscribeRequestParams::new(&of_new)).await.unwrap();
}

#[tokio::test]
async fn where_headers_do_not_fit_any_more_the_list_is_read_again_and_the_call_made_again_once() {
    let misbehaving = Misbehaving::default();
    let server = Server::start(modern_only(misbehaving.router())).await;
    let gateway = Gateway::with_backends(&[("new", mcp_at(&server))]).await;
    let (session, _) = gateway.initialize("alice").await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"new__test_custom_headers","arguments":{"region":"a","priority":1}}}"#;
    let called = || async { message(&gateway.in_session("alice", &session, Method::POST, call).await) };
    assert!(called().await["result"]["content"].is_array());
    let (lists, calls) = (misbehaving.asked("tools/list"), misbehaving.asked("tools/call"));
    let mismatch = Fault::Error(400, json!({"code": -32020, "message": "a header is missing"}));
    misbehaving.faults().add("tools/call", mismatch.clone(), Some(1));
    let answer = called().await;
    assert!(answer["result"]["content"].is_array(), "{answer}");
    assert_eq!(misbehaving.asked("tools/call"), calls + 2, "once more");
    // Once because nobody knew for this token, and once because what was known does not fit.
    assert_eq!(misbehaving.asked("tools/list"), lists + 2, "what it wants in headers is looked up again");
    misbehaving.faults().add("tools/call", mismatch, None);
    assert_eq!(called().await["error"]["code"], -32020);
    assert_eq!(misbehaving.asked("tools/call"), calls + 4, "and not without end");
}

#[tokio::test]
async fn results_of_old_backends_are_whole_for_new_clients() {
    let house = House::build().await;
    let call = json!({"name": "old__test_simple_text", "arguments": {}});
    let called = message(&house.gateway.modern("bob", "tools/call", call).await);
    assert_eq!(called["result"]["resultType"], "complete", "{called}");
    let missing = json!({"uri": "test://template//data"});
    let missing = message(&house.gateway.modern("bob", "resources/read", missing).await);
    assert_eq!(missing["error"]["code"], -32602, "{missing}");
    let listed = message(&house.gateway.modern("bob", "tools/list", json!({})).await);
    assert_eq!(listed["result"]["_meta"]["countersign/backends"]["old"]["status"], "ok", "{listed}");
    assert_eq!(listed["result"]["cacheScope"], "private");
}

#[tokio::test]
async fn a_parked_call_goes_on_once_for_the_same_caller_and_arguments() {
    parked_calls_go_on_once(&House::build().await).await;
}

pub(crate) async fn parked_calls_go_on_once(house: &House) {
    let call = async |who: &str, params: Value| call_elicitation(&house.gateway, who, params).await;
    let asks = json!({"name": "old__test_elicitation", "arguments": {"message": "Who?"}});
    let asked = call("bob", asks.clone()).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let (key, question) = asked["result"]["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Who?");
    let answer = json!({key: {"action": "accept", "content": {"username": "bob", "email": "b@x"}}});
    let with = |params: &Value, state: &Value| {
        let mut params = params.clone();
        params["inputResponses"] = answer.clone();
        params["requestState"] = state.clone();
        params
    };
    let state = &asked["result"]["requestState"];
    let other = json!({"name": "old__test_elicitation", "arguments": {"message": "Somebody else?"}});
    for (who, params) in
        [("carol", with(&asks, state)), ("bob", with(&other, state)), ("bob", with(&asks, &json!("made up")))]
    {
        assert_eq!(call(who, params).await["error"]["code"], -32602);
    }
    let done = call("bob", with(&asks, state)).await;
    assert_eq!(done["id"], 7);
    assert!(
        done["result"]["content"][0]["text"].as_str().unwrap().contains("\"username\":\"bob\""),
        "{done}"
    );
    assert_eq!(call("bob", with(&asks, state)).await["error"]["code"], -32602, "only once");
}

/// Calls the old server's tool that asks, as a client without sessions that can be asked.
pub(crate) async fn call_elicitation(gateway: &Gateway, who: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}).to_string();
    let authorization = format!("Bearer {}", gateway.token(who));
    let headers = [
        ("authorization", authorization.as_str()),
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "old__test_elicitation"),
    ];
    message(&gateway.send(Method::POST, &headers, &body).await)
}

#[tokio::test]
async fn a_single_backend_of_the_other_era_is_reached_too() {
    for (name, router) in [
        ("old", legacy_only(Everything::default().router())),
        ("new", modern_only(Everything::default().router())),
    ] {
        let server = Server::start(router).await;
        let gateway = Gateway::with(|text| {
            let start = text.split("backends:").next().unwrap().to_owned();
            format!("{start}backends:\n  {name}:\n    url: {}\n    auth: none\n", mcp_at(&server))
        })
        .await;
        for era in [Era::Legacy, Era::Modern] {
            let (client, _heard) = connect(&gateway, era).await;
            assert!(client.list_all_tools().await.unwrap().len() > 30, "{era:?} {name}");
            assert_eq!(
                text(&client, "test_list_roots", json!({})).await,
                r#"Roots: [{"uri":"file:///home/somebody"}]"#
            );
        }
    }
}
