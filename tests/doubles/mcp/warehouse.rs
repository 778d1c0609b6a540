//! The warehouse, alone and behind its oracle.

use super::{
    ask, object,
    world::{legacy, message, modern, send, sign_as, signing},
};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    mcp::{PATH, warehouse},
    world::{ADMIN, USER, World},
};
use countersign_tests::mcp::{Era, Wire};
use http::StatusCode;
use rmcp::model::{GetPromptRequestParams, ReadResourceRequestParams};
use serde_json::json;

#[tokio::test]
async fn rmcps_client_uses_the_warehouse_in_both_eras() {
    for era in [Era::Legacy, Era::Modern] {
        let stock = warehouse::Stock::default();
        let server = Server::start(warehouse::router_of(stock.clone())).await;
        let client = Wire::default().connect(&format!("{}{PATH}", server.url()), era, ()).await.unwrap();

        let tools = client.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names, ["add_item", "drop_table", "list_items", "read_item", "whoami"], "{era:?}");
        for tool in &tools {
            let hints = tool.annotations.as_ref().unwrap();
            let only_looks = warehouse::READ_ONLY.contains(&tool.name.as_ref());
            assert_eq!(hints.read_only_hint, Some(only_looks), "{}", tool.name);
            assert_eq!(hints.destructive_hint == Some(true), tool.name == "drop_table", "{}", tool.name);
        }

        let item = json!({"sku": "D-400", "name": "kettle", "quantity": 3});
        assert_eq!(ask(&client, "add_item", item.clone()).await.unwrap(), json!({"added": item}));
        assert_eq!(ask(&client, "read_item", json!({"sku": "D-400"})).await.unwrap(), item);
        assert_eq!(stock.find("D-400").unwrap().quantity, 3);
        assert_eq!(ask(&client, "whoami", json!({})).await.unwrap(), json!({"signed": false}));

        let resources = client.list_all_resources().await.unwrap();
        assert_eq!(resources[0].uri, "warehouse://stock");
        let read = ReadResourceRequestParams::new("warehouse://stock/D-400");
        let contents = serde_json::to_value(client.read_resource(read).await.unwrap()).unwrap();
        assert!(contents["contents"][0]["text"].as_str().unwrap().contains("kettle"), "{contents}");
        let restock = GetPromptRequestParams::new("restock").with_arguments(object(json!({"sku": "C-300"})));
        let prompt = serde_json::to_value(client.get_prompt(restock).await.unwrap()).unwrap();
        let question = "There are 7 of lantern (C-300) left. How many to order?";
        assert_eq!(prompt["messages"][0]["content"]["text"], question);

        let dropped = ask(&client, "drop_table", json!({"table": "stock"})).await.unwrap();
        assert_eq!(dropped, json!({"dropped": "stock", "items": 4}));
        assert!(stock.items().is_empty());
        client.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn behind_the_oracle_the_tools_know_who_signed() {
    let world = World::start(Clock::default()).await;
    let book = world.mcp.oracle().book();
    for era in [Era::Legacy, Era::Modern] {
        let alice = book.issue_hour_in(ADMIN, "alice");
        let client = signing(book, &alice).connect(&world.mcp_url(), era, ()).await.unwrap();
        let told = ask(&client, "whoami", json!({})).await.unwrap();
        assert_eq!((&told["role"], &told["session_name"]), (&json!(ADMIN), &json!("alice")), "{era:?}");
        ask(&client, "drop_table", json!({"table": "stock"})).await.unwrap();
        client.cancel().await.unwrap();

        let bob = book.issue_hour_in(USER, "bob");
        let client = signing(book, &bob).connect(&world.mcp_url(), era, ()).await.unwrap();
        assert_eq!(client.list_all_tools().await.unwrap().len(), 5);
        assert_eq!(ask(&client, "list_items", json!({})).await.unwrap(), json!({"items": []}));
        let refusal = ask(&client, "drop_table", json!({"table": "stock"})).await.unwrap_err();
        assert!(refusal.to_string().contains("not authorized to perform"), "{refusal}");
        client.cancel().await.unwrap();
    }
    assert!(world.mcp.oracle().seen().iter().all(|seen| seen.principal().is_some()));
}

#[tokio::test]
async fn a_session_tells_each_requests_signer_apart() {
    let world = World::start(Clock::default()).await;
    let (url, book) = (world.mcp_url(), world.mcp.oracle().book());
    let (alice, bob) = (book.issue_hour_in(ADMIN, "alice"), book.issue_hour_in(USER, "bob"));
    let opening = json!({
        "jsonrpc": "2.0", "id": 0, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"},
        },
    });
    let mut request = legacy(&url, None, &opening);
    sign_as(book, &alice, &mut request);
    let answer = send(request).await;
    let session = answer.header("mcp-session-id").to_owned();
    assert_eq!(message(&answer)["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(message(&answer)["result"]["serverInfo"]["name"], "warehouse");

    let mut request =
        legacy(&url, Some(&session), &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    sign_as(book, &alice, &mut request);
    assert_eq!(send(request).await.status, StatusCode::ACCEPTED);

    let asking = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}});
    for (signer, name) in [(&alice, "alice"), (&bob, "bob"), (&alice, "alice")] {
        let mut request = legacy(&url, Some(&session), &asking);
        sign_as(book, signer, &mut request);
        let answer = message(&send(request).await);
        assert_eq!(answer["result"]["structuredContent"]["session_name"], name, "{answer}");
        assert_eq!(answer["result"].get("resultType"), None, "{answer}");
    }
    let unsigned = send(legacy(&url, Some(&session), &asking)).await;
    assert_eq!(unsigned.status, StatusCode::FORBIDDEN);
    let mut request = legacy(&url, Some("made-up"), &asking);
    sign_as(book, &alice, &mut request);
    assert_eq!(send(request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_modern_request_stands_alone() {
    let server = Server::start(warehouse::router()).await;
    let url = format!("{}{PATH}", server.url());
    let answer = send(modern(&url, "server/discover", json!({}))).await;
    let discovered = message(&answer);
    assert_eq!(answer.header("mcp-session-id"), "");
    assert!(discovered["result"]["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")));

    let answer = message(&send(modern(&url, "tools/call", json!({"name": "list_items"}))).await);
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["items"][0]["name"], "anvil", "{answer}");

    let answer = message(&send(modern(&url, "tools/call", json!({"name": "fly"}))).await);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let wrong = modern(&url, "tools/call", json!({"name": "read_item", "arguments": {"number": 5}}));
    let answer = message(&send(wrong).await);
    assert_eq!(answer["result"]["isError"], true, "{answer}");

    let mut foreign = modern(&url, "tools/list", json!({}));
    foreign.headers_mut().insert("host", "example.com".parse().unwrap());
    assert_eq!(send(foreign).await.status, StatusCode::FORBIDDEN);
}
