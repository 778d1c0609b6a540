//! What the black-box suites share: a plain HTTP client, a person with a browser, accounts at providers, MCP clients of others, finding the counterparts that
//! `tests/run` prepared, running them, and the bodies of the fuzz targets.
#![allow(clippy::expect_used, clippy::panic, reason = "a suite that cannot be set up has failed")]

pub mod account;
pub mod client;
pub mod fuzz;
pub mod mcp;
pub mod oidc_provider;
pub mod peers;
pub mod person;
pub mod process;
pub mod redis;
