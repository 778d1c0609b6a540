//! What can be asked of the command line.

#[cfg(test)]
mod accounts;
#[cfg(feature = "demo")]
mod demo;
mod failure;
mod gateway;
mod inbox;
mod order;
mod revoke;
mod rotate;
mod serve;
#[cfg(test)]
mod sign_in;
mod validate;

use self::failure::Failure;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    Revoke(revoke::Revoke),
    Rotate(rotate::Rotate),
    Serve(serve::Serve),
    Validate(validate::Validate),
}

/// Parses the arguments and runs the command.
pub(crate) fn run() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let outcome = match command {
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run(),
        Command::Revoke(revoke) => revoke.run().map(|()| ExitCode::SUCCESS),
        Command::Rotate(rotate) => rotate.run().map(|()| ExitCode::SUCCESS),
        Command::Serve(serve) => serve.run().map(|()| ExitCode::SUCCESS),
        Command::Validate(validate) => Ok(validate.run()),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        failure.exit()
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| {
        let remedy = "look at its limits: threads, file descriptors";
        Failure::usage(format!("no runtime can be started: {error}"), "this process", remedy)
    })
}

/// Ctrl-C, or what a supervisor sends.
async fn told_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        // Without a way to be told to stop there is no reason to go on either.
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
