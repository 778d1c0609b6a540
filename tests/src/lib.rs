//! What the black-box suites share: a plain HTTP client, finding the counterparts that `tests/run` prepared,
//! and running them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a suite that cannot be set up has failed"
)]

pub mod client;
pub mod peers;
pub mod process;
