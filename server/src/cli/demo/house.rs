use super::broken::Break;
use crate::{
    cli::{Failure, gateway::Gateway},
    config,
};
use countersign_fixtures::{
    clock::Clock,
    world::{ADMIN, SERVICE, USER, World},
};
use std::net::SocketAddr;

/// A provider, an AWS account, and a gateway that stands before its MCP server.
#[derive(Debug)]
pub(super) struct House {
    pub(super) world: World,
    pub(super) gateway: Gateway,
}

impl House {
    /// Starts the doubles and puts the gateway together from a text, as `serve` does; less what is `broken`.
    pub(super) async fn build(listen: SocketAddr, broken: Option<Break>) -> Result<Self, Failure> {
        let world = World::start(Clock::default()).await;
        let text = configuration(&world, listen, broken);
        let (config, _) = config::parse("the demo's configuration", &text).map_err(Failure::configuration)?;
        let gateway = Box::pin(Gateway::bind(config)).await?;
        // The callers' own tokens go to STS, which has to know whom they are for.
        let endpoint = gateway.endpoint();
        world.trust_tokens_for(&[&endpoint]);
        if broken == Some(Break::Trust) {
            world.let_in(ADMIN, "nobody", &[&endpoint]);
        }
        Ok(Self { world, gateway })
    }
}

/// What a person would write for this gateway.
fn configuration(world: &World, listen: SocketAddr, broken: Option<Break>) -> String {
    let (service, region) = SERVICE;
    let (issuer, mcp, sts) = (world.idp.issuer(), world.mcp_url(), world.sts.url());
    let region_signed = if broken == Some(Break::Signature) { "eu-north-1" } else { region };
    let fallback = if broken == Some(Break::Role) { String::new() } else { format!("fallback: '{USER}'") };
    format!(
        "
listen: '{listen}'
identity:
  issuers: [{{issuer: '{issuer}'}}]
backends:
  warehouse:
    url: '{mcp}'
    auth:
      aws:
        service: {service}
        region: {region_signed}
        sts: {{endpoint: '{sts}', region: {region}}}
        session_name: '{{claims.email}}'
        roles:
          rules: [{{claim: admins, role: '{ADMIN}'}}]
          {fallback}
"
    )
}
