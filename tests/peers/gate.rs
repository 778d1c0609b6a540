//! We sign; botocore computes every signature once more, and lets only equal ones through.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what a suite prepares is right, or the suite has failed"
)]

use bytes::Bytes;
use countersign::{
    clock::{Clock, SystemClock},
    sign::{Engine, Keys, PayloadHash, SignedHeaders, SignedPayload, Signer, SigningTarget},
};
use countersign_tests::{client::Plain, peers, process::Counterpart};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use tokio::process::Command;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/botocore_gate.py");
const ID: &str = "ASIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjE/+x==";

#[tokio::test]
async fn botocore_signs_what_we_sign() {
    let keys = Keys::of_session(ID, SECRET.into(), TOKEN.into());
    let client = Plain::default();
    for service in ["execute-api", "bedrock-agentcore", "s3"] {
        let (_gate, url) = gate(service).await;
        let target = SigningTarget::new(service, "eu-west-1").unwrap();
        for which in [SignedHeaders::Minimal, SignedHeaders::All] {
            let signer = Signer::new(target.clone()).with_signed_headers(which);
            for (method, path, body) in [
                (Method::POST, "/", "{}"),
                (Method::POST, "/runtimes/arn%3Aaws%3Ax/invocations?qualifier=DEFAULT", "{\"a\":1}"),
                (Method::GET, "/a%20b/c?a=0&a=1&b=%2F", ""),
                (Method::PUT, "/%C3%A4/~x-y_z", "content"),
                (Method::DELETE, "/a/../b//c", ""),
            ] {
                // New, worth keeping, kept; and by the reference where the form asks for it.
                for round in 0..3 {
                    let mut request = Request::builder()
                        .method(method.clone())
                        .uri(format!("{url}{path}"))
                        .header("content-type", "application/json")
                        .header("x-amz-meta-note", if round == 2 { "spaced  out" } else { "plain" })
                        .header("mcp-session-id", "s-1")
                        .body(Full::from(body))
                        .unwrap();
                    let payload = SignedPayload::Hash(PayloadHash::of(body.as_bytes()));
                    let engine = signer.sign(&mut request, payload, &keys, SystemClock.now()).unwrap();
                    let usual = round < 2 && (service == "s3" || !path.contains("//"));
                    assert_eq!(engine == Engine::Prepared, usual, "{service} {path} {round}");
                    let answer = client.send(request).await.unwrap();
                    assert_eq!(answer.status, 200, "{service} {method} {path}: {}", answer.text());
                }
            }
        }
    }
}

#[tokio::test]
async fn its_gate_stays_shut_for_anything_else() {
    let keys = Keys::of_session(ID, SECRET.into(), TOKEN.into());
    let (_gate, url) = gate("execute-api").await;
    let signer = Signer::new(SigningTarget::new("execute-api", "eu-west-1").unwrap());
    type Change = fn(&mut Request<Full<Bytes>>);
    let changes: [(&str, Change); 6] = [
        ("the body", |request| *request.body_mut() = Full::from("{|")),
        ("the method", |request| *request.method_mut() = Method::PUT),
        ("the path", |request| {
            *request.uri_mut() = request.uri().to_string().replace("/a?", "/b?").parse().unwrap();
        }),
        ("the query", |request| {
            *request.uri_mut() = request.uri().to_string().replace("q=1", "q=2").parse().unwrap();
        }),
        ("a header", |request| {
            request.headers_mut().insert("x-amz-meta-note", HeaderValue::from_static("plaim"));
        }),
        ("the token", |request| {
            request.headers_mut().insert("x-amz-security-token", HeaderValue::from_static("other"));
        }),
    ];
    for (what, change) in changes {
        let mut request = Request::post(format!("{url}/a?q=1"))
            .header("x-amz-meta-note", "plain")
            .body(Full::from("{}"))
            .unwrap();
        signer.sign(&mut request, SignedPayload::Bytes(b"{}"), &keys, SystemClock.now()).unwrap();
        change(&mut request);
        assert_eq!(Plain::default().send(request).await.unwrap().status, 403, "{what}");
    }
}

async fn gate(service: &str) -> (Counterpart, String) {
    let mut command = Command::new(peers::python("botocore"));
    command
        .args([SCRIPT, service, "eu-west-1"])
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_SESSION_TOKEN", TOKEN);
    let mut gate = Counterpart::start(&mut command);
    let port = gate.wait_for("listening:").await;
    (gate, format!("http://127.0.0.1:{}", port.trim()))
}
