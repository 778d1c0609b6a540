//! The gateway from outside, as the program that people run.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever is missing here fails the test, as it should"
)]

mod abilities;
mod anonymous;
mod arms;
mod auth_kinds;
mod balancer;
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
mod lasting;
mod naming;
mod peers;
mod permits;
mod programs;
mod relay;
mod search;
mod sessions;
mod several;
mod several_live;
mod signing_in;
mod startup_rules;
#[path = "../conformance/suite.rs"]
mod suite;
mod tasks;
mod validate;
mod views;
