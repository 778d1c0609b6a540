//! The MCP servers, seen by rmcp's own client and by JSON written by hand.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

mod everything;
mod misbehaving;
mod stdio;
mod warehouse;
mod world;

use rmcp::{
    ClientHandler,
    model::{CallToolRequestParams, CallToolResult, JsonObject},
    service::{RoleClient, RunningService, ServiceError},
};
use serde_json::Value;

/// The result of a tool that did not fail.
async fn call<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    tool: &'static str,
    arguments: Value,
) -> Result<CallToolResult, ServiceError> {
    let request = CallToolRequestParams::new(tool).with_arguments(object(arguments));
    let result = client.call_tool(request).await?;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    Ok(result)
}

/// Likewise, as JSON.
async fn ask<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    tool: &'static str,
    arguments: Value,
) -> Result<Value, ServiceError> {
    Ok(call(client, tool, arguments).await?.structured_content.unwrap_or_default())
}

/// Likewise, as text.
async fn text<H: ClientHandler>(
    client: &RunningService<RoleClient, H>,
    tool: &'static str,
    arguments: Value,
) -> String {
    let result = call(client, tool, arguments).await.unwrap_or_else(|error| panic!("{tool}: {error}"));
    result.content[0].as_text().expect("the answer is text").text.clone()
}

fn object(value: Value) -> JsonObject {
    serde_json::from_value(value).unwrap()
}
