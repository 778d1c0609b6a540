//! What the black-box suites share: finding the counterparts that `tests/run` prepared, and running them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a suite that cannot be set up has failed"
)]

pub mod peers;
pub mod process;
