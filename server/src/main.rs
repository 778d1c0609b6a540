//! `countersign`: the command line.

mod cli;
mod config;
mod http;
mod mcp;
mod upstream;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
