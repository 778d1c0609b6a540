//! `countersign serve`: the gateway.

use super::{Failure, gateway::Gateway};
use crate::config::{self, callers::UNEXPOSED};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};
use tracing_subscriber::EnvFilter;

/// Run the gateway that a configuration describes, until Ctrl-C or SIGTERM
///
/// The log goes to standard error; RUST_LOG chooses how much of it (default: info).
///
/// Example: countersign serve -c gateway.yaml --listen 127.0.0.1:8080
#[derive(Args)]
pub(super) struct Serve {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Where to listen, whatever the configuration says; port 0 is any that is free
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (mut config, warnings) = config::load(&self.config).map_err(Failure::configuration)?;
        for warning in warnings {
            eprintln!("{warning}");
        }
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if !config.callers.may_call_at(config.listen) {
            let what = "callers are anonymous, and other machines would reach this server";
            return Err(Failure::usage(what, format!("--listen {}", config.listen), UNEXPOSED));
        }
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
        super::runtime()?.block_on(async {
            let gateway = Box::pin(Gateway::bind(config)).await?;
            println!("listening on {}", gateway.endpoint());
            Box::pin(gateway.serve(super::told_to_stop())).await
        })
    }
}
