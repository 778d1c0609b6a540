//! The official Python client uses what rmcp serves: neither knows our wire.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use countersign_fixtures::{
    http::Server,
    mcp::{PATH, everything::Everything, warehouse},
};
use countersign_tests::mcp::Python;
use serde_json::json;

#[tokio::test]
async fn it_lists_and_calls_tools_in_both_eras() {
    for (mode, version) in [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")] {
        let stock = warehouse::Stock::default();
        let server = Server::start(warehouse::router_of(stock.clone())).await;
        let url = format!("{}{PATH}", server.url());
        let item = json!({"sku": "D-400", "name": "kettle", "quantity": 3});
        let steps = [
            json!({"do": "list"}),
            json!({"do": "call", "name": "add_item", "arguments": item}),
            json!({"do": "call", "name": "read_item", "arguments": {"sku": "D-400"}}),
            json!({"do": "call", "name": "read_item", "arguments": {"sku": "Z-900"}}),
            json!({"do": "call", "name": "fly"}),
            json!({"do": "read", "uri": "warehouse://stock/D-400"}),
            json!({"do": "prompt", "name": "restock", "arguments": {"sku": "D-400"}}),
        ];
        let mut python = Python::new(&url, mode).start(&steps);
        assert_eq!(python.wait_for("connected:").await["version"], version, "{mode}");
        let [listed, added, read, missing, unknown, resource, prompt] = python.answers().await;

        assert_eq!(listed["tools"].as_array().unwrap().len(), 5, "{mode}: {listed}");
        assert_eq!(added["structuredContent"], json!({"added": item}), "{mode}: {added}");
        assert_eq!(read["structuredContent"], item, "{mode}: {read}");
        assert_eq!(missing["isError"], true, "{mode}: {missing}");
        assert_eq!(unknown["error"]["code"], -32602, "{mode}: {unknown}");
        assert!(resource["contents"][0]["text"].as_str().unwrap().contains("kettle"), "{mode}: {resource}");
        let question = prompt["messages"][0]["content"]["text"].as_str().unwrap();
        assert!(question.starts_with("There are 3 of kettle"), "{mode}: {prompt}");
        assert_eq!(stock.items().len(), 4);
    }
}

#[tokio::test]
async fn its_token_arrives_with_every_request() {
    for mode in ["legacy", "auto"] {
        let server = Server::start(Everything::default().router()).await;
        let url = format!("{}{PATH}", server.url());
        let steps =
            [json!({"do": "call", "name": "test_echo", "arguments": {"n": 1}}), json!({"do": "prompts"})];
        let mut python = Python::new(&url, mode).with_token("a.b.c").start(&steps);
        assert_eq!(python.wait_for("connected:").await["server"], "everything", "{mode}");
        let [echo, prompts] = python.answers().await;
        assert_eq!(echo["structuredContent"]["headers"]["authorization"], json!(["Bearer a.b.c"]), "{mode}");
        assert_eq!(echo["structuredContent"]["arguments"], json!({"n": 1}), "{mode}");
        assert_eq!(prompts["prompts"].as_array().unwrap().len(), 5, "{mode}");
        assert_eq!(prompts["http"], json!([200]), "{mode}");
    }
}

#[tokio::test]
async fn it_says_why_it_cannot_connect() {
    let server = Server::start(Everything::default().router()).await;
    let url = format!("{}/elsewhere", server.url());
    for mode in ["legacy", "auto"] {
        let told = Python::new(&url, mode).start(&[]).wait_for("failed:").await;
        assert!(told["error"].as_str().is_some_and(|error| !error.is_empty()), "{told}");
        assert!(told["http"].as_array().unwrap().contains(&json!(404)), "{told}");
    }
}
