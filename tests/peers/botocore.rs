//! botocore signs with credentials that the book issued; the oracle is the judge.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use countersign_fixtures::{
    clock::Clock,
    credentials::{Book, Credentials},
    oracle::{Oracle, OracleServer, Protocol, Rule, who_signed},
};
use countersign_tests::{peers, process::Counterpart};
use serde_json::{Value, json};
use tokio::process::Command;

const ROLE: &str = "arn:aws:iam::123456789012:role/McpReader";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/botocore_sign.py");

#[tokio::test]
async fn its_signatures_are_accepted_unless_a_byte_changes() {
    let book = Book::new(Clock::default());
    let alice = book.issue_hour_in(ROLE, "alice");
    let mut servers = Vec::new();
    let mut steps = Vec::new();
    for (service, region, target) in [
        ("execute-api", "eu-west-1", "/stage/a%20b//c/./d?b=2&a1=x&a=1"),
        ("lambda", "us-east-1", "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations"),
        ("bedrock-agentcore", "us-west-2", "/runtimes/x/invocations?qualifier=DEFAULT"),
        ("sts", "eu-central-1", "/"),
        ("s3", "ap-southeast-2", "/bucket/key%20with%20space/../%C3%A4?list-type=2&prefix=a%2Fb"),
    ] {
        let oracle = Oracle::new(book.clone(), service, region);
        let server = OracleServer::start(oracle, who_signed()).await;
        let url = format!("{}{target}", server.url());
        let step = |action: &str, flip: Option<usize>| {
            json!({
                "do": action, "url": url, "service": service, "region": region,
                "body": "{\"hello\": \"world\"}", "flip": flip,
            })
        };
        steps.extend([step("request", None), step("request", Some(3)), step("presign", None)]);
        servers.push((service, server));
    }
    let answers = run(&alice, &steps).await;
    for ((service, server), answers) in servers.iter().zip(answers.chunks(3)) {
        let [accepted, refused, presigned] = answers else {
            panic!("three answers for each service");
        };
        assert_eq!(accepted["status"], 200, "{service}: {accepted}");
        assert_eq!(presigned["status"], 200, "{service}: {presigned}");
        let told: Value = serde_json::from_str(accepted["body"].as_str().unwrap()).unwrap();
        assert_eq!(told["arn"], json!(alice.principal.arn), "{service}");

        assert_eq!(refused["status"], 403, "{service}: {refused}");
        let seen = server.oracle().seen();
        assert_eq!(seen[1].denied().unwrap().code(), "SignatureDoesNotMatch", "{service}");
        assert_eq!(seen[0].body.len(), seen[1].body.len());
        assert_eq!(seen[0].header("x-amz-meta-note"), Some("spaced   out"));
    }
}

#[tokio::test]
async fn its_clients_understand_every_protocols_refusals() {
    let book = Book::new(Clock::default());
    let alice = book.issue_hour_in(ROLE, "alice");
    let mut forger = alice.clone();
    forger.secret_access_key = book.issue_user("123456789012", "other").secret_access_key;
    let stranger = Book::new(Clock::default()).issue_user("123456789012", "mallory");
    let late = book.issue_session(alice.principal.clone(), book.clock().now());

    let mut servers = Vec::new();
    let mut steps = Vec::new();
    for (service, region, protocol, operation, parameters) in [
        ("lambda", "eu-west-1", Protocol::Json, "list_functions", json!({})),
        ("dynamodb", "eu-west-1", Protocol::AwsJson, "list_tables", json!({})),
        ("iam", "us-east-1", Protocol::Query, "list_users", json!({})),
        (
            "s3",
            "eu-west-1",
            Protocol::S3,
            "put_object",
            json!({"Bucket": "bucket", "Key": "a key", "Body": "content"}),
        ),
    ] {
        let oracle = Oracle::new(book.clone(), service, region)
            .speaking(protocol)
            .allowing("arn:aws:iam::123456789012:role/Nobody", Rule::anything());
        let server = OracleServer::start(oracle, who_signed()).await;
        steps.push(json!({
            "do": "call", "url": server.url(), "service": service, "region": region,
            "operation": operation, "parameters": parameters,
        }));
        servers.push(server);
    }
    for (credentials, codes) in [
        (
            &forger,
            [
                "InvalidSignatureException",
                "InvalidSignatureException",
                "SignatureDoesNotMatch",
                "SignatureDoesNotMatch",
            ],
        ),
        (
            &stranger,
            [
                "UnrecognizedClientException",
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "InvalidAccessKeyId",
            ],
        ),
        (&late, ["ExpiredTokenException", "ExpiredTokenException", "ExpiredToken", "ExpiredToken"]),
        (&alice, ["AccessDeniedException", "AccessDeniedException", "AccessDenied", "AccessDenied"]),
    ] {
        let answers = run(credentials, &steps).await;
        let told: Vec<&Value> = answers.iter().map(|answer| &answer["code"]).collect();
        assert_eq!(told, codes, "{answers:?}");
        for answer in &answers {
            assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
            assert!(answer["request_id"].is_string(), "{answer}");
        }
    }
}

/// Lets botocore do all `steps` as `credentials`; one answer each.
async fn run(credentials: &Credentials, steps: &[Value]) -> Vec<Value> {
    let mut command = Command::new(peers::python("botocore"));
    command
        .arg(SCRIPT)
        .arg(json!(steps).to_string())
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", &credentials.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &credentials.secret_access_key)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    if let Some(token) = &credentials.session_token {
        command.env("AWS_SESSION_TOKEN", token);
    }
    let mut botocore = Counterpart::start(&mut command);
    let mut answers = Vec::new();
    for _ in steps {
        let answer = botocore.wait_for("answer:").await;
        answers.push(serde_json::from_str(&answer).expect("an answer is JSON"));
    }
    answers
}
