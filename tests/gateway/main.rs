//! The gateway from outside, as the program that people run.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test, as it should"
)]

mod abilities;
mod arms;
mod auth_kinds;
mod batches;
mod bridges;
mod conformance;
mod crashes;
mod demo;
mod door;
mod failures;
mod fidelity;
mod gateway;
mod kept;
mod peers;
mod programs;
mod relay;
mod sessions;
mod several;
mod several_live;
mod signing_in;
mod startup_rules;
#[path = "../conformance/suite.rs"]
mod suite;
mod validate;
mod views;
