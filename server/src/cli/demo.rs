//! `countersign demo`: everything in one process, to be tried with curl.

use super::Failure;
use axum::{Router, routing::get};
use clap::Args;
use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
    proof::Identity,
    respond::OAuth,
};
use countersign_fixtures::{clock::Clock, world::World};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

/// Everything in one process, without configuration or network, until Ctrl-C
///
/// An identity provider with three demo people, an STS that enforces trust policies, a service that checks
/// signatures, and a service that verifies its callers. Their keys are made anew for every run.
///
/// Example: countersign demo --listen 127.0.0.1:8080
#[derive(Args)]
pub(super) struct Demo {
    /// Where the verifying service listens; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Listen beyond this machine, where anybody may then mint tokens for anybody
    #[arg(long)]
    dangerous_expose: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !self.listen.ip().is_loopback() && !self.dangerous_expose {
            return Err(Failure {
                what: "the demo lets anybody mint tokens for anybody, so it stays on this machine".to_owned(),
                place: format!("--listen {}", self.listen),
                remedy: "listen on 127.0.0.1, or add --dangerous-expose".to_owned(),
            });
        }
        let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure {
            what: format!("no runtime can be started: {error}"),
            place: "this process".to_owned(),
            remedy: "look at its limits: threads, file descriptors".to_owned(),
        })?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Result<(), Failure> {
        let cannot_listen = |error: std::io::Error| Failure {
            what: format!("cannot listen: {error}"),
            place: format!("--listen {}", self.listen),
            remedy: "choose another address; port 0 takes any that is free".to_owned(),
        };
        let listener = TcpListener::bind(self.listen).await.map_err(cannot_listen)?;
        let resource = format!("http://{}", listener.local_addr().map_err(cannot_listen)?);
        let world = World::start(Clock::default()).await;
        let issuer = world.idp.issuer();
        let verifier =
            Verifier::builder().trust(Issuer::new(issuer, &resource)).build().map_err(|error| Failure {
                what: error.to_string(),
                place: "the demo's own identity provider".to_owned(),
                remedy: "this is a fault of the program; please report it".to_owned(),
            })?;

        println!("identity provider   {issuer}");
        println!("AWS STS             {}", world.sts.url());
        println!("signed service      {}", world.oracle.url());
        println!("verifying service   {resource}");
        println!("\n# who are you? (without a token, with alice's, with an expired one)");
        println!("curl -i {resource}/whoami");
        for fault in ["", r#", "fault": "expired""#] {
            println!(
                "curl -i {resource}/whoami -H \"Authorization: Bearer $(curl -s {issuer}/_mint -d \
                 '{{\"sub\": \"alice\", \"aud\": \"{resource}\"{fault}}}')\""
            );
        }
        print!("{}", world.to_try());

        axum::serve(listener, app(&resource, verifier))
            .with_graceful_shutdown(async {
                // Without a way to be told to stop there is no reason to go on either.
                let _ = tokio::signal::ctrl_c().await;
            })
            .await
            .map_err(cannot_listen)
    }
}

fn app(resource: &str, verifier: Verifier) -> Router {
    let metadata = format!("{resource}/.well-known/oauth-protected-resource");
    Router::new().route("/whoami", get(whoami)).layer(
        ServiceBuilder::new()
            .respond_with(OAuth::new().with_resource_metadata(metadata))
            .verify_identity_for_router(verifier),
    )
}

async fn whoami(caller: Identity) -> String {
    format!("{} says you are {}\n", caller.issuer(), caller.subject())
}
