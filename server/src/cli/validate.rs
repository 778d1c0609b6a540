//! `countersign validate`: everything that is wrong with a configuration, at once.

use crate::config;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

/// Tell everything that is wrong with a configuration, without starting anything
///
/// Exit: 0 valid, 1 invalid, 2 usage.
///
/// Example: countersign validate -c gateway.yaml --format json
#[derive(Args)]
pub(super) struct Validate {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Validate {
    pub(super) fn run(self) -> ExitCode {
        let (valid, problems) = match config::load(&self.config) {
            Ok((_, warnings)) => (true, warnings),
            Err(problems) => (false, problems),
        };
        match self.format {
            Format::Text => {
                for problem in &problems {
                    println!("{problem}");
                }
                if valid {
                    println!("{} is valid", self.config.display());
                }
            }
            Format::Json => println!("{}", json!({"valid": valid, "problems": problems})),
        }
        if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
