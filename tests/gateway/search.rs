//! Two tools in place of many: what is found is what may be called, and is called as if it had been called by its name.

use crate::gateway::{Gateway, mcp_at, message, modern_body, unsigned};
use countersign_fixtures::{
    http::Server,
    mcp::{Listening, everything::Everything, legacy_only, modern_only},
};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const SEARCH: &str = "tools: {search: true}\n";

/// The warehouse, and everything else without signatures, where `more` is said of the gateway.
async fn searching(server: axum::Router, more: &str) -> (Gateway, Server, Listening) {
    let heard = Listening::default();
    let server = Server::start(heard.before(server)).await;
    let all = unsigned(&[("all", mcp_at(&server))]);
    (Gateway::with(|text| text + &all + SEARCH + more).await, server, heard)
}

async fn call(gateway: &Gateway, who: &str, tool: &str, arguments: Value) -> Value {
    message(&gateway.modern(who, "tools/call", json!({"name": tool, "arguments": arguments})).await)
}

/// A tool by its own name, by way of ours.
async fn called(gateway: &Gateway, who: &str, tool: &str, arguments: Value) -> Value {
    call(gateway, who, "call_tool", json!({"name": tool, "arguments": arguments})).await
}

fn found(answer: &Value) -> Vec<&str> {
    let tools =
        answer["result"]["structuredContent"]["tools"].as_array().unwrap_or_else(|| panic!("{answer}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_client_sees_two_tools_and_finds_and_calls_the_others() {
    let (gateway, _server, _heard) = searching(Everything::default().router(), "").await;
    let (session, _) = gateway.initialize("alice").await;
    for modern in [true, false] {
        let ask = async |method: &str, params: Value| {
            let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
            message(&match modern {
                true => gateway.modern("alice", method, params).await,
                false => gateway.in_session("alice", &session, Method::POST, &body).await,
            })
        };
        let tools = ask("tools/list", json!({})).await;
        let names: Vec<_> =
            tools["result"]["tools"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, ["find_tool", "call_tool"], "{tools}");
        let query = json!({"name": "find_tool", "arguments": {"query": "drop the table", "limit": 2}});
        let answer = ask("tools/call", query).await;
        assert_eq!(found(&answer)[0], "warehouse__drop_table", "{answer}");
        let tool = &answer["result"]["structuredContent"]["tools"][0];
        assert!(
            tool["description"].is_string() && tool["inputSchema"]["properties"]["table"].is_object(),
            "{tool}"
        );
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), answer["result"]["structuredContent"]);
        assert_eq!(answer["result"]["_meta"]["countersign/backends"]["all"]["status"], "ok");
        let me = json!({"name": "call_tool", "arguments": {"name": "warehouse__whoami"}});
        let me = ask("tools/call", me).await;
        assert_eq!(me["result"]["structuredContent"]["signed"], true, "{me}");
        // By its own name as well: what is searched is not hidden.
        let me = ask("tools/call", json!({"name": "warehouse__whoami", "arguments": {}})).await;
        assert_eq!(me["result"]["structuredContent"]["signed"], true, "{me}");
    }
    for (arguments, text) in [
        (json!({}), "Say `query`"),
        (json!({"query": 7}), "Say `query`"),
        (json!({"query": "x", "limit": 0}), "between 1 and 20"),
        (json!({"query": "zzz"}), r#"{"tools":[]}"#),
    ] {
        let answer = call(&gateway, "alice", "find_tool", arguments).await;
        assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains(text), "{answer}");
    }
    for nested in ["call_tool", "find_tool", "nobody"] {
        let answer = called(&gateway, "alice", nested, json!({"query": "x"})).await;
        assert_eq!(answer["error"]["message"], format!("there is no tool `{nested}`"));
    }
}

#[tokio::test]
async fn nobody_finds_or_calls_what_the_rules_hide_and_overrides_count() {
    let rules = "authorization:
  rules:
    - \"'admins' in claims.groups\"
    - tool.read_only
    - when: tool.name == 'add_item'
      scopes: [stock:write]
";
    let (gateway, _server, _heard) = searching(Everything::default().router(), rules).await;
    let query = json!({"query": "drop table whoami", "limit": 20});
    let admin = call(&gateway, "alice", "find_tool", query.clone()).await;
    assert!(found(&admin).contains(&"warehouse__drop_table"), "{admin}");
    let other = call(&gateway, "bob", "find_tool", query).await;
    assert!(!found(&other).contains(&"warehouse__drop_table"), "{other}");
    assert!(found(&other).contains(&"warehouse__whoami"), "{other}");
    let hidden = called(&gateway, "bob", "warehouse__drop_table", json!({"table": "stock"})).await;
    assert_eq!(hidden["error"]["message"], "there is no tool `warehouse__drop_table`", "{hidden}");
    let item =
        json!({"name": "warehouse__add_item", "arguments": {"sku": "Z-1", "name": "bell", "quantity": 1}});
    let lacking = json!({"name": "call_tool", "arguments": item});
    let lacking = gateway.modern("bob", "tools/call", lacking).await;
    assert_eq!(lacking.status, StatusCode::FORBIDDEN);
    assert!(lacking.header("www-authenticate").contains("scope=\"stock:write\""));
}

#[tokio::test]
async fn arguments_that_travel_as_headers_do_so_by_search_too() {
    let (gateway, _server, heard) = searching(modern_only(Everything::default().router()), "").await;
    let arguments = json!({"region": "eu-central-1", "priority": 2});
    let answer = called(&gateway, "bob", "all__test_custom_headers", arguments.clone()).await;
    assert_eq!(answer["result"]["structuredContent"]["arguments"], arguments, "{answer}");
    let request = heard.requests().pop().unwrap();
    for header in
        ["mcp-name: test_custom_headers\n", "mcp-param-region: eu-central-1\n", "mcp-param-priority: 2\n"]
    {
        assert!(request.contains(header), "{header}: {request}");
    }
}

#[tokio::test]
async fn streams_and_questions_pass_by_search_too() {
    for server in [modern_only(Everything::default().router()), legacy_only(Everything::default().router())] {
        let (gateway, _server, _heard) = searching(server, "").await;
        let authorization = format!("Bearer {}", gateway.token("bob"));
        let ask = async |mut params: Value| {
            params["name"] = "call_tool".into();
            let mut body: Value = serde_json::from_str(&modern_body("tools/call", params)).unwrap();
            body["params"]["_meta"]["progressToken"] = "mine".into();
            body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
                json!({"elicitation": {"form": {}}, "sampling": {}, "roots": {}});
            let headers = [
                ("authorization", authorization.as_str()),
                ("mcp-protocol-version", crate::gateway::MODERN),
                ("mcp-method", "tools/call"),
                ("mcp-name", "call_tool"),
            ];
            gateway.send(Method::POST, &headers, &body.to_string()).await
        };
        let progress = ask(json!({"arguments": {"name": "all__test_tool_with_progress"}})).await.text();
        assert!(progress.contains("notifications/progress"), "{progress}");
        assert!(progress.contains(r#""progressToken":"mine""#), "{progress}");
        let asks = json!({"name": "all__test_elicitation", "arguments": {"message": "who?"}});
        let asked = message(&ask(json!({"arguments": asks})).await);
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let requests = asked["result"]["inputRequests"].as_object().unwrap();
        let answers: serde_json::Map<_, _> = requests
            .keys()
            .map(|key| {
                (
                    key.clone(),
                    json!({"action": "accept", "content": {"username": "u", "email": "u@example.com"}}),
                )
            })
            .collect();
        let mut again = json!({"arguments": asks, "inputResponses": answers});
        if !asked["result"]["requestState"].is_null() {
            again["requestState"] = asked["result"]["requestState"].clone();
        }
        let done = message(&ask(again).await);
        assert!(done["result"]["content"][0]["text"].is_string(), "{done}");
    }
}
