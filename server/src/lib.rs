//! The gateway. What people use of it is the program `countersign`; nothing here is promised to stay as it is.

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
mod task;
mod upstream;

use std::process::ExitCode;

/// What fuzzers and benchmarks look at.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub use crate::mcp::invariants::{Outcome, codec, events, message, passed_on, session};
}

/// The program: does what the command line says.
pub fn run() -> ExitCode {
    cli::run()
}
