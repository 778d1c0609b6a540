//! Who may know whom in this repository, read off the checkout itself.
//!
//! Every rule is also tried on small made-up sources, so that one which cannot fail does not pass for one that holds.
#![allow(clippy::expect_used, clippy::panic, reason = "a checkout that cannot be read has failed")]

mod checkout;
mod dependencies;
mod house;
mod layers;
mod paths;
mod rules;
