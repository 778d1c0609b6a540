//! `countersign rotate`: other signing keys.

use super::{
    Failure,
    inbox::{Answer, Order},
    order::give,
};
use clap::Args;
use std::path::PathBuf;

/// Publish other signing keys now, which sign in two hours, when everybody has fetched them
///
/// What the keys of before have signed stays good until it ends. Without this, keys change by themselves.
///
/// Example: countersign rotate -c gateway.yaml
#[derive(Args)]
pub(super) struct Rotate {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

impl Rotate {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Answer::Rotated(new) = give(Order::Rotate, &self.config)? {
            let told = if new { "other keys are published" } else { "other keys were on their way already" };
            println!("{told}");
        }
        Ok(())
    }
}
