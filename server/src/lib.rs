//! The gateway. What people use of it is the program `countersign`; nothing here is promised to stay as it is.

// What a gateway does while it serves is one type, and it has more layers than the compiler looks into by itself.
#![recursion_limit = "256"]

mod cli;
mod config;
mod federation;
mod http;
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
    pub use crate::mcp::invariants::{Outcome, answer, codec, events, message, passed_on, session};
}

/// The program: does what the command line says.
pub fn run() -> ExitCode {
    cli::run()
}
