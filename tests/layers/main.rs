//! The layers, over real HTTP against the doubles.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test, as it should"
)]

mod credentials;
mod identity;
mod log;
mod role;
mod service;
mod signing;
mod tls;
mod world;
