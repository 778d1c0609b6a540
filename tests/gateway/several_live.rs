//! What lives longer than an answer, through several backends, with a client that nobody here wrote: questions to the
//! client, progress, cancellation, changes.

use crate::gateway::{Gateway, mcp_at};
use countersign_fixtures::{
    http::Server,
    mcp::everything::{Change, Everything},
};
use countersign_tests::mcp::{Era, Heard, Person, Wire};
use http::HeaderValue;
use rmcp::{
    model::{
        CallToolRequest, CallToolRequestParams, ClientRequest, ReadResourceRequestParams, ServerNotification,
        SubscribeRequestParams, SubscriptionFilter,
    },
    service::{PeerRequestOptions, RoleClient, RunningService},
};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

const BOTH: [Era; 2] = [Era::Legacy, Era::Modern];
const WATCHED: &str = "test://watched-resource";

type Client = RunningService<RoleClient, Person>;

/// A gateway before the warehouse and two everything servers, and a client of it.
struct House {
    gateway: Gateway,
    one: Everything,
    other: Everything,
    _servers: [Server; 2],
}

impl House {
    async fn build() -> Self {
        let (one, other) = (Everything::default(), Everything::default());
        let servers = [Server::start(one.router()).await, Server::start(other.router()).await];
        let backends = [("one", mcp_at(&servers[0])), ("other", mcp_at(&servers[1]))];
        Self { gateway: Gateway::with_backends(&backends).await, one, other, _servers: servers }
    }

    async fn connect(&self, era: Era) -> (Client, UnboundedReceiver<Heard>) {
        connect(&self.gateway, era).await
    }
}

pub(crate) async fn connect(gateway: &Gateway, era: Era) -> (Client, UnboundedReceiver<Heard>) {
    let token = HeaderValue::try_from(format!("Bearer {}", gateway.token("alice"))).unwrap();
    let wire = Wire::new(move |request| {
        request.headers_mut().insert("authorization", token.clone());
    });
    let (person, heard) = Person::listening();
    (wire.connect(&gateway.endpoint, era, person).await.unwrap(), heard)
}

/// The first text that a tool answers with.
pub(crate) async fn text(client: &Client, tool: &str, arguments: Value) -> String {
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = arguments.as_object().cloned();
    let answer =
        json!(Box::pin(client.call_tool(params)).await.unwrap_or_else(|error| panic!("{tool}: {error}")));
    answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{tool}: {answer}")).to_owned()
}

#[tokio::test]
async fn any_of_them_can_ask_the_client() {
    let house = House::build().await;
    for era in BOTH {
        let (client, _heard) = house.connect(era).await;
        for backend in ["one", "other"] {
            for (tool, arguments, told) in [
                ("test_sampling", json!({"prompt": "Which city?"}), "LLM response: Paris"),
                (
                    "test_elicitation",
                    json!({"message": "Who?"}),
                    r#"User response: action=accept, content={"email":"Ada","username":"Ada"}"#,
                ),
                ("test_list_roots", json!({}), r#"Roots: [{"uri":"file:///home/somebody"}]"#),
                ("test_input_required_result_request_state", json!({}), "state-ok: it came back unchanged."),
                ("test_input_required_result_multi_round", json!({}), "Ada likes Ada."),
            ] {
                let name = format!("{backend}__{tool}");
                assert_eq!(text(&client, &name, arguments).await, told, "{era:?} {name}");
            }
        }
        let guarded =
            Box::pin(client.read_resource(ReadResourceRequestParams::new("test://guarded"))).await.unwrap();
        assert_eq!(json!(guarded)["contents"][0]["text"], "Nobody checks it.", "{era:?}");
    }
}

#[tokio::test]
async fn progress_comes_while_a_tool_works() {
    let house = House::build().await;
    for era in BOTH {
        let (client, mut heard) = house.connect(era).await;
        text(&client, "other__test_tool_with_progress", json!({})).await;
        for step in [0.0, 50.0, 100.0] {
            assert_eq!(heard.recv().await, Some(Heard::Progress(step)), "{era:?}");
        }
    }
}

#[tokio::test]
async fn what_a_client_cancels_ends_where_it_runs() {
    let house = House::build().await;
    for (time, era) in BOTH.into_iter().enumerate() {
        let (client, mut heard) = house.connect(era).await;
        let call = CallToolRequestParams::new("other__test_wait");
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call));
        let options = PeerRequestOptions::no_options();
        let waiting = client.send_cancellable_request(request, options).await.unwrap();
        assert_eq!(heard.recv().await, Some(Heard::Progress(0.0)), "{era:?}");
        waiting.cancel(Some("no patience".to_owned())).await.unwrap();
        house.other.wait_for_cancelled(time + 1).await;
        assert_eq!(house.one.cancelled(), 0, "{era:?}");
    }
}

#[tokio::test]
#[allow(deprecated, reason = "so are subscriptions of sessions")]
async fn the_client_of_a_session_hears_of_changes_anywhere() {
    let house = House::build().await;
    let (client, mut heard) = house.connect(Era::Legacy).await;
    client.subscribe(SubscribeRequestParams::new(WATCHED)).await.unwrap();
    let tools = client.list_all_tools().await.unwrap().len();
    // Both have the resource, and the first of them is the one that is meant.
    for (everything, change, news) in [
        (&house.one, Change::Tools, Heard::Tools),
        (&house.other, Change::Tools, Heard::Tools),
        (&house.other, Change::Prompts, Heard::Prompts),
        (&house.one, Change::watched_resource(), Heard::Resource(WATCHED.to_owned())),
    ] {
        everything.change(change);
        assert_eq!(heard.recv().await, Some(news));
    }
    assert_eq!(client.list_all_tools().await.unwrap().len(), tools + 2);
}

#[tokio::test]
async fn a_subscription_hears_of_changes_anywhere() {
    let house = House::build().await;
    let (client, _heard) = house.connect(Era::Modern).await;
    let other = format!("other+{WATCHED}");
    let chosen =
        SubscriptionFilter::builder().tools_list_changed().resource_subscriptions([WATCHED, &other]).build();
    let mut subscription = client.listen(chosen).await.unwrap();
    house.one.change(Change::Prompts);
    for everything in [&house.one, &house.other] {
        everything.change(Change::Tools);
        let news = subscription.next().await.unwrap();
        assert!(matches!(news, Some(ServerNotification::ToolListChangedNotification(_))), "{news:?}");
    }
    for (everything, uri) in [(&house.one, WATCHED), (&house.other, other.as_str())] {
        everything.change(Change::watched_resource());
        let news = subscription.next().await.unwrap();
        let Some(ServerNotification::ResourceUpdatedNotification(update)) = news else {
            panic!("{news:?}");
        };
        assert_eq!(update.params.uri, uri);
    }
}

#[tokio::test]
async fn a_link_leads_to_the_backend_that_wrote_it() {
    let house = House::build().await;
    for era in BOTH {
        let (client, _heard) = house.connect(era).await;
        let _ = client.list_all_resources().await.unwrap();
        for (backend, tool, uri) in [
            ("one", "test_resource_link", "test://static-text"),
            ("other", "test_resource_link", "other+test://static-text"),
            // What no list has.
            ("one", "test_embedded_resource", "one+test://embedded-resource"),
            ("other", "test_embedded_resource", "other+test://embedded-resource"),
        ] {
            let call = CallToolRequestParams::new(format!("{backend}__{tool}"));
            let linked = json!(Box::pin(client.call_tool(call)).await.unwrap())["content"][0].clone();
            let found = linked["uri"].as_str().or(linked["resource"]["uri"].as_str());
            assert_eq!(found, Some(uri), "{era:?} {backend} {linked}");
        }
        let linked = ReadResourceRequestParams::new("other+test://static-text");
        let read = json!(Box::pin(client.read_resource(linked)).await.unwrap());
        assert_eq!(read["contents"][0]["uri"], "other+test://static-text", "{era:?}");
    }
}
