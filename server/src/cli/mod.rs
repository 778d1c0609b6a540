//! What can be asked of the command line.

#[cfg(feature = "demo")]
mod demo;

use clap::{Parser, Subcommand};
use std::{fmt, process::ExitCode};

/// Lets in whom an identity provider vouches for, and signs what they ask for as themselves.
#[derive(Parser)]
#[command(name = "countersign", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
}

#[cfg_attr(not(feature = "demo"), allow(dead_code, reason = "there is no command besides the demo yet"))]
/// What a person is told when a command fails: what, where, and what to do, a line each.
struct Failure {
    what: String,
    place: String,
    remedy: String,
}

/// Parses the arguments and runs the command.
#[cfg_attr(
    not(feature = "demo"),
    allow(unreachable_code, unused_variables, reason = "there is no command besides the demo yet")
)]
pub(crate) fn run() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let outcome: Result<(), Failure> = match command {
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n  where: {}\n  what to do: {}", self.what, self.place, self.remedy)
    }
}
