//! Backends that are programs, in every era, for clients of every era.

mod life;

use crate::{
    gateway::{Gateway, mcp_stdio},
    several_live::{connect, text},
};
use countersign_tests::mcp::{Era, Heard, Person};
use futures_util::future::join_all;
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ReadResourceRequestParams, ServerNotification, SubscribeRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, RoleClient, RunningService},
};
use serde_json::json;
use std::time::Instant;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];
const WATCHED: &str = "test://watched-resource";

type Client = RunningService<RoleClient, Person>;

/// One that was taught everything, one with sessions only, and one without.
fn programs() -> [(&'static str, String); 3] {
    [
        ("both", mcp_stdio("everything")),
        ("old", mcp_stdio("everything, sessions")),
        ("new", mcp_stdio("everything, no-sessions")),
    ]
}

#[tokio::test]
async fn every_client_uses_programs_of_every_era() {
    let gateway = Gateway::with_programs(&programs()).await;
    for era in ERAS {
        let (client, mut heard) = connect(&gateway, era).await;
        let tools = client.list_all_tools().await.unwrap();
        for backend in ["warehouse", "both", "old", "new"] {
            let of_it = format!("{backend}__");
            assert!(tools.iter().any(|tool| tool.name.starts_with(&of_it)), "{era:?} {backend}");
        }
        for backend in ["both", "old", "new"] {
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
        for uri in ["test://static-text", "old+test://static-text", "new+test://static-text"] {
            let read =
                json!(Box::pin(client.read_resource(ReadResourceRequestParams::new(uri))).await.unwrap());
            assert_eq!(read["contents"][0]["uri"], uri, "{era:?}: {read}");
        }
    }
}

#[tokio::test]
async fn every_program_can_ask_every_client() {
    let gateway = Gateway::with_programs(&programs()).await;
    for era in ERAS {
        let (client, _heard) = connect(&gateway, era).await;
        for backend in ["both", "old", "new"] {
            for (tool, arguments, told) in [
                ("test_sampling", json!({"prompt": "Which city?"}), "LLM response: Paris"),
                (
                    "test_elicitation",
                    json!({"message": "Who?"}),
                    r#"User response: action=accept, content={"email":"Ada","username":"Ada"}"#,
                ),
                ("test_list_roots", json!({}), r#"Roots: [{"uri":"file:///home/somebody"}]"#),
                ("test_input_required_result_multi_round", json!({}), "Ada likes Ada."),
            ] {
                let name = format!("{backend}__{tool}");
                assert_eq!(text(&client, &name, arguments).await, told, "{era:?} {name}");
            }
        }
    }
}

#[tokio::test]
async fn many_calls_are_on_their_way_at_once() {
    let gateway = Gateway::with_programs(&programs()).await;
    for era in ERAS {
        let (client, _heard) = connect(&gateway, era).await;
        for backend in ["both", "old", "new"] {
            let name = format!("{backend}__test_long_progress");
            let before = Instant::now();
            let calls = (1..=12).map(|steps| {
                let arguments = json!({"steps": steps, "pause_ms": 50});
                let (client, name) = (&client, &name);
                async move { (steps, text(client, name, arguments).await) }
            });
            for (steps, said) in join_all(calls).await {
                assert_eq!(said, format!("Done, in {steps} steps."), "{era:?} {name}");
            }
            // One after the other they would take more than three seconds of pauses.
            assert!(before.elapsed().as_millis() < 2500, "{era:?} {name}: {:?}", before.elapsed());
        }
    }
}

#[tokio::test]
async fn what_a_client_cancels_ends_in_the_program() {
    for era in ERAS {
        for (backend, about) in programs() {
            let gateway = Gateway::with_programs(&[(backend, about)]).await;
            let (client, mut heard) = connect(&gateway, era).await;
            let call = CallToolRequestParams::new(format!("{backend}__test_wait"));
            let request = ClientRequest::CallToolRequest(CallToolRequest::new(call));
            let options = PeerRequestOptions::no_options();
            let waiting = client.send_cancellable_request(request, options).await.unwrap();
            assert_eq!(heard.recv().await, Some(Heard::Progress(0.0)), "{era:?} {backend}");
            waiting.cancel(Some("no patience".to_owned())).await.unwrap();
            gateway.log().wait_for("cancelled: 1", 1).await;
        }
    }
}

#[tokio::test]
#[allow(deprecated, reason = "so are subscriptions of sessions")]
async fn the_client_of_a_session_hears_of_changes_and_nobody_else_does() {
    let gateway = Gateway::with_programs(&[("old", mcp_stdio("everything, sessions"))]).await;
    let (client, mut heard) = connect(&gateway, Era::Legacy).await;
    let (other, mut heard_by_other) = connect(&gateway, Era::Legacy).await;
    for client in [&client, &other] {
        client.subscribe(SubscribeRequestParams::new(WATCHED)).await.unwrap();
    }
    text(&client, "old__test_trigger_resource_update", json!({})).await;
    assert_eq!(heard.recv().await, Some(Heard::Resource(WATCHED.to_owned())));
    text(&client, "old__test_trigger_tool_change", json!({})).await;
    assert_eq!(heard.recv().await, Some(Heard::Tools));
    // The other one has a process of its own, in which nothing has changed.
    text(&other, "old__test_trigger_prompt_change", json!({})).await;
    assert_eq!(heard_by_other.recv().await, Some(Heard::Prompts));
    let processes = gateway.log().wait_for("process: ", 2).await;
    assert_ne!(processes[0], processes[1]);
}

#[tokio::test]
async fn subscriptions_hear_of_changes_in_the_one_process_and_end() {
    let gateway = Gateway::with_programs(&[("new", mcp_stdio("everything, no-sessions"))]).await;
    let (client, _heard) = connect(&gateway, Era::Modern).await;
    let (other, _heard) = connect(&gateway, Era::Modern).await;
    let all = || SubscriptionFilter::builder().tools_list_changed().resource_subscriptions([WATCHED]).build();
    let tools = SubscriptionFilter::builder().tools_list_changed().build();
    let mut of_client = client.listen(all()).await.unwrap();
    let mut of_other = other.listen(tools).await.unwrap();
    text(&other, "new__test_trigger_resource_update", json!({})).await;
    let news = of_client.next().await.unwrap();
    assert!(matches!(news, Some(ServerNotification::ResourceUpdatedNotification(_))), "{news:?}");
    text(&client, "new__test_trigger_tool_change", json!({})).await;
    for subscription in [&mut of_client, &mut of_other] {
        let news = subscription.next().await.unwrap();
        assert!(matches!(news, Some(ServerNotification::ToolListChangedNotification(_))), "{news:?}");
    }
    assert_eq!(gateway.log().wait_for("process: ", 1).await.len(), 1, "one process for everybody");
}

/// Calls a tool, and gives the error that comes of it.
async fn error(client: &Client, tool: &str) -> String {
    let called = Box::pin(client.call_tool(CallToolRequestParams::new(tool.to_owned()))).await;
    called.expect_err("it cannot be done").to_string()
}
