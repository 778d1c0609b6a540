use super::broken::Break;
use crate::{
    cli::{Failure, gateway::Gateway},
    config::{self, resolved::own_address},
};
use countersign_fixtures::{
    clock::Clock,
    http::Server,
    idp::Client,
    mcp::{PATH, everything::Everything, warehouse},
    oracle::OracleServer,
    world::{ADMIN, SERVICE, STS_AUDIENCE, USER, World},
};
use std::net::SocketAddr;

/// A provider, an AWS account, and a gateway that signs people in at the one and stands before services in the other.
#[derive(Debug)]
pub(super) struct House {
    pub(super) world: World,
    /// Like the world's warehouse, but for admins only.
    pub(super) archive: OracleServer,
    pub(super) gateway: Gateway,
    pub(super) _workshop: Server,
}

impl House {
    /// Starts the doubles and puts the gateway together from a text, as `serve` does; less what is `broken`.
    pub(super) async fn build(listen: SocketAddr, broken: Option<Break>) -> Result<Self, Failure> {
        let world = World::start(Clock::default()).await;
        let archive = world.service_for_admins(warehouse::router()).await;
        let workshop = Server::start(Everything::default().router()).await;
        // The same at any port, as for every program on somebody's machine.
        world.idp.register(Client::public("countersign").redirect_to("http://127.0.0.1/oauth/callback"));
        let text = configuration(&world, &archive, &workshop, listen, broken);
        let (config, _) = config::parse("the demo's configuration", &text).map_err(Failure::configuration)?;
        let gateway = Box::pin(Gateway::bind(config)).await?;
        world.trust_gateway(&format!("{}/aws", own_address(gateway.public_url())));
        if broken == Some(Break::Trust) {
            world.let_in(ADMIN, "nobody", &[STS_AUDIENCE]);
        }
        Ok(Self { world, archive, gateway, _workshop: workshop })
    }
}

/// What a person would write for this gateway.
fn configuration(
    world: &World,
    archive: &OracleServer,
    workshop: &Server,
    listen: SocketAddr,
    broken: Option<Break>,
) -> String {
    let (service, region) = SERVICE;
    let (issuer, mcp, sts) = (world.idp.issuer(), world.mcp_url(), world.sts.url());
    let region_signed = if broken == Some(Break::Signature) { "eu-north-1" } else { region };
    let fallback = if broken == Some(Break::Role) { String::new() } else { format!("fallback: '{USER}'") };
    let (archive, workshop) = (archive.url(), workshop.url());
    let aws = format!(
        "auth:
      aws:
        service: {service}
        region: {region_signed}
        sts: {{endpoint: '{sts}', region: {region}}}
        session_name: '{{claims.email}}'
        roles:
          rules: [{{when: '\"admins\" in claims.groups', role: '{ADMIN}'}}]"
    );
    format!(
        "
listen: '{listen}'
store: {{memory: true}}
authorization_server:
  upstreams:
    - name: company
      title: The Company
      claims: [groups, email]
      oidc: {{issuer: '{issuer}', client_id: countersign, client_authentication: none}}
backends:
  warehouse:
    url: '{mcp}'
    {aws}
          {fallback}
  archive:
    url: '{archive}{PATH}'
    {aws}
  workshop:
    url: '{workshop}{PATH}'
    auth: none
"
    )
}
