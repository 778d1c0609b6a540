//! The rules about signing people in that a configuration is held against: what each accepts, and what it says to
//! what it refuses. `serve` and `validate` read a configuration in the same way.

use crate::gateway::{countersign, output};
use std::fs;
use tempfile::{TempDir, tempdir};

struct Folder(TempDir);

/// What every example here begins with.
const CORP: &str =
    "{name: corp, oidc: {issuer: 'https://login.example.com', client_id: a, client_secret: file:secret}}";
const GITHUB: &str =
    "{name: github, optional: true, oauth2: {preset: github, client_id: a, client_secret: file:secret}}";

impl Folder {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret"), "hunter2hunter2hunter2\n").unwrap();
        fs::write(folder.path().join("sealing"), "07".repeat(32)).unwrap();
        Self(folder)
    }

    async fn says(&self, text: &str) -> (i32, String) {
        let path = self.0.path().join("gateway.yaml");
        fs::write(&path, text).unwrap();
        let (code, out, err) = output(countersign().arg("validate").arg("-c").arg(&path)).await;
        assert!(!format!("{out}{err}").contains("hunter2"), "a secret was told: {out}{err}");
        (code, out.replace(&format!("{}/", self.0.path().display()), ""))
    }

    /// `good` is accepted; what is said to `bad`, by rule and in order.
    async fn examples(&self, good: &str, bad: &[&str]) -> String {
        let (code, out) = self.says(good).await;
        assert_eq!(code, 0, "{good}\n{out}");
        let mut told = String::new();
        for text in bad {
            let (code, out) = self.says(text).await;
            assert_eq!(code, 1, "{text}\n{out}");
            told += &out;
        }
        told
    }
}

/// A gateway with this backend's `auth`, these upstreams, and `more` of the authorization server and beside it.
fn gateway(auth: &str, upstreams: &str, server: &str, more: &str) -> String {
    format!(
        "public_url: https://mcp.example.com\n\
         store: {{memory: true}}\n\
         backends:\n  it: {{url: 'https://backend.example/mcp', auth: {auth}}}\n\
         authorization_server:\n  upstreams: [{upstreams}]\n{server}{more}"
    )
}

fn plain(server: &str, more: &str) -> String {
    gateway("none", &format!("{CORP}, {GITHUB}"), server, more)
}

#[tokio::test]
async fn v01_an_upstreams_token_needs_an_authorization_server() {
    let auth = "{upstream_token: {provider: github}}";
    let alone = format!(
        "identity: {{issuers: [{{issuer: 'https://login.example.com'}}]}}\n\
         backends:\n  it: {{url: 'https://backend.example/mcp', auth: {auth}}}\n"
    );
    let good = gateway(auth, &format!("{CORP}, {GITHUB}"), "", "");
    insta::assert_snapshot!(Folder::new().examples(&good, &[&alone]).await);
}

#[tokio::test]
async fn v02_every_provider_that_is_named_is_one() {
    let upstreams = format!("{CORP}, {GITHUB}");
    let with = |auth: &str| gateway(auth, &upstreams, "", "");
    let good = with("{upstream_token: {provider: github}}");
    let exchange = "token_url: 'https://a.example/', client_id: a, client_authentication: none";
    let roles =
        "service: execute-api, region: us-east-1, roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";
    let bad = [
        with("{upstream_token: {provider: githob}}"),
        with(&format!("{{token_exchange: {{{exchange}, subject: {{upstream: {{provider: nobody}}}}}}}}")),
        with(&format!(
            "{{aws: {{{roles}, credentials: {{web_identity: {{upstream: {{provider: crop, token: id}}}}}}}}}}"
        )),
        with(&format!(
            "{{aws: {{{roles}, credentials: brokered, tags: {{team: upstream.nobody.claims.team}}}}}}"
        )),
        plain("  claims: {groups: upstream.crop.groups}\n", ""),
    ];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    insta::assert_snapshot!(Folder::new().examples(&good, &bad).await);
}

#[tokio::test]
async fn v03_it_is_said_whose_token_is_exchanged() {
    let with = |subject: &str, upstreams: &str| {
        let exchange = "token_url: 'https://a.example/', client_id: a, client_authentication: none";
        gateway(&format!("{{token_exchange: {{{exchange}, subject: {subject}}}}}"), upstreams, "", "")
    };
    let two = format!("{CORP}, {GITHUB}");
    let (good, bad) = (with("{upstream: {provider: corp}}", &two), with("{upstream: {}}", &two));
    let folder = Folder::new();
    insta::assert_snapshot!(folder.examples(&good, &[&bad]).await);
    assert_eq!(folder.says(&with("{upstream: {}}", CORP)).await.0, 0, "there is but one");
}

#[tokio::test]
async fn v04_this_server_is_trusted_without_being_named() {
    let with = |issuer: &str| plain("", &format!("identity: {{issuers: [{{issuer: '{issuer}'}}]}}\n"));
    let (good, bad) = (with("https://login.example.com"), with("https://MCP.example.com/"));
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}

#[tokio::test]
async fn v05_it_is_complete() {
    let with = |upstreams: &str| gateway("none", upstreams, "", "");
    let good = with(CORP);
    let bad = [
        with(""),
        with(&format!("{CORP}, {CORP}")),
        with("{name: corp}"),
        with(
            "{name: corp, oidc: {issuer: 'http://login.example.com', client_id: a, client_secret: file:secret}}",
        ),
        with(
            "{name: corp, oidc: {issuer: 'https://login.example.com', client_id: a, client_secret: file:absent}}",
        ),
        with("{name: corp, oidc: {issuer: 'https://login.example.com', client_id: a}}"),
        with(
            "{name: x, oauth2: {token_url: 'https://a.example/', client_id: a, client_secret: file:secret}}",
        ),
        with(
            "{name: x, oauth2: {token_url: 'https://a.example/', authorize_url: 'https://a.example/', client_id: a, \
             client_secret: file:secret}}",
        ),
        with(GITHUB),
        good.replace("https://mcp.example.com", "http://mcp.example.com"),
    ];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    insta::assert_snapshot!(Folder::new().examples(&good, &bad).await);
}

#[tokio::test]
async fn v06_every_provider_has_a_name() {
    let with = |auth: &str, upstreams: &str| gateway(auth, upstreams, "", "");
    let good = with("{upstream_token: {provider: corp}}", CORP);
    let (nameless, strange) = (CORP.replace("corp", "''"), CORP.replace("corp", "'a b'"));
    let bad =
        [with("none", &nameless), with("none", &strange), with("{upstream_token: {provider: ''}}", CORP)];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    insta::assert_snapshot!(Folder::new().examples(&good, &bad).await);
}

#[tokio::test]
async fn v07_tokens_are_for_this_gateway_too() {
    let with = |resources: &str| plain(&format!("  resources: {resources}\n"), "");
    let good = with("['https://mcp.example.com/mcp', 'https://reports.example.com']");
    let bad = [
        with("['https://reports.example.com']"),
        with("['https://mcp.example.com/mcp/']"),
        with("['https://mcp.example.com/mcp#a']"),
        good.replace("public_url: https://mcp.example.com\n", ""),
    ];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    insta::assert_snapshot!(Folder::new().examples(&good, &bad).await);
}

#[tokio::test]
async fn v12_sessions_are_called_by_what_is_said() {
    let with = |name: &str, more: &str| {
        let roles = "service: execute-api, region: us-east-1, roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";
        let corp = CORP.replace("name: corp", "name: corp, claims: [email, groups]");
        gateway(&format!("{{aws: {{{roles}, session_name: '{name}'}}}}"), &corp, "", more)
    };
    let folder = Folder::new();
    for good in ["{sub}", "{claims.email}", "mcp-{claims.client_id}-{claims.sub}"] {
        let (code, out) = folder.says(&with(good, "")).await;
        assert!(code == 0 && !out.contains("V-12"), "{good}: {out}");
    }
    // Who comes with a token of somebody else may have it, so the server starts all the same.
    let mut told = String::new();
    for name in ["{claims.emial}", "{claims.login}-{claims.team.name}"] {
        let (code, out) = folder.says(&with(name, "")).await;
        assert_eq!(code, 0, "{out}");
        told += &out;
    }
    insta::assert_snapshot!(told);
}

#[tokio::test]
async fn proxies_are_named_by_their_addresses() {
    let with = |proxies: &str| plain("", &format!("trusted_proxies: [{proxies}]\n"));
    let good = with("10.0.0.0/8, '::1', 'fd00::/8', 192.0.2.7");
    let bad = with("10.1.2.3/8, 10.0.0.0/33, 0.0.0.0/0, 10.0.0/8, proxy.internal");
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}

/// A gateway of anonymous callers, before a backend with this `auth`.
fn anonymous(auth: &str, more: &str) -> String {
    format!(
        "identity: anonymous\nbackends:\n  it: {{url: 'https://backend.example/mcp', auth: {auth}}}\n{more}"
    )
}

#[tokio::test]
async fn v09_whoever_is_signed_in_is_not_anonymous() {
    let good = anonymous("none", "");
    let bad = plain("", "identity: anonymous\n");
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}

#[tokio::test]
async fn anonymous_callers_have_nothing_of_their_own_and_are_of_this_machine() {
    let own = "{aws: {service: execute-api, region: us-east-1, credentials: service}}";
    let good = anonymous(own, "");
    let roles =
        "service: execute-api, region: us-east-1, roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";
    let endpoint = "token_url: 'https://a.example/', client_id: a, client_authentication: none";
    let bad = [
        anonymous(&format!("{{aws: {{{roles}}}}}"), ""),
        anonymous(&format!("{{aws: {{{roles}, credentials: brokered}}}}"), ""),
        anonymous("{upstream_token: {provider: github}}", ""),
        anonymous(&format!("{{token_exchange: {{{endpoint}}}}}"), ""),
        anonymous(
            &format!(
                "{{id_jag: {{{endpoint}, provider: corp, asserted_by: 'https://login.example.com', \
                 authorization_server: 'https://a.example'}}}}"
            ),
            "",
        ),
        anonymous("none", "listen: 0.0.0.0:8080\npublic_url: https://mcp.example.com\n"),
        anonymous("none", "public_url: https://mcp.example.com\n"),
        anonymous("none", "").replace("anonymous", "anonymus"),
    ];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    let folder = Folder::new();
    insta::assert_snapshot!(folder.examples(&good, &bad).await);
    let meant =
        "listen: 0.0.0.0:8080\npublic_url: https://mcp.example.com\ndangerous_allow_anonymous: true\n";
    assert_eq!(folder.says(&anonymous("none", meant)).await.0, 0);
}

#[tokio::test]
async fn v13_tokens_are_for_something() {
    let with = |resources: &str| plain(&format!("  resources: {resources}\n"), "");
    let (good, bad) = (with("['https://mcp.example.com/mcp']"), with("[]"));
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}

#[tokio::test]
async fn v15_what_is_kept_in_redis_is_sealed() {
    let with = |store: &str| plain("", "").replace("{memory: true}", store);
    let good = with("{redis: {address: 'redis.internal:6379'}, key: file:sealing}");
    let bad = with("{redis: {address: 'redis.internal:6379'}}");
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}

#[tokio::test]
async fn v16_aws_reaches_the_keys() {
    let auth = "{aws: {service: execute-api, region: us-east-1, roles: {fallback: 'arn:aws:iam::123456789012:role/User'}}}";
    let good = gateway(auth, CORP, "", "");
    let bad = [
        good.replace("https://mcp.example.com", "https://mcp.example.com:8443"),
        good.replace("https://mcp.example.com", "http://127.0.0.1:8080"),
        good.replace("public_url: https://mcp.example.com\n", ""),
    ];
    let bad: Vec<&str> = bad.iter().map(String::as_str).collect();
    insta::assert_snapshot!(Folder::new().examples(&good, &bad).await);
}

#[tokio::test]
async fn v18_whoever_reaches_a_backend_can_connect_its_account() {
    let with = |issuer: &str| {
        let more = format!("identity: {{issuers: [{{issuer: '{issuer}'}}]}}\n");
        gateway("{upstream_token: {provider: github}}", &format!("{CORP}, {GITHUB}"), "", &more)
    };
    let (good, bad) = (with("https://login.example.com"), with("https://other.example.com"));
    insta::assert_snapshot!(Folder::new().examples(&good, &[&bad]).await);
}
