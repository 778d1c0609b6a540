//! The official Python client through `serve`. It belongs to the suite `peers`, which prepares it.

mod exchange;

use crate::gateway::{Gateway, LEGACY, MODERN};
use countersign_fixtures::world::{ADMIN, USER};
use countersign_tests::mcp::Python;
use serde_json::{Value, json};

#[tokio::test]
async fn python_lists_and_calls_signed_tools_in_both_eras() {
    for (mode, version) in [("legacy", LEGACY), ("auto", MODERN), (MODERN, MODERN)] {
        let gateway = Gateway::start().await;
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let item = json!({"sku": format!("{who}-1"), "name": "kettle", "quantity": 3});
            let steps = [
                json!({"do": "list"}),
                json!({"do": "call", "name": "whoami"}),
                json!({"do": "call", "name": "add_item", "arguments": item}),
                json!({"do": "read", "uri": "warehouse://stock"}),
                json!({"do": "prompts"}),
            ];
            let client = Python::new(&gateway.endpoint, mode).with_token(&gateway.token(who));
            let mut python = client.start(&steps);
            assert_eq!(python.wait_for("connected:").await["version"], version, "{mode} {who}");
            let [listed, me, added, stock, prompts]: [Value; 5] = python.answers().await;

            assert_eq!(listed["tools"].as_array().unwrap().len(), 5, "{mode} {who}: {listed}");
            assert_eq!(me["structuredContent"]["role"], role, "{mode} {who}: {me}");
            assert_eq!(me["structuredContent"]["session_name"], format!("{who}@example.com"));
            if who == "alice" {
                assert_eq!(added["structuredContent"]["added"], item, "{mode}: {added}");
            } else {
                let said = added["error"]["message"].as_str().unwrap();
                assert_eq!(said, "backend `warehouse` does not let your role do this", "{mode}: {added}");
            }
            assert!(stock["contents"][0]["text"].is_string(), "{mode} {who}: {stock}");
            assert_eq!(prompts["prompts"][0]["name"], "restock", "{mode} {who}: {prompts}");
        }
        let unsigned: Vec<_> =
            gateway.world.mcp.oracle().seen().into_iter().filter(|seen| seen.principal().is_none()).collect();
        assert!(unsigned.is_empty(), "{mode}: {unsigned:?}");
    }
}

#[tokio::test]
async fn python_without_a_good_token_is_turned_away() {
    let gateway = Gateway::start().await;
    let mut python = Python::new(&gateway.endpoint, "auto").with_token("forged").start(&[]);
    let failed = python.wait_for("failed:").await;
    assert_eq!(failed["http"][0], 401, "{failed}");
    assert!(gateway.world.mcp.oracle().seen().is_empty());
}
