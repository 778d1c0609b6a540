//! An MCP server on standard input and output, for suites that start one: `mcp-stdio warehouse|everything`.

use countersign_fixtures::mcp::{everything::Everything, stdio, warehouse};
use std::io;

#[tokio::main]
async fn main() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("warehouse") => Box::pin(stdio(warehouse::handler())).await,
        Some("everything") => Box::pin(stdio(Everything::default().handler())).await,
        _ => Err(io::Error::other("the only argument is `warehouse` or `everything`")),
    }
}
