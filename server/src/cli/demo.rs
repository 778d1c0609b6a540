//! `countersign demo`: everything in one process, to be tried with curl.

use super::Failure;
use axum::{Json, Router, routing::get};
use clap::Args;
use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
    proof::Identity,
    respond::OAuth,
};
use countersign_fixtures::{clock::Clock, world::World};
use serde_json::json;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

/// Where the verifying service says who issues tokens for it (RFC 9728).
const METADATA: &str = "/.well-known/oauth-protected-resource";

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
    /// Let others reach the verifying service, which believes demo identities; all else stays on this machine
    #[arg(long)]
    dangerous_expose: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.stays_here()?;
        let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure {
            what: format!("no runtime can be started: {error}"),
            place: "this process".to_owned(),
            remedy: "look at its limits: threads, file descriptors".to_owned(),
        })?;
        runtime.block_on(self.serve())
    }

    /// The demo's identity provider makes anybody on this machine whoever they like: nothing for others to rely on.
    fn stays_here(&self) -> Result<(), Failure> {
        if self.listen.ip().is_loopback() || self.dangerous_expose {
            return Ok(());
        }
        Err(Failure {
            what: "the verifying service believes demo identities, so it stays on this machine".to_owned(),
            place: format!("--listen {}", self.listen),
            remedy: "listen on 127.0.0.1, or add --dangerous-expose to let others reach that service"
                .to_owned(),
        })
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

        axum::serve(listener, app(&resource, issuer, verifier))
            .with_graceful_shutdown(async {
                // Without a way to be told to stop there is no reason to go on either.
                let _ = tokio::signal::ctrl_c().await;
            })
            .await
            .map_err(cannot_listen)
    }
}

/// The verifying service. Its metadata are outside of the layers: whoever reads them has no token yet.
fn app(resource: &str, issuer: &str, verifier: Verifier) -> Router {
    let described = json!({
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
    });
    Router::new()
        .route("/whoami", get(whoami))
        .layer(
            ServiceBuilder::new()
                .respond_with(OAuth::new().with_resource_metadata(format!("{resource}{METADATA}")))
                .verify_identity_for_router(verifier),
        )
        .route(METADATA, get(async move || Json(described)))
}

async fn whoami(caller: Identity) -> String {
    format!("{} says you are {}\n", caller.issuer(), caller.subject())
}

#[cfg(test)]
mod tests {
    use super::{super::Arguments, *};
    use crate::cli::Command;
    use axum::{
        body::{Body, to_bytes},
        http::{Request, Response, StatusCode, header::WWW_AUTHENTICATE},
    };
    use clap::Parser;
    use serde_json::Value;
    use tower::ServiceExt;

    const ISSUER: &str = "http://127.0.0.1:1";
    const RESOURCE: &str = "http://127.0.0.1:2";

    #[tokio::test]
    async fn the_challenge_leads_to_who_issues_tokens() {
        let refused = visit("/whoami").await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let challenge = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        let (_, address) = challenge.split_once("resource_metadata=\"").unwrap();
        let (address, _) = address.split_once('"').unwrap();

        let found = visit(address.strip_prefix(RESOURCE).unwrap()).await;
        assert_eq!(found.status(), StatusCode::OK);
        let document = to_bytes(found.into_body(), 1024).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&document).unwrap(),
            json!({
                "resource": RESOURCE,
                "authorization_servers": [ISSUER],
                "bearer_methods_supported": ["header"],
            })
        );
    }

    #[tokio::test]
    async fn nothing_else_is_told_without_a_token() {
        for path in ["/", "/.well-known/openid-configuration", "/.well-known/oauth-protected-resource/whoami"]
        {
            assert_eq!(visit(path).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }

    #[test]
    fn it_stays_on_this_machine_unless_told_otherwise() {
        for elsewhere in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
            let failure = demo(&["--listen", elsewhere]).stays_here().err().unwrap().to_string();
            let [what, place, remedy] = failure.lines().collect::<Vec<_>>()[..] else { panic!("{failure}") };
            assert!(what.starts_with("error: ") && what.contains("stays on this machine"), "{failure}");
            assert_eq!(place, format!("  where: --listen {elsewhere}"));
            assert!(remedy.starts_with("  what to do: listen on 127.0.0.1, or"), "{failure}");
            assert!(remedy.contains("--dangerous-expose"), "{failure}");

            assert!(demo(&["--listen", elsewhere, "--dangerous-expose"]).stays_here().is_ok(), "{elsewhere}");
        }
        for here in [&[][..], &["--listen", "127.0.0.1:8080"], &["--listen", "[::1]:0"]] {
            assert!(demo(here).stays_here().is_ok(), "{here:?}");
        }
    }

    async fn visit(path: &str) -> Response<Body> {
        let verifier = Verifier::builder().trust(Issuer::new(ISSUER, RESOURCE)).build().unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        app(RESOURCE, ISSUER, verifier).oneshot(request).await.unwrap()
    }

    fn demo(arguments: &[&str]) -> Demo {
        let Command::Demo(demo) =
            Arguments::try_parse_from([&["countersign", "demo"], arguments].concat()).unwrap().command;
        demo
    }
}
