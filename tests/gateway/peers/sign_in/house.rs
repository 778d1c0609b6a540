//! Providers and AWS around a gateway that signs people in.

use crate::gateway::countersign;
use countersign_fixtures::{
    clock::Clock,
    credentials::Principal,
    forge::Forge,
    sts::{self, Role},
    world::{ACCOUNT, ADMIN, SERVICE, STS_AUDIENCE, USER, World},
};
use countersign_tests::{oidc_provider::Provider, process::Counterpart};
use serde_json::{Value, json};
use std::fs;
use tempfile::{TempDir, tempdir};

/// Who the gateway is at every provider.
const CLIENT: &str = "countersign";
const SECRET: &str = "hush";

/// The providers, and AWS.
pub(super) struct House {
    pub(super) provider: Provider,
    pub(super) forge: Forge,
    pub(super) world: World,
    folder: TempDir,
}

/// A gateway at work.
pub(super) struct Running {
    pub(super) endpoint: String,
    _process: Counterpart,
}

/// What STS is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A token that the gateway makes for STS, which says who it is for in tags.
    Minted,
    /// What the company's provider signed for the gateway. It says nothing for AWS.
    Upstreams,
    /// The gateway's own signature, with tags beside it.
    Brokered,
}

/// How the gateway is set up, besides what is the same everywhere.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) upstreams: &'a [String],
    /// Claims of the gateway's tokens, and which upstream says them.
    pub(super) claims: &'a str,
    pub(super) shown: Shown,
    /// Who is an admin.
    pub(super) admins: &'a str,
    /// The claim that sessions are called by, and that is in a tag.
    pub(super) name: &'a str,
    /// More backends than the warehouse.
    pub(super) more: &'a str,
}

impl House {
    pub(super) async fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret"), SECRET).unwrap();
        Self {
            provider: Provider::start().await,
            forge: Forge::start(CLIENT, SECRET).await,
            world: World::start(Clock::default()).await,
            folder,
        }
    }

    /// The company's provider, as an upstream.
    pub(super) fn corp(&self) -> String {
        let (issuer, client) = (&self.provider.issuer, self.client());
        format!("{{name: corp, title: Example Corp, oidc: {{issuer: '{issuer}', {client}}}}}")
    }

    /// The forge, as an upstream.
    pub(super) fn github(&self) -> String {
        let [authorize, token, user] =
            ["/login/oauth/authorize", "/login/oauth/access_token", "/user"].map(|path| self.forge.url(path));
        let client = self.client();
        format!(
            "{{name: github, title: The Forge, oauth2: {{authorize_url: '{authorize}', token_url: '{token}', \
             userinfo_url: '{user}', subject: id, scopes: ['read:user'], client_authentication: post, {client}}}}}"
        )
    }

    fn client(&self) -> String {
        format!("client_id: {CLIENT}, client_secret: {}", self.secret())
    }

    /// The secret, by reference.
    pub(super) fn secret(&self) -> String {
        self.kept("secret")
    }

    fn kept(&self, name: &str) -> String {
        format!("'file:{}'", self.folder.path().join(name).display())
    }

    /// A gateway before the warehouse, which wants signatures in a role that follows from what is known of the caller.
    pub(super) async fn gateway(&self, setting: &Setting<'_>) -> Running {
        let ((service, region), sts, url) = (SERVICE, self.world.sts.url(), self.world.mcp_url());
        let Setting { claims, shown, admins, name, more, upstreams } = setting;
        let (upstreams, credentials) = (upstreams.join("\n    - "), self.credentials(*shown, name));
        let text = format!(
            "
listen: 127.0.0.1:0
store: {{memory: true}}
authorization_server:
  scopes: [mcp]
  claims: {claims}
  upstreams:
    - {upstreams}
backends:
  warehouse:
    url: {url}
    auth:
      aws:
        service: {service}
        region: {region}
        sts: {{endpoint: '{sts}', region: {region}}}
        session_name: '{{claims.{name}}}'
        roles: {{rules: [{{when: '{admins}', role: '{ADMIN}'}}], fallback: '{USER}'}}
        credentials: {credentials}
{more}"
        );
        let path = self.folder.path().join("gateway.yaml");
        fs::write(&path, text).unwrap();
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(&path));
        let endpoint = process.wait_for("listening on ").await;
        match shown {
            Shown::Minted => self.trust_issuer(&endpoint.replace("/mcp", "/aws"), STS_AUDIENCE, true),
            Shown::Upstreams => self.trust_issuer(&self.provider.issuer, CLIENT, false),
            Shown::Brokered => {}
        }
        Running { endpoint, _process: process }
    }

    fn credentials(&self, shown: Shown, name: &str) -> String {
        let told = format!("\n        source_identity: claims.sub\n        tags: {{Who: claims.{name}}}");
        match shown {
            Shown::Minted => format!("{{web_identity: minted}}{told}"),
            Shown::Upstreams => "{web_identity: {upstream: {provider: corp, token: id}}}".to_owned(),
            Shown::Brokered => {
                let user = self.world.sts.book().issue_user(ACCOUNT, "gateway");
                fs::write(self.folder.path().join("aws"), &user.secret_access_key).unwrap();
                self.trust(
                    &json!({"AWS": ACCOUNT}),
                    "sts:AssumeRole",
                    |_| json!({"StringLike": {"aws:RequestTag/Who": "*"}}),
                );
                let (id, secret) = (user.access_key_id, self.kept("aws"));
                let identity = format!("{{access_key_id: {id}, secret_access_key: {secret}}}");
                format!("brokered{told}\n        service_identity: {identity}")
            }
        }
    }

    /// STS asks `issuer` itself for its keys, and lets its tokens for `audience` in.
    fn trust_issuer(&self, issuer: &str, audience: &str, tagged: bool) {
        let host = issuer.trim_start_matches("http://");
        self.world.sts.add_provider(sts::Provider::new(ACCOUNT, issuer).client(audience)).unwrap();
        let principal = json!({"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")});
        self.trust(&principal, "sts:AssumeRoleWithWebIdentity", |role| {
            let mut condition = json!({"StringEquals": {format!("{host}:aud"): audience}});
            if tagged {
                let name = role.rsplit('/').next().unwrap();
                condition["StringEquals"]["aws:RequestTag/countersign-role"] = name.into();
                condition["StringLike"] = json!({"aws:RequestTag/Who": "*"});
            }
            condition
        });
    }

    fn trust(&self, principal: &Value, action: &str, condition: impl Fn(&str) -> Value) {
        for role in [ADMIN, USER] {
            let policy = json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow",
                "Principal": principal,
                "Action": [action, "sts:TagSession", "sts:SetSourceIdentity"],
                "Condition": condition(role),
            }});
            self.world.sts.add_role(Role::new(role).trusting(policy)).unwrap();
        }
    }

    /// Whoever the oracle believed last.
    pub(super) fn signer(&self) -> Principal {
        let seen = self.world.mcp.oracle().seen();
        seen.iter().rev().find_map(|seen| seen.principal()).expect("something was signed").clone()
    }
}
