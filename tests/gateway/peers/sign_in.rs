//! Whole journeys: clients that nobody here wrote find the gateway's own authorization server, register, send a person
//! there, who signs in at a provider that nobody here wrote either, and call a tool behind a signature. What AWS saw is
//! what the provider says of that person.

use crate::gateway::countersign;
use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
};
use countersign_fixtures::{
    clock::Clock,
    forge::Forge,
    http::Server,
    mcp::{PATH, everything::Everything},
    sts,
    wire::Tap,
    world::{ACCOUNT, ADMIN, SERVICE, USER, World},
};
use countersign_tests::{mcp::Python, oidc_provider::Provider, peers, person::Person, process::Counterpart};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};
use tempfile::{TempDir, tempdir};
use tokio::process::Command;
use tower::ServiceBuilder;

/// Who the gateway is at every provider.
const CLIENT: &str = "countersign";
const SECRET: &str = "hush";
/// What tokens are for that the provider gives in exchange.
const REPORTS: &str = "https://backend.example";

/// The providers and AWS around a gateway.
struct House {
    provider: Provider,
    forge: Forge,
    world: World,
    folder: TempDir,
}

impl House {
    async fn new() -> Self {
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
    fn corp(&self) -> String {
        let (issuer, client) = (&self.provider.issuer, self.client());
        format!("{{name: corp, title: Example Corp, oidc: {{issuer: '{issuer}', {client}}}}}")
    }

    /// The forge, as an upstream; `more` goes along.
    fn github(&self, more: &str) -> String {
        let [authorize, token, user] =
            ["/login/oauth/authorize", "/login/oauth/access_token", "/user"].map(|path| self.forge.url(path));
        let client = self.client();
        format!(
            "{{name: github, title: The Forge, {more}oauth2: {{authorize_url: '{authorize}', token_url: '{token}', \
             userinfo_url: '{user}', subject: id, scopes: ['read:user'], client_authentication: post, {client}}}}}"
        )
    }

    fn client(&self) -> String {
        format!("client_id: {CLIENT}, client_secret: {}", self.secret())
    }

    fn secret(&self) -> String {
        format!("'file:{}'", self.folder.path().join("secret").display())
    }

    /// The warehouse, which wants signatures of `credentials` by a role that follows from what is known of the caller.
    fn warehouse(&self, credentials: &str, admins: &str, session_name: &str) -> String {
        let ((service, region), sts, url) = (SERVICE, self.world.sts.url(), self.world.mcp_url());
        format!(
            "  warehouse:
    url: {url}
    auth:
      aws:
        service: {service}
        region: {region}
        sts: {{endpoint: '{sts}', region: {region}}}
        credentials: {credentials}
        session_name: '{session_name}'
        roles: {{rules: [{{when: '{admins}', role: '{ADMIN}'}}], fallback: '{USER}'}}
"
        )
    }

    /// The gateway assumes roles as a user of the account, who has to name tags.
    fn brokered(&self) -> String {
        let user = self.world.sts.book().issue_user(ACCOUNT, "gateway");
        let secret = self.folder.path().join("aws");
        fs::write(&secret, &user.secret_access_key).unwrap();
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT},
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": {"StringLike": {"aws:RequestTag/Person": "*"}},
        }});
        for role in [ADMIN, USER] {
            self.world.sts.add_role(sts::Role::new(role).trusting(policy.clone())).unwrap();
        }
        let (key, secret) = (user.access_key_id, secret.display());
        format!(
            "brokered
        service_identity: {{access_key_id: {key}, secret_access_key: 'file:{secret}'}}
        source_identity: claims.sub
        tags: {{Person: claims.sub}}"
        )
    }

    /// STS is shown what the company's provider signed for us, and asks that provider for its keys.
    fn upstreams_own(&self) -> String {
        let issuer = &self.provider.issuer;
        let host = issuer.trim_start_matches("http://");
        self.world.sts.add_provider(sts::Provider::new(ACCOUNT, issuer.as_str()).client(CLIENT)).unwrap();
        for (role, subject) in [(ADMIN, "alice"), (USER, "*")] {
            let policy = json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{host}")},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {format!("{host}:aud"): CLIENT},
                    "StringLike": {format!("{host}:sub"): subject},
                },
            }});
            self.world.sts.add_role(sts::Role::new(role).trusting(policy)).unwrap();
        }
        "{web_identity: {upstream: {provider: corp, token: id}}}".to_owned()
    }

    async fn gateway(&self, upstreams: &[String], claims: &str, backends: &str) -> Running {
        let upstreams = upstreams.join("\n    - ");
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
{backends}"
        );
        let path = self.folder.path().join("gateway.yaml");
        fs::write(&path, text).unwrap();
        let mut process = Counterpart::start(countersign().arg("serve").arg("-c").arg(&path));
        Running { endpoint: process.wait_for("listening on ").await, _process: process }
    }

    /// The last role and session name that the oracle believed.
    fn signer(&self) -> String {
        let seen = self.world.mcp.oracle().seen();
        let signer = seen.iter().rev().find_map(|seen| seen.principal()).expect("something was signed");
        signer.arn.clone()
    }
}

struct Running {
    endpoint: String,
    _process: Counterpart,
}

/// The clients of every version and era.
fn clients(gateway: &Running) -> [(&'static str, Python); 3] {
    let url = &gateway.endpoint;
    [
        ("the first version", Python::first(url).signing_in()),
        ("with sessions", Python::new(url, "legacy").signing_in()),
        ("without sessions", Python::new(url, "auto").signing_in()),
    ]
}

fn assumed(role: &str, session: &str) -> String {
    let name = role.rsplit('/').next().unwrap();
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}")
}

const BY_GROUP: &str = "\"admins\" in claims.groups";
const FROM_CORP: &str = "{groups: upstream.corp.groups, email: upstream.corp.email}";

#[tokio::test]
async fn python_signs_in_at_a_real_provider_and_acts_in_the_role_of_the_persons_group() {
    let house = House::new().await;
    for how in ["web identity", "brokered"] {
        let credentials = if how == "brokered" { house.brokered() } else { house.upstreams_own() };
        let warehouse = house.warehouse(&credentials, BY_GROUP, "{claims.email}");
        let gateway = house.gateway(&[house.corp()], FROM_CORP, &warehouse).await;
        // What becomes of the token is the same whoever sent it.
        let clients = clients(&gateway).into_iter().skip(if how == "brokered" { 2 } else { 0 });
        for (version, client) in clients {
            for (who, role) in [("alice", ADMIN), ("bob", USER)] {
                let case = format!("{how}, {version}, {who}");
                let whoami = json!({"do": "call", "name": "whoami"});
                let steps = [whoami.clone(), json!({"do": "expire"}), whoami, json!({"do": "list"})];
                let mut python = client.start(&steps);
                let mut person = Person::called(who);
                person.serve(python.wait_for("visit:").await["url"].as_str().unwrap()).await;
                assert!(person.saw("Let A Python client act for you?"), "{case}: {person:?}");
                // What a client hears that knows nothing: no token, metadata twice, itself, its tokens, welcome.
                let connected = python.wait_for("connected:").await;
                let heard: Vec<_> = connected["http"].as_array().unwrap().iter().take(6).cloned().collect();
                assert_eq!(json!(heard), json!([401, 200, 200, 201, 200, 200]), "{case}: {connected}");
                let [me, expired, again, listed]: [Value; 4] = python.answers().await;
                assert_eq!(me["structuredContent"]["role"], role, "{case}: {me}");
                assert_eq!(me["structuredContent"]["session_name"], format!("{who}@example.com"), "{case}");
                assert_eq!(
                    (&expired["token_type"], &expired["refreshable"]),
                    (&json!("Bearer"), &json!(true))
                );
                assert_eq!(again["structuredContent"]["role"], role, "{case}: {again}");
                assert_eq!(
                    again["http"],
                    json!([200, 200]),
                    "{case}: it renews its token, and is not asked again"
                );
                assert_eq!(listed["tools"].as_array().unwrap().len(), 5, "{case}: {listed}");
                assert_eq!(house.signer(), assumed(role, &format!("{who}@example.com")), "{case}");
            }
        }
    }
    let (log, tag) = (house.world.sts.log(), "Tags.member.1.Value");
    let brokered: Vec<_> = log.iter().filter(|call| call.action == "AssumeRole").collect();
    let people: BTreeSet<_> = brokered.iter().map(|call| call.parameters[tag].as_str()).collect();
    assert_eq!(people, ["alice", "bob"].into(), "what the only provider calls somebody is what we do");
    assert!(brokered.iter().all(|call| call.parameters["SourceIdentity"] == call.parameters[tag]));
    assert!(house.world.sts.calls("AssumeRoleWithWebIdentity") >= 2);
}

#[tokio::test]
async fn python_signs_in_at_a_provider_that_knows_oauth_alone() {
    let house = House::new().await;
    let warehouse = house.warehouse(&house.brokered(), "claims.login == \"alice\"", "{claims.login}");
    let open = Server::start(Everything::default().router()).await;
    let tap = Tap::before(open.address()).await;
    let notes =
        format!("  notes: {{url: '{}{PATH}', auth: {{upstream_token: {{provider: github}}}}}}\n", tap.url());
    let gateway =
        house.gateway(&[house.github("")], "{login: upstream.github.login}", &(warehouse + &notes)).await;
    for (version, client) in clients(&gateway) {
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let steps = [
                json!({"do": "call", "name": "warehouse__whoami"}),
                json!({"do": "call", "name": "notes__test_simple_text"}),
            ];
            let mut python = client.start(&steps);
            let mut person = Person::called(who);
            person.serve(python.wait_for("visit:").await["url"].as_str().unwrap()).await;
            assert!(person.saw("Sign in to the forge"), "{version} {who}: {person:?}");
            let [me, text]: [Value; 2] = python.answers().await;
            assert_eq!(me["structuredContent"]["role"], role, "{version} {who}: {me}");
            assert_eq!(me["structuredContent"]["session_name"], who, "{version} {who}: {me}");
            assert_eq!(text["content"][0]["type"], "text", "{version} {who}: {text}");
            let token = tap.bearer_tokens().pop().unwrap();
            assert_eq!(
                house.forge.owner(&token).as_deref(),
                Some(who),
                "{version}: the backend gets the forge's token"
            );
            let log = house.world.sts.log();
            let of_this_one =
                |call: &&sts::Call| call.parameters.get("RoleSessionName").is_some_and(|name| name == who);
            let subject = &log.iter().find(of_this_one).unwrap().parameters;
            let number = house.forge.number(who).unwrap().to_string();
            assert_eq!(
                subject["SourceIdentity"], number,
                "{version} {who}: the number names them, not the login"
            );
        }
    }
}

#[tokio::test]
async fn python_signs_in_at_two_providers_and_uses_what_both_gave() {
    let house = House::new().await;
    let warehouse = house.warehouse(&house.upstreams_own(), BY_GROUP, "{claims.login}");
    let open = Server::start(Everything::default().router()).await;
    let notes_tap = Tap::before(open.address()).await;
    let verifier =
        Verifier::builder().trust(Issuer::new(&house.provider.issuer, REPORTS).with_token_type("at+jwt"));
    let verify = ServiceBuilder::new().respond().verify_identity_for_router(verifier.build().unwrap());
    let reports = Server::start(Everything::default().router().layer(verify)).await;
    let reports_tap = Tap::before(reports.address()).await;
    let more = format!(
        "  notes: {{url: '{}{PATH}', auth: {{upstream_token: {{provider: github}}}}}}
  reports:
    url: {}{PATH}
    auth:
      token_exchange:
        token_url: {}
        client_id: gateway
        client_secret: {}
        subject: {{upstream: {{provider: corp, token: access}}}}
        resource: {REPORTS}
        scope: read
",
        notes_tap.url(),
        reports_tap.url(),
        house.provider.endpoint("token_endpoint"),
        house.secret(),
    );
    let claims = "{groups: upstream.corp.groups, login: upstream.github.login}";
    let gateway = house.gateway(&[house.corp(), house.github("")], claims, &(warehouse + &more)).await;
    for (version, client) in clients(&gateway) {
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let steps = ["warehouse__whoami", "notes__test_simple_text", "reports__test_simple_text"]
                .map(|name| json!({"do": "call", "name": name}));
            let mut python = client.start(&steps);
            let mut person = Person::called(who);
            person.serve(python.wait_for("visit:").await["url"].as_str().unwrap()).await;
            assert!(person.saw("Sign in to the forge"), "{version} {who}: {person:?}");
            let [me, note, report]: [Value; 3] = python.answers().await;
            assert_eq!(me["structuredContent"]["role"], role, "{version} {who}: {me}");
            assert_eq!(me["structuredContent"]["session_name"], who, "{version} {who}: {me}");
            for answer in [note, report] {
                assert_eq!(answer["content"][0]["type"], "text", "{version} {who}: {answer}");
            }
            let token = notes_tap.bearer_tokens().pop().unwrap();
            assert_eq!(house.forge.owner(&token).as_deref(), Some(who), "{version}");
            assert_ne!(reports_tap.bearer_tokens().pop().unwrap(), token, "{version}");
        }
    }
    let for_reports: BTreeSet<_> = reports_tap.bearer_tokens().into_iter().collect();
    assert_eq!(for_reports.len(), 6, "one for each account, which is one person's by one client");
}

#[tokio::test]
async fn the_inspector_signs_in() {
    let house = House::new().await;
    let warehouse = house.warehouse(&house.brokered(), BY_GROUP, "{claims.email}");
    let gateway = house.gateway(&[house.corp()], FROM_CORP, &warehouse).await;
    for (era, who, role) in [("legacy", "alice", ADMIN), ("modern", "bob", USER)] {
        let home = tempdir().unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let build = peers::npm().join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build");
        // What it tells a person, it says to its standard error.
        let mut inspector = Command::new("/bin/sh");
        inspector.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(peers::node()).arg(build.join("index.js"));
        inspector.args(["--cli", &gateway.endpoint, "--transport", "http", "--protocol-era", era]);
        inspector.args(["--format", "json", "--quiet", "--method", "tools/call", "--tool-name", "whoami"]);
        inspector.args(["--callback-url", &format!("http://127.0.0.1:{port}/oauth/callback")]);
        // It believes that somebody is there who can be shown a page.
        inspector.env_clear().env("HOME", home.path()).env("MCP_AUTO_OPEN_ENABLED", "true");
        let mut inspector = Counterpart::start(&mut inspector);
        let address = inspector.wait_for("Please navigate to: ").await;
        let mut person = Person::called(who);
        person.serve(&address).await;
        assert!(person.saw("Let MCP Inspector act for you?"), "{era} {who}: {person:?}");
        let me = inspector.wait_for("{\"result\":").await;
        assert!(me.contains(&format!("\"role\":\"{role}\"")), "{era} {who}: {me}");
        assert_eq!(house.signer(), assumed(role, &format!("{who}@example.com")), "{era}");
    }
}
