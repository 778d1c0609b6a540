//! The suite's scenarios for authorization servers, against the gateway's own. They wait for a person, who is there.

use crate::{
    gateway::{countersign, written},
    suite::{Report, Status, objections, package, read},
};
use countersign_fixtures::{
    clock::Clock,
    idp::{AuthMethod, Client, Idp},
};
use countersign_tests::{client::Plain, peers, person::Person, process::Counterpart};
use serde_json::json;
use std::{fs, net::TcpListener, process::Stdio};
use tempfile::tempdir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

#[tokio::test]
async fn it_passes_what_is_asked_of_authorization_servers() {
    let idp = Idp::start(Clock::default()).await;
    let client = Client::confidential("gateway", "hush", AuthMethod::ClientSecretBasic);
    idp.register(client.redirect_to("http://127.0.0.1/oauth/callback"));
    let folder = tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "hush").unwrap();
    let config = written(&format!(
        "
listen: 127.0.0.1:0
store: {{memory: true}}
authorization_server:
  upstreams:
    - {{name: corp, oidc: {{issuer: '{}', client_id: gateway, client_secret: 'file:{}'}}}}
backends: {{nothing: {{url: 'http://127.0.0.1:9/mcp', auth: none}}}}
",
        idp.issuer(),
        secret.display()
    ));
    let mut gateway = Counterpart::start(countersign().arg("serve").arg("-c").arg(config.path()));
    let endpoint = gateway.wait_for("listening on ").await;

    for revision in ["2025-11-25", "2026-07-28"] {
        let mut person = Person::called("alice");
        let report = run(&endpoint, revision, &mut person).await;
        let scenarios: Vec<_> = report.keys().map(String::as_str).collect();
        assert_eq!(
            scenarios,
            ["authorization-code-grant", "authorization-server-metadata-endpoint"],
            "{revision}"
        );
        for (scenario, checks) in &report {
            let objections = objections(Some(checks));
            assert!(objections.is_empty(), "{revision} {scenario}: {objections:#?}");
            let passed = checks.iter().all(|check| check.status == Status::Success);
            assert!(passed, "{revision} {scenario}: nothing is skipped: {checks:#?}");
        }
        assert!(person.saw("Let The conformance suite act for you?"), "{revision}: {person:?}");
    }
}

/// Everything that `revision` has for authorization servers, with a client that registered itself.
async fn run(endpoint: &str, revision: &str, person: &mut Person) -> Report {
    let issuer = endpoint.strip_suffix("/mcp").unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let back = format!("http://127.0.0.1:{port}/callback");
    let wish = json!({"client_name": "The conformance suite", "redirect_uris": [back]});
    let client = Plain::default().post_json(&format!("{issuer}/oauth/register"), &wish).await.json();

    let folder = tempdir().unwrap();
    let mut suite = Command::new(peers::node())
        .arg(package().join("dist/index.js"))
        .args(["authorization", "--url", issuer, "--resource", endpoint, "--spec-version", revision])
        .args(["--client-id", client["client_id"].as_str().unwrap(), "--port", &port.to_string()])
        .arg("--output-dir")
        .arg(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the suite runs");
    let mut lines = BufReader::new(suite.stdout.take().unwrap()).lines();
    let first = format!("{issuer}/oauth/authorize?");
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.starts_with(&first) {
            person.serve(&line).await;
        }
    }
    suite.wait().await.unwrap();
    read(folder.path(), "authorization-server-")
}
