//! The everything server, beyond what the conformance suite looks at.

use super::{ask, text};
use countersign_fixtures::{
    http::Server,
    mcp::{
        PATH,
        everything::{Change, Everything},
    },
};
use countersign_tests::mcp::{Era, Heard, Person, Wire};
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, GetPromptRequestParams,
        ReadResourceRequestParams, ServerNotification, SubscribeRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, RoleClient, RunningService},
};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];
const WATCHED: &str = "test://watched-resource";

#[tokio::test]
async fn whatever_asks_the_client_asks_in_both_eras() {
    for era in BOTH {
        let (_server, client, _heard) = connect(&Everything::default(), era).await;
        for (tool, arguments, told) in [
            ("test_sampling", json!({"prompt": "Which city?"}), "LLM response: Paris"),
            (
                "test_elicitation",
                json!({"message": "Who?"}),
                r#"User response: action=accept, content={"email":"Ada","username":"Ada"}"#,
            ),
            ("test_elicitation_url", json!({}), "Elicitation completed: action=accept, content=null"),
            ("test_list_roots", json!({}), r#"Roots: [{"uri":"file:///home/somebody"}]"#),
            ("test_missing_capability", json!({}), "You can sample."),
            (
                "test_streaming_elicitation",
                json!({}),
                r#"Elicitation completed: action=accept, content={"ok":true}"#,
            ),
            ("test_input_required_result_request_state", json!({}), "state-ok: it came back unchanged."),
            (
                "test_input_required_result_multiple_inputs",
                json!({}),
                r#"Paris Ada; roots: [{"uri":"file:///home/somebody"}]"#,
            ),
            ("test_input_required_result_multi_round", json!({}), "Ada likes Ada."),
        ] {
            assert_eq!(text(&client, tool, arguments).await, told, "{era:?} {tool}");
        }
        let prompt =
            client.get_prompt(GetPromptRequestParams::new("test_input_required_result_prompt")).await;
        let prompt = json!(prompt.unwrap());
        assert_eq!(prompt["messages"][0]["content"]["text"], "Use this context: Ada", "{era:?}");
        let guarded =
            json!(client.read_resource(ReadResourceRequestParams::new("test://guarded")).await.unwrap());
        assert_eq!(guarded["contents"][0]["text"], "Nobody checks it.", "{era:?}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_is_not_asked() {
    for era in BOTH {
        let server = Server::start(Everything::default().router()).await;
        let client = Wire::default().connect(&format!("{}{PATH}", server.url()), era, ()).await.unwrap();
        let refused = ask(&client, "test_sampling", json!({"prompt": "Which city?"})).await.unwrap_err();
        assert!(refused.to_string().contains("-32021"), "{era:?}: {refused}");
    }
}

#[tokio::test]
async fn progress_is_told_while_a_tool_works() {
    for era in BOTH {
        let (_server, client, mut heard) = connect(&Everything::default(), era).await;
        text(&client, "test_tool_with_progress", json!({})).await;
        for step in [0.0, 50.0, 100.0] {
            assert_eq!(heard.recv().await, Some(Heard::Progress(step)), "{era:?}");
        }
        text(&client, "test_tool_with_logging", json!({})).await;
        // Without a session, only who asks for log messages gets them.
        if era == Era::Legacy {
            assert_eq!(heard.recv().await, Some(Heard::Log(json!("Tool execution started"))));
        } else {
            assert_eq!(heard.try_recv().ok(), None);
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_is_noticed() {
    for era in BOTH {
        let everything = Everything::default();
        let (_server, client, mut heard) = connect(&everything, era).await;
        let request =
            ClientRequest::CallToolRequest(CallToolRequest::new(CallToolRequestParams::new("test_wait")));
        let options = PeerRequestOptions::no_options();
        let waiting = client.send_cancellable_request(request, options).await.unwrap();
        assert_eq!(heard.recv().await, Some(Heard::Progress(0.0)), "{era:?}");
        waiting.cancel(Some("no patience".to_owned())).await.unwrap();
        everything.wait_for_cancelled(1).await;
        assert_eq!(everything.cancelled(), 1, "{era:?}");
    }
}

#[tokio::test]
#[allow(deprecated, reason = "so are subscriptions of sessions")]
async fn subscribers_of_a_session_hear_of_changes() {
    let everything = Everything::default();
    let (_server, client, mut heard) = connect(&everything, Era::Legacy).await;
    client.subscribe(SubscribeRequestParams::new(WATCHED)).await.unwrap();
    let tools = client.list_all_tools().await.unwrap().len();
    for (change, news) in [
        (Change::Tools, Heard::Tools),
        (Change::Prompts, Heard::Prompts),
        (Change::watched_resource(), Heard::Resource(WATCHED.to_owned())),
    ] {
        everything.change(change);
        assert_eq!(heard.recv().await, Some(news));
    }
    assert_eq!(client.list_all_tools().await.unwrap().len(), tools + 1);
    everything.change(Change::Resource("test://another".to_owned()));
    everything.change(Change::Tools);
    assert_eq!(heard.recv().await, Some(Heard::Tools));
    assert_eq!(client.list_all_tools().await.unwrap().len(), tools);
}

#[tokio::test]
async fn subscribers_without_a_session_hear_what_they_chose() {
    let everything = Everything::default();
    let (_server, client, _heard) = connect(&everything, Era::Modern).await;
    let chosen = SubscriptionFilter::builder().tools_list_changed().resource_subscriptions([WATCHED]).build();
    let mut subscription = client.listen(chosen).await.unwrap();
    everything.change(Change::Prompts);
    everything.change(Change::Tools);
    everything.change(Change::Resource("test://another".to_owned()));
    everything.change(Change::watched_resource());
    let first = subscription.next().await.unwrap();
    assert!(matches!(first, Some(ServerNotification::ToolListChangedNotification(_))), "{first:?}");
    let second = subscription.next().await.unwrap();
    let Some(ServerNotification::ResourceUpdatedNotification(update)) = second else {
        panic!("{second:?}");
    };
    assert_eq!(update.params.uri, WATCHED);
}

#[tokio::test]
async fn lists_come_in_pages_if_wanted() {
    for era in BOTH {
        let (_server, client, _heard) = connect(&Everything::default(), era).await;
        let tools = client.list_all_tools().await.unwrap();
        assert!(tools.len() >= 35, "{} tools", tools.len());
        let (_server, client, _heard) = connect(&Everything::default().with_page_size(3), era).await;
        assert_eq!(client.list_all_tools().await.unwrap(), tools, "{era:?}");
        assert_eq!(client.list_tools(None).await.unwrap().tools.len(), 3);
        assert_eq!(client.list_all_resources().await.unwrap().len(), 4);
        assert_eq!(client.list_all_prompts().await.unwrap().len(), 5);
    }
}

#[tokio::test]
async fn the_echo_tells_what_arrived() {
    for era in BOTH {
        let server = Server::start(Everything::default().router()).await;
        let wire = Wire::new(|request| {
            request.headers_mut().insert("x-trace", "seven".parse().unwrap());
        });
        let client = wire.connect(&format!("{}{PATH}", server.url()), era, ()).await.unwrap();
        let told = ask(&client, "test_echo", json!({"odd": [1.0, {"deep": null}]})).await.unwrap();
        assert_eq!(told["arguments"], json!({"odd": [1.0, {"deep": null}]}), "{era:?}");
        assert_eq!(told["headers"]["x-trace"], json!(["seven"]), "{era:?}");
        assert_eq!(told["headers"].get("mcp-session-id").is_some(), era == Era::Legacy, "{told}");
        let version = &told["meta"]["io.modelcontextprotocol/protocolVersion"];
        assert_eq!(version == "2026-07-28", era == Era::Modern, "{told}");
    }
}

/// Keep the server as long as the client is used.
async fn connect(
    everything: &Everything,
    era: Era,
) -> (Server, RunningService<RoleClient, Person>, UnboundedReceiver<Heard>) {
    let server = Server::start(everything.router()).await;
    let (person, heard) = Person::listening();
    let client = Wire::default().connect(&format!("{}{PATH}", server.url()), era, person).await.unwrap();
    (server, client, heard)
}
