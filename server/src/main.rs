//! `countersign`: the command line.

mod cli;
mod config;
mod http;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "its endpoints are to come; these are what they are made of")
)]
mod issuer;
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
