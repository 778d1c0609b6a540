//! Every way to sign for a backend, as it is written: what is right is valid, and each mistake has a place and a cure.

use crate::gateway::{countersign, output};
use std::fs;
use tempfile::{TempDir, tempdir};

const HEAD: &str = "\
identity:
  issuers: [{issuer: https://login.example.com}]
";
const UPSTREAMS: &str = "\
authorization_server:
  upstreams:
    - name: corp
      oidc: {issuer: https://login.example.com, token_url: https://login.example.com/token, client_id: gateway,
        client_secret: file:secret}
    - name: github
      oauth2: {preset: github, client_id: Iv1.abc, client_secret: file:secret, client_authentication: post}
store: {memory: true}
";
const ROLES: &str = "roles: {fallback: 'arn:aws:iam::123456789012:role/User'}";

/// A folder with a configuration, and with secrets beside it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
        fs::write(folder.path().join("sealing"), "07".repeat(32)).unwrap();
        let key = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";
        fs::write(folder.path().join("key.pem"), key).unwrap();
        Self(folder)
    }

    /// What is said of a configuration, the path of the file left out.
    async fn says(&self, text: &str) -> (i32, String) {
        let path = self.0.path().join("gateway.yaml");
        fs::write(&path, text).unwrap();
        let (code, out, err) = output(countersign().arg("validate").arg("-c").arg(&path)).await;
        assert!(!format!("{out}{err}").contains("hunter2"), "a secret was told: {out}{err}");
        (code, out.replace(&format!("{}/", self.0.path().display()), ""))
    }
}

fn with_auth(auth: &str) -> String {
    let backend = "backends:\n  it:\n    url: https://mcp.example.com/mcp?v=1\n    auth: ";
    format!("{HEAD}{backend}{auth}\n{UPSTREAMS}")
}

#[tokio::test]
async fn every_kind_can_be_written() {
    let folder = Folder::new();
    let exchange =
        "token_url: https://login.example.com/token, client_id: gateway, client_secret: file:secret";
    for auth in [
        "none".to_owned(),
        "{headers: {x-api-key: file:secret, authorization: file:secret, user-agent: file:secret}}".to_owned(),
        "{query: {key: file:secret}}".to_owned(),
        "{upstream_token: {provider: github}}".to_owned(),
        format!("{{token_exchange: {{{exchange}, audience: reports, scope: [read, write]}}}}"),
        format!("{{token_exchange: {{{exchange}, subject: caller, subject_type: jwt, actor: {{token: file:secret}}}}}}"),
        format!("{{token_exchange: {{{exchange}, actor: {{upstream: {{provider: corp}}}}}}}}"),
        format!(
            "{{token_exchange: {{{exchange}, client_authentication: post, requested_type: jwt, actor: caller, \
             subject: {{upstream: {{provider: corp, token: id}}}}, resource: https://mcp.example.com}}}}"
        ),
        "{token_exchange: {token_url: https://a.example/token, client_id: a, private_key: file:key.pem, key_id: k, \
         assertion_audience: https://a.example}}"
            .to_owned(),
        "{token_exchange: {token_url: https://a.example/token, client_id: a, client_authentication: none}}".to_owned(),
        format!(
            "{{id_jag: {{{exchange}, provider: corp, asserted_by: https://login.example.com, \
             authorization_server: https://auth.wiki.example, scope: pages}}}}"
        ),
        aws("credentials: service"),
        aws("credentials: service, service_identity: {access_key_id: AKIDEXAMPLE, secret_access_key: file:secret}"),
        aws(&format!("credentials: brokered, {ROLES}, external_id: agreed, source_identity: claims.email")),
        aws(&format!(
            "credentials: brokered, {ROLES}, tags: {{Team: claims.team}}, service_identity: {{profile: gateway, \
             role: 'arn:aws:iam::123456789012:role/Gateway', external_id: agreed}}"
        )),
        aws(&format!("credentials: {{web_identity: caller}}, {ROLES}")),
        aws(&format!("credentials: {{web_identity: {{upstream: {{provider: corp, token: id}}}}}}, {ROLES}")),
        aws(
            "credentials: {web_identity: caller}, roles: {rules: [{when: 'upstream.github.claims.login == \"a\"', \
             role: 'arn:aws:iam::123456789012:role/A'}]}",
        ),
    ] {
        let (code, out) = folder.says(&with_auth(&auth)).await;
        assert_eq!(code, 0, "{auth}\n{out}");
        assert!(!out.contains("error:"), "{auth}\n{out}");
    }
}

#[tokio::test]
async fn whom_to_sign_for_follows_from_the_address_or_from_the_host_behind_a_proxy() {
    let folder = Folder::new();
    let says = async |url: &str, more: &str| {
        let auth = format!("{{aws: {{credentials: {{web_identity: caller}}, {ROLES}{more}}}}}");
        folder.says(&with_auth(&auth).replace("https://mcp.example.com/mcp?v=1", url)).await
    };
    let arn = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/warehouse-a1b2c3d4e5";
    let behind = ", sign_host: abc.execute-api.eu-west-1.amazonaws.com";
    for (url, more) in [
        ("https://abc.execute-api.eu-west-1.amazonaws.com/mcp", ""),
        ("https://proxy.example.com/mcp", behind),
        (arn, ""),
    ] {
        let (code, out) = says(url, more).await;
        assert_eq!(code, 0, "{url} {more}: {out}");
    }
    for (url, more, what, cure) in [
        ("https://proxy.example.com/mcp", "", "proxy.example.com", "add `service:` and `region:`"),
        ("https://proxy.example.com/mcp", ", sign_host: 'a b'", "`a b` is no host", "with a port"),
        (
            "https://proxy.example.com/mcp",
            ", sign_host: nowhere.example",
            "nowhere.example",
            "add `service:`",
        ),
        ("arn:aws:lambda:eu-west-1:123456789012:function:x", "", "no runtime's ARN", "AgentCore runtime"),
    ] {
        let (code, out) = says(url, more).await;
        assert_eq!(code, 1, "{url} {more}: {out}");
        assert!(out.contains(what) && out.contains(cure), "{url} {more}: {out}");
    }
}

fn aws(rest: &str) -> String {
    format!("{{aws: {{service: execute-api, region: us-east-1, {rest}}}}}")
}

#[tokio::test]
async fn each_mistake_has_a_place_and_a_cure() {
    let folder = Folder::new();
    let to = "token_url: https://login.example.com/token, client_id: gateway";
    for (auth, what, cure) in [
        ("{headres: {a: file:secret}}", "`headres` is none of the choices", "did you mean `headers`?"),
        ("{headers: {x-api-key: hunter2}}", "by reference", "env:NAME or file:PATH"),
        ("{headers: {x-api-key: 'env:NOBODY_SETS_THIS'}}", "`NOBODY_SETS_THIS` is not set", "set it"),
        ("{headers: {x-api-key: file:nowhere}}", "`nowhere` cannot be read", "name a file"),
        ("{headers: {content-length: file:secret}}", "set by the transport", "correct the name"),
        ("{headers: {mcp-session-id: file:secret}}", "is the protocol's own", "remove it"),
        ("{headers: {X-A: file:secret, x-a: file:secret}}", "header `x-a` is there twice", "remove one"),
        ("{headers: {x-a: file:key.pem}}", "a line break", "correct the name, or the value"),
        ("{query: {v: file:secret}}", "the query has `v` already", "rename"),
        ("{upstream_token: {provider: githb}}", "no provider `githb` (V-02)", "did you mean `github`?"),
        ("{upstream_token: {provider: ''}}", "has no name (V-06)", "name an upstream"),
        (
            "{upstream_token: {provider: corp, token: id}}",
            "an ID token is for whoever asked",
            "token_exchange",
        ),
        (&format!("{{token_exchange: {{{to}}}}}"), "nothing says how this server shows", "client_secret"),
        (
            "{token_exchange: {client_id: gateway, client_secret: file:secret}}",
            "nothing says where tokens are had",
            "add `token_url",
        ),
        (
            &format!("{{token_exchange: {{{to}, client_secret: file:secret, key_id: k}}}}"),
            "`key_id` belongs to a `private_key`",
            "remove it",
        ),
        (
            &format!("{{token_exchange: {{{to}, private_key: file:key.pem}}}}"),
            "the key has no name",
            "key_id",
        ),
        (
            &format!("{{token_exchange: {{{to}, private_key: file:secret, key_id: k}}}}"),
            "no private key in PEM",
            "BEGIN PRIVATE KEY",
        ),
        (
            &format!("{{token_exchange: {{{to}, client_authentication: none, client_secret: file:secret}}}}"),
            "shows nothing has no secret",
            "remove them",
        ),
        (
            "{token_exchange: {token_url: 'http://a.example/', client_id: a, client_authentication: none}}",
            "is not https",
            "use https",
        ),
        (
            &format!("{{token_exchange: {{{to}, client_secret: file:secret, scope: 'a b'}}}}"),
            "scope \"a b\": is none",
            "name each one by itself",
        ),
        (
            &format!("{{token_exchange: {{{to}, client_secret: file:secret, resource: nowhere}}}}"),
            "resource \"nowhere\": is no address",
            "write it as https://host/path",
        ),
        (
            &format!(
                "{{token_exchange: {{{to}, client_secret: file:secret, subject: {{upstream: {{provider: cop}}}}}}}}"
            ),
            "no provider `cop` (V-02)",
            "did you mean `corp`?",
        ),
        (
            &format!(
                "{{id_jag: {{{to}, client_secret: file:secret, provider: corp, asserted_by: corp, \
                 authorization_server: 'https://a.example'}}}}"
            ),
            "asserted_by \"corp\": is no issuer",
            "as it stands in its tokens",
        ),
        (&aws("credentials: servce"), "`servce` is none of the choices", "did you mean `service`?"),
        (&aws(ROLES), "cannot reach it for their keys (V-16)", "web_identity: caller"),
        (&aws("credentials: brokered"), "nothing says who becomes which role", "add `roles:`"),
        (&aws(&format!("credentials: service, {ROLES}")), "callers have no roles here", "remove it"),
        (&aws("credentials: service, external_id: a"), "callers have no sessions here", "remove it"),
        (
            &aws(&format!("credentials: {{web_identity: caller}}, {ROLES}, tags: {{Team: claims.team}}")),
            "STS takes this from the token itself",
            "credentials: brokered",
        ),
        (
            &aws(&format!(
                "credentials: {{web_identity: caller}}, {ROLES}, service_identity: {{profile: a}}"
            )),
            "own identity signs nothing here",
            "remove it",
        ),
        (
            &aws(&format!("credentials: {{web_identity: {{upstream: {{provider: gitub}}}}}}, {ROLES}")),
            "no provider `gitub` (V-02)",
            "did you mean `github`?",
        ),
        (
            &aws("credentials: service, service_identity: {access_key_id: AKIDEXAMPLE}"),
            "half a key signs nothing",
            "name both",
        ),
        (
            &aws(
                "credentials: {web_identity: caller}, roles: {rules: [{when: 'upstream.gihub.claims.login == \"a\"', \
                 role: 'arn:aws:iam::123456789012:role/A'}]}",
            ),
            "no provider `gihub` (V-02)",
            "did you mean `github`?",
        ),
    ] {
        let (code, out) = folder.says(&with_auth(auth)).await;
        assert_eq!(code, 1, "{auth}\n{out}");
        let told = out.split("error: ").find(|problem| problem.contains(what));
        let told = told.unwrap_or_else(|| panic!("{auth}: nothing about {what}:\n{out}"));
        assert!(told.contains("where: gateway.yaml:6:"), "{auth}\n{told}");
        assert!(told.split("what to do: ").nth(1).is_some_and(|told| told.contains(cure)), "{auth}\n{told}");
    }
}

#[tokio::test]
async fn what_goes_along_is_a_list_of_its_own() {
    let folder = Folder::new();
    let text = |auth: &str, names: &str| {
        with_auth(auth).replace(
            "authorization_server:",
            &format!("    forward_headers: [{names}]\nauthorization_server:"),
        )
    };
    let (code, out) = folder.says(&text("none", "x-tenant, X-Request-Id")).await;
    assert_eq!(code, 0, "{out}");
    for (auth, names, what) in [
        ("none", "authorization", "`authorization` never goes along"),
        ("none", "cookie", "`cookie` never goes along"),
        ("none", "X-Amz-Date", "`X-Amz-Date` never goes along"),
        ("none", "mcp-session-id", "the protocol's own"),
        ("none", "'a b'", "is no header's name"),
        ("{headers: {x-tenant: file:secret}}", "x-tenant", "among `forward_headers` too"),
    ] {
        let (code, out) = folder.says(&text(auth, names)).await;
        assert!(code == 1 && out.contains(what), "{names}: {out}");
    }
}

#[tokio::test]
async fn providers_and_the_store_are_held_against_their_rules() {
    let folder = Folder::new();
    let with =
        |rest: &str| format!("{HEAD}backends: {{it: {{url: 'https://a.example/mcp', auth: none}}}}\n{rest}");
    let upstream = "oauth2: {preset: github, client_id: a, client_secret: file:secret}";
    for good in [
        "store: {memory: true}".to_owned(),
        "store: {file: data/store.redb, key: file:sealing}".to_owned(),
        "store: {file: store.redb, key: file:sealing, former_keys: [file:sealing]}".to_owned(),
        "store: {redis: {address: 'redis.internal:6379', password: file:secret, tls: {}}, key: file:sealing}"
            .to_owned(),
        "store: {redis: {cluster: ['a:1', 'b:2'], prefix: mcp}, key: file:sealing}".to_owned(),
        "store: {redis: {sentinel: {addresses: ['a:1'], primary: main}}, key: file:sealing}".to_owned(),
        format!(
            "store: {{memory: true}}\nauthorization_server: {{upstreams: [{{name: github, {upstream}}}]}}"
        ),
    ] {
        let (code, out) = folder.says(&with(&good)).await;
        assert_eq!(code, 0, "{good}\n{out}");
    }
    for (bad, what) in [
        (
            "store: {redis: {address: 'redis.internal:6379'}}",
            "nothing says with what values are sealed (V-15)",
        ),
        ("store: {file: store.redb}", "nothing says with what values are sealed (V-15)"),
        ("store: {file: store.redb, key: file:secret}", "not 32 bytes"),
        ("store: {file: store.redb, key: hunter2}", "by reference"),
        ("store: {file: store.redb, memory: true, key: file:sealing}", "a store is in one place"),
        ("store: {memory: true, former_keys: [file:sealing]}", "former keys and no key"),
        ("store: {redis: {address: redis.internal}, key: file:sealing}", "not host:port"),
        ("store: {redis: {}, key: file:sealing}", "no Redis, or of several"),
        ("store: {redis: {cluster: []}, key: file:sealing}", "no address in this list"),
        ("store: {redis: {cluster: ['a:1'], database: 2}, key: file:sealing}", "no numbered databases"),
        ("store: {redis: {address: 'a:1', username: u}, key: file:sealing}", "this user has no password"),
        ("store: {redis: {address: 'a:1', prefix: 'a{b}'}, key: file:sealing}", "a redis prefix has"),
        ("authorization_server: {upstreams: []}", "there is no upstream (V-05)"),
        (
            &format!("authorization_server: {{upstreams: [{{name: 'a b', {upstream}}}]}}"),
            "cannot be a provider's name",
        ),
        (
            &format!(
                "authorization_server: {{upstreams: [{{name: a, {upstream}}}, {{name: a, {upstream}}}]}}"
            ),
            "`a` is there twice (V-05)",
        ),
        (
            "authorization_server: {upstreams: [{name: a, oauth2: {preset: github, client_id: a, \
             client_secret: file:secret, token_url: 'https://a.example/'}}]}",
            "is named beside a preset",
        ),
        (
            "authorization_server: {upstreams: [{name: a, oauth2: {preset: githob, client_id: a}}]}",
            "`githob` is none of the choices",
        ),
    ] {
        let (code, out) = folder.says(&with(bad)).await;
        assert!(code == 1 && out.contains(what), "{bad}\n{out}");
    }
    // Without an authorization server there is nobody to be asked.
    let alone = with("").replace("auth: none", "auth: {upstream_token: {provider: github}}");
    let (code, out) = folder.says(&alone).await;
    assert!(code == 1 && out.contains("(V-01)") && out.contains("authorization_server.upstreams"), "{out}");
    // It is said, not only done, that a restart forgets everything.
    let forgetful = format!("authorization_server: {{upstreams: [{{name: github, {upstream}}}]}}");
    let (code, out) = folder.says(&with(&forgetful)).await;
    assert!(code == 0 && out.contains("is forgotten when this server ends"), "{out}");
}
