//! An MCP server on standard input and output, for suites that start one: `mcp-stdio warehouse|everything`, and then
//! `sessions` or `no-sessions` for one that was taught only that. It says its id on standard error, and of an everything
//! server, how many calls were cancelled.

use countersign_fixtures::mcp::{Taught, everything::Everything, stdio_of, warehouse};
use std::io;

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (server, taught) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [server] => (server, Taught::Everything),
        [server, "sessions"] => (server, Taught::Sessions),
        [server, "no-sessions"] => (server, Taught::NoSessions),
        _ => return Err(usage()),
    };
    eprintln!("process: {}", std::process::id());
    match server {
        "warehouse" => Box::pin(stdio_of(warehouse::handler(), taught)).await,
        "everything" => {
            let everything = Everything::default();
            tokio::select! {
                served = Box::pin(stdio_of(everything.handler(), taught)) => served,
                () = tell_cancelled(&everything) => Ok(()),
            }
        }
        _ => Err(usage()),
    }
}

async fn tell_cancelled(everything: &Everything) {
    for calls in 1.. {
        everything.wait_for_cancelled(calls).await;
        eprintln!("cancelled: {calls}");
    }
}

fn usage() -> io::Error {
    io::Error::other("the arguments are `warehouse` or `everything`, and maybe `sessions` or `no-sessions`")
}
