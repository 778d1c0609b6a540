//! Whole journeys: clients that nobody here wrote find the gateway's own authorization server, register, send a person
//! there, who signs in at a provider that nobody here wrote either, and call a tool behind a signature. What AWS saw is
//! what the provider says of that person.

mod house;

use countersign::{
    ServiceBuilderExt,
    identity::{Issuer, Verifier},
};
use countersign_fixtures::{
    http::Server,
    mcp::{PATH, everything::Everything},
    wire::Tap,
    world::{ACCOUNT, ADMIN, USER},
};
use countersign_tests::{mcp::Python, peers, person::Person, process::Counterpart};
use house::{House, Running, Setting, Shown};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use tempfile::tempdir;
use tokio::process::Command;
use tower::ServiceBuilder;

/// What tokens are for that the provider gives in exchange.
const REPORTS: &str = "https://backend.example";

/// The clients of every version and era.
fn clients(gateway: &Running) -> [(&'static str, Python); 3] {
    let url = &gateway.endpoint;
    [
        ("without sessions", Python::new(url, "auto").signing_in()),
        ("with sessions", Python::new(url, "legacy").signing_in()),
        ("the first version", Python::first(url).signing_in()),
    ]
}

/// Whoever the provider says is in the group.
fn by_group(upstreams: &[String], shown: Shown) -> Setting<'_> {
    Setting {
        upstreams,
        claims: "{groups: upstream.corp.groups, email: upstream.corp.email}",
        shown,
        admins: "\"admins\" in claims.groups",
        name: "email",
        more: "",
    }
}

/// What arrived at AWS is this role, in the name of `who`; the stable name of the person.
fn arrived(house: &House, shown: Shown, role: &str, who: &str) -> Option<String> {
    let signer = house.signer();
    let name = role.rsplit('/').next().unwrap();
    assert_eq!(signer.arn, format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{who}"), "{shown:?}");
    if shown != Shown::Upstreams {
        assert_eq!(signer.tags.get("Who").map(String::as_str), Some(who), "{shown:?}: {signer:?}");
        assert!(signer.source_identity.is_some(), "{shown:?}: {signer:?}");
    }
    signer.source_identity
}

#[tokio::test]
async fn python_signs_in_at_a_real_provider_and_acts_in_the_role_of_the_persons_group() {
    let house = House::new().await;
    let upstreams = [house.corp()];
    for shown in [Shown::Minted, Shown::Upstreams, Shown::Brokered] {
        let gateway = house.gateway(&by_group(&upstreams, shown)).await;
        // What becomes of the token is the same whoever sent it.
        let few = if shown == Shown::Minted { 3 } else { 1 };
        for (version, client) in clients(&gateway).into_iter().take(few) {
            for (who, role) in [("alice", ADMIN), ("bob", USER)] {
                let case = format!("{shown:?}, {version}, {who}");
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
                let (kind, refreshable) = (&expired["token_type"], &expired["refreshable"]);
                assert_eq!((kind, refreshable), (&json!("Bearer"), &json!(true)), "{case}");
                assert_eq!(again["structuredContent"]["role"], role, "{case}: {again}");
                let heard = again["http"].as_array().unwrap();
                assert_eq!(heard[..2], [200, 200], "{case}: it renews its token, and nobody is asked");
                assert_eq!(listed["tools"].as_array().unwrap().len(), 5, "{case}: {listed}");
                let subject = arrived(&house, shown, role, &format!("{who}@example.com"));
                let known = if shown == Shown::Upstreams { None } else { Some(who.to_owned()) };
                assert_eq!(subject, known, "{case}: what the only provider calls somebody is what we do");
            }
        }
    }
    assert!(
        house.world.sts.calls("AssumeRole") >= 2 && house.world.sts.calls("AssumeRoleWithWebIdentity") >= 4
    );
}

#[tokio::test]
async fn python_signs_in_at_a_provider_that_knows_oauth_alone() {
    let house = House::new().await;
    let open = Server::start(Everything::default().router()).await;
    let tap = Tap::before(open.address()).await;
    let more = notes(&tap);
    let gateway = house
        .gateway(&Setting {
            upstreams: &[house.github()],
            claims: "{login: upstream.github.login}",
            shown: Shown::Minted,
            admins: "claims.login == \"alice\"",
            name: "login",
            more: &more,
        })
        .await;
    for (version, client) in clients(&gateway) {
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let mut python = client.start(&calls(["warehouse__whoami", "notes__test_simple_text"]));
            let mut person = Person::called(who);
            person.serve(python.wait_for("visit:").await["url"].as_str().unwrap()).await;
            assert!(person.saw("Sign in to the forge"), "{version} {who}: {person:?}");
            let [me, text]: [Value; 2] = python.answers().await;
            assert_eq!(me["structuredContent"]["role"], role, "{version} {who}: {me}");
            assert_eq!(text["content"][0]["type"], "text", "{version} {who}: {text}");
            let owner = tap.bearer_tokens().pop().and_then(|token| house.forge.owner(&token));
            assert_eq!(owner.as_deref(), Some(who), "{version}: the backend gets the forge's token");
            let number = house.forge.number(who).map(|number| number.to_string());
            assert_eq!(
                arrived(&house, Shown::Minted, role, who),
                number,
                "{version}: logins change, numbers stay"
            );
        }
    }
}

#[tokio::test]
async fn python_signs_in_at_two_providers_and_uses_what_both_gave() {
    let house = House::new().await;
    let open = Server::start(Everything::default().router()).await;
    let notes_tap = Tap::before(open.address()).await;
    let verifier =
        Verifier::builder().trust(Issuer::new(&house.provider.issuer, REPORTS).with_token_type("at+jwt"));
    let verify = ServiceBuilder::new().respond().verify_identity_for_router(verifier.build().unwrap());
    let reports = Server::start(Everything::default().router().layer(verify)).await;
    let reports_tap = Tap::before(reports.address()).await;
    let more = format!(
        "{}
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
        notes(&notes_tap),
        reports_tap.url(),
        house.provider.endpoint("token_endpoint"),
        house.secret(),
    );
    let upstreams = [house.corp(), house.github()];
    let gateway = house
        .gateway(&Setting {
            claims: "{groups: upstream.corp.groups, login: upstream.github.login}",
            name: "login",
            more: &more,
            ..by_group(&upstreams, Shown::Minted)
        })
        .await;
    let mut people = BTreeSet::new();
    for (version, client) in clients(&gateway) {
        for (who, role) in [("alice", ADMIN), ("bob", USER)] {
            let steps = calls(["warehouse__whoami", "notes__test_simple_text", "reports__test_simple_text"]);
            let mut python = client.start(&steps);
            let mut person = Person::called(who);
            person.serve(python.wait_for("visit:").await["url"].as_str().unwrap()).await;
            assert!(person.saw("Sign in to the forge"), "{version} {who}: {person:?}");
            let [me, note, report]: [Value; 3] = python.answers().await;
            assert_eq!(me["structuredContent"]["role"], role, "{version} {who}: {me}");
            for answer in [note, report] {
                assert_eq!(answer["content"][0]["type"], "text", "{version} {who}: {answer}");
            }
            let token = notes_tap.bearer_tokens().pop().unwrap();
            assert_eq!(house.forge.owner(&token).as_deref(), Some(who), "{version}");
            assert_ne!(reports_tap.bearer_tokens().pop().unwrap(), token, "{version}");
            people.extend(arrived(&house, Shown::Minted, role, who));
        }
    }
    assert_eq!(people.len(), 2, "one name for each person, whatever client they come with: {people:?}");
    assert!(!people.contains("alice") && !people.contains("bob"), "nor is it one provider's: {people:?}");
    let for_reports: BTreeSet<_> = reports_tap.bearer_tokens().into_iter().collect();
    assert_eq!(for_reports.len(), 6, "one for each account, which is one person's by one client");
}

fn calls<const N: usize>(tools: [&str; N]) -> [Value; N] {
    tools.map(|name| json!({"do": "call", "name": name}))
}

/// A backend that takes the forge's tokens.
fn notes(tap: &Tap) -> String {
    format!("  notes: {{url: '{}{PATH}', auth: {{upstream_token: {{provider: github}}}}}}\n", tap.url())
}

#[tokio::test]
async fn the_inspector_signs_in_and_renews_a_token_that_is_good_no_more() {
    let house = House::new().await;
    let upstreams = [house.corp()];
    let gateway = house.gateway(&by_group(&upstreams, Shown::Minted)).await;
    for (era, who, role) in [("legacy", "alice", ADMIN), ("modern", "bob", USER)] {
        let home = tempdir().unwrap();
        let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let callback = format!("http://127.0.0.1:{port}/oauth/callback");
        // It believes that somebody is there who can be shown a page.
        let mut signing_in = inspector(&gateway, era, home.path(), &["--callback-url", &callback]);
        let mut signing_in = Counterpart::start(signing_in.env("MCP_AUTO_OPEN_ENABLED", "true"));
        let address = signing_in.wait_for("Please navigate to: ").await;
        let mut person = Person::called(who);
        person.serve(&address).await;
        assert!(person.saw("Let MCP Inspector act for you?"), "{era} {who}: {person:?}");
        let me = signing_in.wait_for("{\"result\":").await;
        assert!(me.contains(&format!("\"role\":\"{role}\"")), "{era} {who}: {me}");
        arrived(&house, Shown::Minted, role, &format!("{who}@example.com"));
        signing_in.wait().await;

        // What it has kept is refused from now on, and nobody is there to be asked.
        let (kept, spoilt) = spoil_tokens(home.path());
        let mut later = inspector(&gateway, era, home.path(), &["--stored-auth-only"]);
        let me = Counterpart::start(&mut later).wait_for("{\"result\":").await;
        assert!(me.contains(&format!("\"role\":\"{role}\"")), "{era} {who}: {me}");
        let renewed = signed_tokens(&fs::read_to_string(&kept).unwrap());
        assert!(!renewed.is_empty() && !renewed.contains(&spoilt), "{era} {who}: it keeps a new one");
    }
}

/// One call by the Inspector, which keeps what it has in `home`.
fn inspector(gateway: &Running, era: &str, home: &Path, more: &[&str]) -> Command {
    let build = peers::npm().join("node_modules/@modelcontextprotocol/inspector/clients/launcher/build");
    // What it tells a person, it says to its standard error.
    let mut inspector = Command::new("/bin/sh");
    inspector.args(["-c", "exec \"$@\" 2>&1", "sh"]).arg(peers::node()).arg(build.join("index.js"));
    inspector.args(["--cli", &gateway.endpoint, "--transport", "http", "--protocol-era", era]);
    inspector.args(["--format", "json", "--quiet", "--method", "tools/call", "--tool-name", "whoami"]);
    inspector.args(more).env_clear().env("HOME", home).env("MCP_INSPECTOR_SECRET_STORE", "file");
    inspector
}

/// Makes the token that is kept somewhere below `home` another one, as if its time was over: where, and which.
fn spoil_tokens(home: &Path) -> (PathBuf, String) {
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_default();
            if let Some(token) = signed_tokens(&text).pop() {
                let (start, signature) = token.rsplit_once('.').unwrap();
                let spoilt = format!("{start}.{}", signature.chars().rev().collect::<String>());
                fs::write(&path, text.replace(&token, &spoilt)).unwrap();
                return (path, spoilt);
            }
        }
    }
    panic!("it keeps no token");
}

/// Every JWT in a text.
fn signed_tokens(text: &str) -> Vec<String> {
    let is_of_token = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let words = text.split(|letter| !is_of_token(letter));
    words.filter(|word| word.starts_with("eyJ") && word.split('.').count() == 3).map(str::to_owned).collect()
}
