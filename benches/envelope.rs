//! A backend's answer on its way to a client: read as far as it has to be, and under another id.
//!
//! `cargo bench --bench envelope`
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark that cannot run has nothing to report"
)]

use countersign_benches::Contest;
use countersign_server::internals::passed_on;
use rmcp::model::{NumberOrString, ServerJsonRpcMessage};
use serde_json::{Value, json};

fn main() {
    for tools in [1, 10, 100] {
        compare(&answer(tools));
    }
}

fn compare(answer: &str) {
    println!();
    let medians =
        Contest::new(format!("an answer of {} bytes, read and passed on with another id", answer.len()))
            .entry("as it is", || passed_on(answer.as_bytes(), "4711").expect("it is an answer"))
            .entry("serde_json::Value", || {
                let mut value: Value = serde_json::from_str(answer).expect("it is JSON");
                if let Some(id) = value.get_mut("id") {
                    *id = 4711.into();
                }
                serde_json::to_string(&value).expect("it is JSON again")
            })
            .entry("the types of rmcp", || {
                let mut message: ServerJsonRpcMessage =
                    serde_json::from_str(answer).expect("it is a message");
                if let ServerJsonRpcMessage::Response(response) = &mut message {
                    response.id = NumberOrString::Number(4711);
                }
                serde_json::to_string(&message).expect("it is JSON again")
            })
            .run();
    if let [ours, value, types] = medians[..] {
        let times = |peer: std::time::Duration| peer.as_secs_f64() / ours.as_secs_f64();
        println!("  {:.1} times cheaper than a tree, {:.1} times than types", times(value), times(types));
    }
}

/// A list of tools as servers send them: about 590 bytes each.
fn answer(tools: usize) -> String {
    let tool = |n: usize| {
        json!({
            "name": format!("search_orders_{n:03}"),
            "title": "Search orders",
            "description": "Finds orders by customer, status and date, newest first. Takes a page at a time; \
                            the answer says where the next one begins. Does not change anything.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "customer": {"type": "string", "description": "The customer's number, or a part of the name"},
                    "status": {"type": "string", "enum": ["open", "paid", "shipped", "returned"]},
                    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                },
                "required": ["customer"],
                "additionalProperties": false,
            },
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        })
    };
    let tools: Vec<Value> = (0..tools).map(tool).collect();
    json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools}}).to_string()
}
