//! `countersign`: the command line.

mod cli;
mod config;
mod http;
mod mcp;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the authorization server and the token sources are its users")
)]
mod store;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
